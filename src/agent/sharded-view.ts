/** A deployment of many shards as people should see it, from what one of its nodes knows. */

import { countOf } from '../core/cluster/slots.ts';
import { memberOf, nameOf, type ShardLead } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Problem, Role, ShardsView } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import type { EventualPart } from './eventual-part.ts';
import { ShardedPart } from './sharded-part.ts';

/** A failover takes about this long: nobody needs to hear of it. */
const UNSERVED_MS_MAX = 6_000;

/** Null where there is one shard. */
export function shardedOf(part: EventualPart | null): ShardedPart | null {
  return part instanceof ShardedPart ? part : null;
}

/** By what is agreed on, and as the server of this node has heard. */
export function shardedRole({ assembly }: Agent, part: ShardedPart, node: NodeId): Role {
  const { state } = assembly;
  if (state.shards?.leads.some((lead) => lead.node === node)) return 'primary';
  const server = memberOf(state, node)?.facts.clusterServer;
  const line = part.heard.find(({ id }) => id === server);
  return line === undefined || line.isPrimary ? 'spare' : 'replica';
}

/** The node whose shard it has a copy of, or has; null: none. */
export function primaryOf({ assembly }: Agent, part: ShardedPart, node: NodeId): NodeId | null {
  const { members, shards } = assembly.state;
  if (shards?.leads.some((lead) => lead.node === node)) return node;
  const server = members.find((member) => member.node === node)?.facts.clusterServer;
  const leading = part.heard.find(({ id }) => id === server)?.primary ?? null;
  return (
    members.find(({ facts }) => leading !== null && facts.clusterServer === leading)?.node ?? null
  );
}

export function shardsSeen(agent: Agent, part: ShardedPart): ShardsView {
  const { members, shards } = agent.assembly.state;
  const { waits = [], progress = null } = part.told ?? {};
  const replicasOf = (lead: ShardLead): string[] =>
    members
      .filter(({ node }) => node !== lead.node && primaryOf(agent, part, node) === lead.node)
      .map(({ node }) => nameOf(node));
  return {
    isServed: part.withoutPrimaryMs === 0,
    shards: (shards?.leads ?? []).map((lead) => ({
      primary: nameOf(lead.node),
      slots: countOf(part.heard.find(({ id }) => id === lead.server)?.slots ?? []),
      replicas: replicasOf(lead),
      hasOpened: lead.history !== null,
    })),
    waits,
    move:
      progress === null
        ? null
        : {
            slots: progress.slots,
            slotsLeft: progress.slotsLeft,
            keys: progress.keys,
            slotsPerSecond: Math.round((progress.slots * 1_000) / Math.max(1, progress.ms)),
          },
  };
}

export function shardedProblems({ assembly }: Agent, part: ShardedPart): Problem[] {
  const told = part.told?.problems ?? [];
  const problems = told.map(({ code, text }) => ({ code, text, todo: TODO[code] ?? TODO_ELSE }));
  if (assembly.group === null || part.withoutPrimaryMs < UNSERVED_MS_MAX) return problems;
  const seconds = Math.round(part.withoutPrimaryMs / 1000);
  const text = `some slots take no writes since ${seconds} s`;
  return [...problems, { code: 'NO_PRIMARY', text, todo: TODO_ELSE }];
}

const TODO_ELSE =
  'only a node that holds the newest data is chosen: start those that are away, and look at ' +
  'their servers';
const TODO: Readonly<Record<string, string>> = {
  STRANGE_DATA: 'it is left alone: empty its directory if nobody needs them, and it joins',
  SLOTS_UNCOVERED: 'start the nodes that are away: one of them may have these slots',
  TOO_FEW_NODES: 'start more nodes, or scale down: althing scale --shards N',
  COPIES_MISSING: 'start more nodes, or scale down: althing scale --replicas N',
  DOES_NOT_FIT: 'raise maxmemory, or change the wish back: althing scale --shards N',
  CANNOT_LEAVE: 'start another node in its place',
  STRAY_KEYS: 'look at these keys: nobody finds them where they are',
};
