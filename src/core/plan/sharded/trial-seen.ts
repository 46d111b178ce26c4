/** What the servers of a trial tell of themselves, as the planner is given it. */
import type { ClusterNodeId, NodeLine } from '../../cluster/nodes-text.ts';
import type { MissingNode, Observation, SeenNode } from '../../cluster/observation.ts';
import { SLOTS_ALL, type Slot, type SlotRange, slotsOf } from '../../cluster/slots.ts';
import { sizeOf, type TrialServer, type TrialSharded } from './trial-sharded.ts';
import type { ShardedSeen } from './wish.ts';

/** Long after anything happened: whatever is waited for is over. */
const LATER_MS = 60_000;

export function seenOf(trial: TrialSharded, others: Partial<ShardedSeen> = {}): ShardedSeen {
  return {
    cluster: observe(trial),
    standings: new Map(trial.up().map(({ id, standing }) => [id, standing])),
    histories: trial.histories,
    isFenced: (id) => !trial.server(id).isUp || !trial.server(id).standing.isExact,
    troubleMs: () => LATER_MS,
    orderedMs: () => 0,
    goneMs: () => LATER_MS,
    keys: (id, slot) => trial.server(id).keys.get(slot)?.size ?? 0,
    strays: strays(trial),
    memory: new Map(),
    ...others,
  };
}

function observe(trial: TrialSharded): Observation {
  const nodes = trial.up().map((node): SeenNode => {
    const owned = rangesByOwner(node.owners);
    const known = [node, ...[...node.knows.keys()].map((id) => trial.server(id))];
    const view = known.map((other) => line(node, other, owned.get(other.number) ?? []));
    const { id, host, port, isLinked } = node;
    const self = view[0] as NodeLine;
    return { id, host, port, self, view, keys: sizeOf(node), isStateOk: true, isLinkUp: isLinked };
  });
  const missing = new Map<ClusterNodeId, MissingNode>();
  for (const { view } of nodes)
    for (const { id, host, port, isPrimary, primary, slots } of view)
      if (!trial.server(id).isUp && (missing.get(id)?.slots.length ?? 0) === 0) {
        const all = { id, host, port, isPrimary, primary, slots: slotsOf(slots) };
        missing.set(id, { ...all, why: 'it is dead' });
      }
  return { nodes, missing: [...missing.values()] };
}

function rangesByOwner(owners: Int16Array): Map<number, SlotRange[]> {
  const all = new Map<number, SlotRange[]>();
  for (let from = 0, to = 0; from < SLOTS_ALL; from = to) {
    const owner = owners[from] ?? 0;
    while (to < SLOTS_ALL && owners[to] === owner) to++;
    const ranges = all.get(owner) ?? [];
    ranges.push({ from, to: to - 1 });
    all.set(owner, ranges);
  }
  return all;
}

function line(teller: TrialServer, node: TrialServer, slots: readonly SlotRange[]): NodeLine {
  const { id, host, primary, epoch } = node;
  const isSelf = teller === node;
  const port = isSelf ? node.port : (teller.knows.get(id) ?? 0);
  return {
    ...{ id, host, port, busPort: port + 10_000, primary, epoch },
    flags: [...(isSelf ? ['myself'] : []), primary === null ? 'master' : 'slave'],
    isPrimary: primary === null,
    slots: primary === null ? slots : [],
    migrating: new Map(isSelf ? node.migrating : []),
    importing: new Map(isSelf ? node.importing : []),
  };
}

function strays(trial: TrialSharded): Slot[] {
  const primaries = trial.up().filter(({ primary }) => primary === null);
  const slots = primaries.flatMap(({ keys, owners, number }) =>
    [...keys].flatMap(([slot, names]) => (names.size > 0 && owners[slot] !== number ? [slot] : [])),
  );
  return [...new Set(slots)].sort((a, b) => a - b);
}
