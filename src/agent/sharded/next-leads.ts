/**
 * What the control group has to agree on before, and after, the servers of a cluster are told to do
 * something: who may take the writes of each shard. Pure: what is agreed on, what is seen and what
 * is planned in, commands out.
 *
 * Level by level, as all of the planner: whatever a crash left half done is decided again.
 */
import type { ClusterNodeId } from '../../core/cluster/nodes-text.ts';
import { nodeOf, type SeenNode } from '../../core/cluster/observation.ts';
import type { Command } from '../../core/control/command.ts';
import { shortened } from '../../core/control/shapes.ts';
import { type ControlState, memberOf, type ShardLead } from '../../core/control/state.ts';
import { FORCE_MS, heirOf } from '../../core/plan/sharded/failovers.ts';
import { isStaying, type Shard, type Situation } from '../../core/plan/sharded/situation.ts';
import type { Failover, ShardedAction } from '../../core/plan/sharded/wish.ts';
import type { NodeId } from '../../core/scalars.ts';

/** Its primary keeps its lease for less: then it takes its shard back, or another way is gone. */
const HAND_OVER_MS = 2_000;

export interface LeadsInput {
  readonly state: ControlState;
  readonly situation: Situation;
  /** Of the plan; null where there is none, for slots are on their way. */
  readonly actions: readonly ShardedAction[];
  /** For how long a decision has been in force here. */
  readonly ageMs: (lead: ShardLead) => number;
  /** For people. */
  readonly atMs: number;
}

export function nextLeads(input: LeadsInput): Command[] {
  const founded = foundedNow(input);
  if (founded.length > 0) return founded;
  return [...failovers(input), ...begun(input), ...unled(input), ...stuck(input), ...over(input)];
}

/** All slots are somebody's. Nobody opens before, so that nothing is lost when it is begun anew. */
function foundedNow({ state, situation, atMs }: LeadsInput): Command[] {
  const isDue = state.shards?.isFounded !== true && situation.isCovered;
  return isDue ? [{ kind: 'slotsGiven', atMs }] : [];
}

function failovers(input: LeadsInput): Command[] {
  const { actions, state } = input;
  return actions.flatMap(({ step, why }): Command[] => {
    if (step.kind !== 'failover') return [];
    const before = leadOf(state, step.primary);
    // Of slots that nobody leads, whoever has them may be one that was replaced long ago.
    if (before === null || isUnderWay(input, before, step)) return [];
    return command(input, step.node, before, step.by, why);
  });
}

/** In force, or on its way to somebody else. */
function leadOf({ shards }: ControlState, primary: ClusterNodeId): ShardLead | null {
  const leads = shards?.leads ?? [];
  return (
    leads.find(({ server }) => server === primary) ??
    leads.find(({ history, former }) => history === null && former?.server === primary) ??
    null
  );
}

/** It was decided just now; another heir is not better as long as the first one is there. */
function isUnderWay({ situation, ageMs }: LeadsInput, lead: ShardLead, step: Failover): boolean {
  if (lead.history !== null || ageMs(lead) >= FORCE_MS) return false;
  if (lead.server !== step.node)
    return lead.by !== 'planned' && nodeOf(situation.cluster, lead.server) !== null;
  return lead.by === step.by;
}

/** A server that is to get its first slots. */
function begun(input: LeadsInput): Command[] {
  const { actions, state } = input;
  return actions.flatMap(({ step }): Command[] => {
    const to = step.kind === 'add-slots' ? step.node : step.kind === 'move' ? step.to : null;
    if (to === null || leadOf(state, to) !== null) return [];
    return command(input, to, null, 'begin', 'it is to have slots');
  });
}

/**
 * A primary that nobody has decided on, and that whoever was decided on follows: somebody has told
 * the servers so. Never one that was replaced, however it came back to its slots.
 */
