/**
 * Who belongs to the cluster, and its shards, out of everybody's own view.
 *
 * Servers belong together when one knows the other, by id and in either direction, over nodes that
 * do not answer as well. Of several such parts the one with most slots is the cluster. Another part
 * without slots and keys has newcomers; with any it is strange, and never met: of two owners of a
 * slot servers keep one, and drop what the other had.
 */
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import {
  claimCounts,
  type Observation,
  primariesOf,
  replicasOf,
  type SeenNode,
} from '../../cluster/observation.ts';
import { countOf } from '../../cluster/slots.ts';
import { nameOf } from '../../control/state.ts';
import type { ShardedMember, ShardedSeen, ShardedWish } from './wish.ts';

/** A primary that has slots, with those that follow it. */
export interface Shard {
  /** Of its primary. */
  readonly id: ClusterNodeId;
  /** Null: it does not answer. */
  readonly primary: SeenNode | null;
  readonly slots: number;
  /** That answer. */
  readonly replicas: readonly SeenNode[];
}

export interface Situation {
  readonly wish: ShardedWish;
  readonly seen: ShardedSeen;
  readonly members: ReadonlyMap<ClusterNodeId, ShardedMember>;
  /** The cluster itself. */
  readonly cluster: Observation;
  readonly shards: readonly Shard[];
  /** Of every slot somebody who answers says that it is his. */
  readonly isCovered: boolean;
  /** Parts without data, of members that stay. */
  readonly newcomers: readonly Observation[];
  readonly strange: readonly Observation[];
}

export function situationOf(wish: ShardedWish, seen: ShardedSeen): Situation {
  const members = new Map(
    wish.members.flatMap((member) =>
      member.server === null ? [] : [[member.server, member] as const],
    ),
  );
  const [cluster = { nodes: [], missing: [] }, ...others] = partsOf(seen.cluster);
  const isStaying = ({ id }: SeenNode): boolean => members.get(id)?.isLeaving === false;
  const claims = claimCounts(cluster);
  return {
    ...{ wish, seen, members, cluster },
    shards: shardsOf(cluster, claims),
    isCovered: claims.every((by) => by > 0),
    newcomers: others.filter((part) => isEmpty(part) && part.nodes.some(isStaying)),
    strange: others.filter((part) => !isEmpty(part)),
  };
}

/** The cluster first. */
function partsOf({ nodes, missing }: Observation): Observation[] {
  const partOf = new Map<ClusterNodeId, Set<ClusterNodeId>>();
  const join = (one: ClusterNodeId, other: ClusterNodeId): void => {
    const into = partOf.get(one) ?? new Set([one]);
    for (const id of partOf.get(other) ?? [other]) into.add(id);
    for (const id of into) partOf.set(id, into);
  };
  for (const { id, view } of nodes)
    for (const line of view) if (!line.flags.includes('handshake')) join(id, line.id);
  const parts = [...new Set(nodes.map(({ id }) => partOf.get(id)))].map((ids) => ({
    nodes: nodes.filter(({ id }) => ids?.has(id)),
    missing: missing.filter(({ id }) => ids?.has(id)),
  }));
  const first = ({ nodes: [node] }: Observation): string => node?.id ?? '';
  return parts.sort(
    (a, b) =>
      slotsIn(b) - slotsIn(a) || b.nodes.length - a.nodes.length || (first(a) < first(b) ? -1 : 1),
  );
}

function slotsIn({ nodes, missing }: Observation): number {
  const own = nodes.reduce((sum, node) => sum + countOf(node.self.slots), 0);
  return missing.reduce((sum, { slots }) => sum + slots.length, own);
}

function isEmpty(part: Observation): boolean {
  return slotsIn(part) === 0 && part.nodes.every(({ keys }) => keys === 0);
}

function shardsOf(cluster: Observation, claims: Uint16Array): Shard[] {
  const answering = primariesOf(cluster).map((primary) => {
    const slots = countOf(primary.self.slots);
    return { id: primary.id, primary, slots, replicas: replicasOf(cluster, primary.id) };
  });
  // Who has taken over from it says so before all have heard of it.
  const gone = cluster.missing.map(({ id, slots: all }) => {
    const slots = all.filter((slot) => claims[slot] === 0).length;
    return { id, primary: null, slots, replicas: replicasOf(cluster, id) };
  });
  return [...answering, ...gone]
    .filter(({ slots }) => slots > 0)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** A member's server that answers, and is to go on. */
export function isStaying({ members }: Situation, id: ClusterNodeId): boolean {
  return members.get(id)?.isLeaving === false;
}

/** All others may be strangers to each other: they go on, or have slots that others go on with. */
export function isNeeded(now: Situation, { id, self }: SeenNode): boolean {
  return isStaying(now, id) || (self.isPrimary && self.slots.length > 0);
}

/** Those of the cluster that answer and stay. */
export function stayingNodes(now: Situation): SeenNode[] {
  return now.cluster.nodes.filter(({ id }) => isStaying(now, id));
}

/** Primaries without slots that answer and stay. */
export function emptyPrimaries(now: Situation): SeenNode[] {
  return stayingNodes(now).filter(({ self }) => self.isPrimary && self.slots.length === 0);
}

/** By the name that people gave it; of nobody's server the beginning of its id. */
export function called({ members }: Situation, id: ClusterNodeId): string {
  const member = members.get(id);
  return member === undefined ? id.slice(0, 8) : nameOf(member.node);
}

export function placeOf({ members }: Situation, { id, host }: SeenNode): Place {
  const member = members.get(id);
  return { id, host: member?.host ?? host, zone: member?.zone ?? '' };
}

/** Where a server stands. */
export interface Place {
  readonly id: ClusterNodeId;
  readonly host: string;
  readonly zone: string;
}
