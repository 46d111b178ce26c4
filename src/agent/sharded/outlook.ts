/**
 * What the planner of many shards is given, from what is agreed on and what was seen: the wish, the
 * observation with its times, and the histories under which primaries opened.
 */
import type { ClusterNodeId } from '../../core/cluster/nodes-text.ts';
import type { Observation } from '../../core/cluster/observation.ts';
import { shardsOf } from '../../core/control/spec.ts';
import { type ControlState, isWitness, type ShardLead } from '../../core/control/state.ts';
import type { Standing } from '../../core/plan/observation.ts';
import { troubleOf } from '../../core/plan/sharded/failovers.ts';
import { situationOf } from '../../core/plan/sharded/situation.ts';
import type { ShardedSeen, ShardedWish } from '../../core/plan/sharded/wish.ts';
import type { NodeId } from '../../core/scalars.ts';

/** What was looked for in one round. */
export type Looked = Pick<ShardedSeen, 'cluster' | 'keys' | 'strays' | 'memory'>;

const WEIGHT = 1;

export function wishOf({ spec, shards, members }: ControlState): ShardedWish {
  return {
    isFounded: shards?.isFounded === true,
    shards: shardsOf(spec?.eventual),
    replicas: spec?.replicas ?? 0,
    members: members
      .filter(({ facts }) => !isWitness(facts))
      .map(({ node, facts, leaving }) => ({
        node,
        server: facts.clusterServer ?? null,
        host: hostOf(facts.clientAddress),
        zone: facts.zone,
        weight: WEIGHT,
        isLeaving: leaving !== null,
      })),
  };
}

function hostOf(address: string): string {
  return address.slice(0, Math.max(0, address.lastIndexOf(':')));
}

/** Members that leave, whose servers hold nothing and are known by no other. */
export function spareServers(state: ControlState, { nodes }: Observation): Set<NodeId> {
  const leading = new Set(state.shards?.leads.map(({ node }) => node));
  const spare = state.members.filter(({ node, facts, leaving }) => {
    if (leaving === null || leading.has(node)) return false;
    const { clusterServer: server } = facts;
    const own = nodes.find(({ id }) => id === server);
    const isKnown = nodes.some(
      (other) => other !== own && other.view.some(({ id }) => id === server),
    );
    const isEmpty = own === undefined || (own.keys === 0 && own.self.slots.length === 0);
    return server === undefined || (!isKnown && isEmpty);
  });
  return new Set(spare.map(({ node }) => node));
}

/** What each primary must hold to be one: under what it opened, or what it is to open with. */
export function historiesOf({ shards }: ControlState): Map<ClusterNodeId, string> {
  const histories = new Map<ClusterNodeId, string>();
  for (const { server, history, base, former } of shards?.leads ?? []) {
    const required = history ?? base;
    if (required === null) continue;
    histories.set(server, required);
    if (history === null && former !== null) histories.set(former.server, required);
  }
  return histories;
}

/** Since when things are as they are: of the one who looks, from when it began to. */
export class Watch {
  readonly #nowMs: () => number;
  readonly #troubleMs = new Map<ClusterNodeId, number>();
  readonly #seenMs = new Map<ClusterNodeId, number>();
  readonly #decidedMs = new Map<number, number>();
  #sinceMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** It leads from now on: what was before it has not seen. */
  begin(): void {
    this.#sinceMs = this.#nowMs();
    this.#troubleMs.clear();
    this.#seenMs.clear();
    this.#decidedMs.clear();
  }

  /** For how long this decision has been in force, as far as it was seen here; ms. */
  ageMs({ decision }: ShardLead): number {
    return this.#nowMs() - (this.#decidedMs.get(decision) ?? this.#nowMs());
  }

  /** `standings`: fresh ones, by node. */
  seen(
    state: ControlState,
    looked: Looked,
    standings: ReadonlyMap<NodeId, Standing>,
    isFenced: ShardedSeen['isFenced'],
  ): ShardedSeen {
    const now = this.#nowMs();
    const leads = state.shards?.leads ?? [];
    for (const { id } of looked.cluster.nodes) this.#seenMs.set(id, now);
    for (const { decision } of leads)
      if (!this.#decidedMs.has(decision)) this.#decidedMs.set(decision, now);
    for (const decision of [...this.#decidedMs.keys()])
      if (!leads.some((lead) => lead.decision === decision)) this.#decidedMs.delete(decision);
    const seen: ShardedSeen = {
      ...looked,
      standings: byServer(state, standings),
      histories: historiesOf(state),
      isFenced,
      troubleMs: (primary) => now - (this.#troubleMs.get(primary) ?? now),
      orderedMs: (primary) => this.#orderedMs(leads, primary),
      goneMs: (server) => now - Math.max(this.#sinceMs, this.#seenMs.get(server) ?? 0),
    };
    this.#watchTrouble(state, seen);
    return seen;
  }

  #watchTrouble(state: ControlState, seen: ShardedSeen): void {
    const now = situationOf(wishOf(state), seen);
    const troubled = now.shards.filter((shard) => troubleOf(now, shard) !== null);
    const ids = new Set(troubled.map(({ id }) => id));
    for (const id of [...this.#troubleMs.keys()]) if (!ids.has(id)) this.#troubleMs.delete(id);
    for (const id of ids) if (!this.#troubleMs.has(id)) this.#troubleMs.set(id, this.#nowMs());
  }

  #orderedMs(leads: readonly ShardLead[], primary: ClusterNodeId): number {
    const ordered = leads.find(
      ({ by, history, former }) =>
        history === null && former?.server === primary && (by === 'force' || by === 'takeover'),
    );
    return ordered === undefined ? 0 : this.ageMs(ordered);
  }
}

function byServer(
  { members }: ControlState,
  standings: ReadonlyMap<NodeId, Standing>,
): Map<ClusterNodeId, Standing> {
  return new Map(
    members.flatMap(({ node, facts }) => {
      const standing = standings.get(node);
      const { clusterServer } = facts;
      return standing === undefined || clusterServer === undefined
        ? []
        : [[clusterServer, standing] as const];
    }),
  );
}