function unled(input: LeadsInput): Command[] {
  const { state, situation } = input;
  return situation.shards.flatMap(({ id, primary }): Command[] => {
    if (primary === null || leadOf(state, id) !== null) return [];
    const leads = state.shards?.leads ?? [];
    const before = leads.find(({ server }) => follows(situation, server, id));
    if (before === undefined || leads.some(({ former }) => former?.server === id)) return [];
    return command(input, id, before, 'again', 'whoever had its slots follows it');
  });
}

function follows({ cluster }: Situation, server: ClusterNodeId, primary: ClusterNodeId): boolean {
  return nodeOf(cluster, server)?.self.primary === primary;
}

/** A decision of which nothing has come: a hand-over is taken back, a primary begins anew. */
function stuck(input: LeadsInput): Command[] {
  const { state, situation, ageMs, actions } = input;
  return (state.shards?.leads ?? []).flatMap((lead): Command[] => {
    const { history, by, former, server } = lead;
    if (history !== null || state.shards?.isFounded !== true) return [];
    const isPlanned = actions.some(
      ({ step }) => step.kind === 'failover' && leadOf(state, step.primary) === lead,
    );
    if (by !== 'planned' && isPlanned) return [];
    if (by === 'planned' && former !== null && ageMs(lead) >= HAND_OVER_MS) {
      const before = nodeOf(situation.cluster, former.server);
      if (isPrimary(before))
        return command(input, former.server, lead, 'again', 'the hand-over took too long');
    }
    const own = nodeOf(situation.cluster, server);
    if (ageMs(lead) < FORCE_MS || !isPrimary(own)) return [];
    return command(input, server, lead, 'again', 'it has not opened');
  });
}

function isPrimary(node: SeenNode | null): boolean {
  return node?.self.isPrimary === true;
}

/** Whoever follows another takes no writes, nor does a server that is nobody's any more. */
function over({ state, situation, atMs }: LeadsInput): Command[] {
  const { cluster, shards } = situation;
  return (state.shards?.leads ?? [])
    .filter((lead) => {
      const own = nodeOf(cluster, lead.server);
      const isWanted = shards.some(({ id }) => id === lead.server || id === lead.former?.server);
      if (isWanted || lead.history === null) return false;
      if (own === null) return memberOf(state, lead.node)?.facts.clusterServer !== lead.server;
      // Before whom it follows is decided on, it is who that takes over from.
      const isFollowing = leadOf(state, own.self.primary ?? '') !== null;
      return own.self.isPrimary ? !isStaying(situation, lead.server) : isFollowing;
    })
    .map(({ decision }) => ({ kind: 'endLead', atMs, decision }));
}

function command(
  { state, situation, atMs }: LeadsInput,
  server: ClusterNodeId,
  before: ShardLead | null,
  by: ShardLead['by'],
  why: string,
): Command[] {
  const node = situation.members.get(server)?.node;
  if (node === undefined || memberOf(state, node) === null) return [];
  const basis = before?.decision ?? 0;
  return [{ kind: 'lead', atMs, basis, node, server, by, why: shortened(why) }];
}

/** Who takes over from this node's shard in agreement with it; null: nobody can, or none is its. */
export function handOverOf(
  input: LeadsInput,
  from: NodeId,
  to: NodeId | null,
  why: string,
): Command | null {
  const { state, situation } = input;
  const lead = state.shards?.leads.find(({ node }) => node === from) ?? null;
  const shard = situation.shards.find(({ id }) => id === lead?.server);
  if (lead === null || lead.history === null || shard === undefined) return null;
  const heir = heirAmong(situation, shard, to);
  if (heir === null) return null;
  return command(input, heir, lead, 'planned', why)[0] ?? null;
}

function heirAmong(situation: Situation, shard: Shard, to: NodeId | null): ClusterNodeId | null {
  const replicas = shard.replicas.filter(
    ({ id, isLinkUp }) =>
      isLinkUp &&
      isStaying(situation, id) &&
      (to === null || situation.members.get(id)?.node === to),
  );
  const heir = heirOf(situation, { ...shard, replicas });
  return heir === null || !heir.isExact ? null : heir.node.id;
}
