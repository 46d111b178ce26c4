/**
 * What was seen of a Redis Cluster at one time: every node that answered, with its own view of all,
 * and those that did not. Nobody's view is taken for the truth; who owns a slot is who says so of
 * itself, and whether the others agree is a question of its own.
 */
import type { ClusterNodeId, NodeLine } from './nodes-text.ts';
import { SLOTS_ALL, type Slot, slotsOf } from './slots.ts';

/** A node that answered. */
export interface SeenNode {
  readonly id: ClusterNodeId;
  /** Where it was reached. */
  readonly host: string;
  readonly port: number;
  /** Its own line of its own view. */
  readonly self: NodeLine;
  /** Its whole view, itself included. */
  readonly view: readonly NodeLine[];
  readonly keys: number;
  /** What it says of the cluster: `cluster_state:ok`. */
  readonly isStateOk: boolean;
  /** Of a replica: it is connected to its primary. */
  readonly isLinkUp: boolean;
}

/** Somebody knows it, and it did not answer. */
export interface MissingNode {
  readonly id: ClusterNodeId;
  readonly host: string;
  readonly port: number;
  readonly isPrimary: boolean;
  readonly primary: ClusterNodeId | null;
  /** By the views of the others. */
  readonly slots: readonly Slot[];
  readonly why: string;
}

export interface Observation {
  readonly nodes: readonly SeenNode[];
  readonly missing: readonly MissingNode[];
}

export type SlotOwners = readonly (ClusterNodeId | null)[];

export function nodeOf(seen: Observation, id: ClusterNodeId): SeenNode | null {
  return seen.nodes.find((node) => node.id === id) ?? null;
}

export function primariesOf(seen: Observation): SeenNode[] {
  return seen.nodes.filter(({ self }) => self.isPrimary);
}

export function replicasOf(seen: Observation, primary: ClusterNodeId): SeenNode[] {
  return seen.nodes.filter(({ self }) => self.primary === primary);
}

/** The slots that it says are its own. */
export function slotsOfNode({ self }: SeenNode): Slot[] {
  return slotsOf(self.slots);
}

/** All who say of themselves that they own it: one, when all is well. */
export function claimantsOf(seen: Observation): ClusterNodeId[][] {
  const claimants: ClusterNodeId[][] = Array.from({ length: SLOTS_ALL }, () => []);
  for (const node of primariesOf(seen))
    for (const slot of slotsOfNode(node)) claimants[slot]?.push(node.id);
  return claimants;
}

/** How many say so, by slot. */
export function claimCounts(seen: Observation): Uint16Array {
  const counts = new Uint16Array(SLOTS_ALL);
  for (const { self } of primariesOf(seen))
    for (const { from, to } of self.slots)
      for (let slot = from; slot <= to; slot++) counts[slot] = (counts[slot] ?? 0) + 1;
  return counts;
}

/** By one node's view. */
export function ownersIn(view: readonly NodeLine[]): SlotOwners {
  const owners = new Array<ClusterNodeId | null>(SLOTS_ALL).fill(null);
  for (const { id, slots } of view) for (const { from, to } of slots) owners.fill(id, from, to + 1);
  return owners;
}

/** Slots whose owners two views name differently. */
export function disputedSlots({ nodes }: Observation): Slot[] {
  const [first = [], ...others] = nodes.map(({ view }) => ownersIn(view));
  const slots: Slot[] = [];
  for (let slot = 0; slot < first.length; slot++)
    if (others.some((owners) => owners[slot] !== first[slot])) slots.push(slot);
  return slots;
}

/** Nodes of whom two views say different roles, or different primaries. */
export function disputedRoles({ nodes }: Observation): SeenNode[] {
  return nodes.filter(({ id, self }) =>
    nodes.some(({ view }) =>
      view.some(
        (line) =>
          line.id === id && (line.primary !== self.primary || line.isPrimary !== self.isPrimary),
      ),
    ),
  );
}

/**
 * Whoever takes a slot must have heard of the giver's epoch: else its own would be too low, and
 * the giver's next word would take the slot back, for a node that has given it away by then.
 */
export function knowsEpoch(taker: SeenNode, giver: SeenNode): boolean {
  return taker.view.some((line) => line.id === giver.id && line.epoch >= giver.self.epoch);
}

/** Pairs of nodes that answered, of which the first does not know the second. */
export function strangersOf({ nodes }: Observation): [SeenNode, SeenNode][] {
  return nodes.flatMap((from) => {
    const known = new Set(
      from.view.filter(({ flags }) => !flags.includes('handshake')).map(({ id }) => id),
    );
    return nodes.filter(({ id }) => !known.has(id)).map((to): [SeenNode, SeenNode] => [from, to]);
  });
}

/** As nodes show each other: `10.0.0.7:6379`, with brackets around an IPv6 address. */
export function addressOf({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a person can tell two ids apart by, and what the tutorial's tools show. */
export function shortId(id: ClusterNodeId): string {
  return id.slice(0, 8);
}

export function nameOf(node: { id: ClusterNodeId; host: string; port: number }): string {
  return `${addressOf(node)} (${shortId(node.id)})`;
}
