/**
 * The plan for a new cluster: which of the nodes are primaries, and whose replicas the others are.
 *
 * The nodes are dealt out host by host, like cards, to one shard after the other: a host's nodes
 * come to lie in different shards as far as there are shards, and no way has fewer pairs of one
 * host in one shard. (redis-cli deals, and then swaps at random while that helps.) Each shard then
 * takes as its primary a node of the host that has fewest primaries.
 */
import type { ClusterNodeId } from './nodes-text.ts';
import { evenRanges, slotsOf } from './slots.ts';
import type { Step } from './steps.ts';

export interface NewNode {
  readonly id: ClusterNodeId;
  /** What fails as one: by its name only. */
  readonly host: string;
}

export interface Shard {
  readonly primary: NewNode;
  readonly replicas: readonly NewNode[];
}

/** Fewer can elect nobody when one of them fails. */
const PRIMARIES_MIN = 3;

export type CreatePlan =
  | { readonly kind: 'plan'; readonly shards: readonly Shard[]; readonly steps: readonly Step[] }
  | { readonly kind: 'refused'; readonly why: string };

export function planCreate(
  nodes: readonly NewNode[],
  replicas: number,
  allowFew = false,
): CreatePlan {
  const primaries = Math.floor(nodes.length / (replicas + 1));
  const min = allowFew ? 1 : PRIMARIES_MIN;
  if (primaries < min) {
    const why =
      `a cluster has ${min} primaries at least: with ${replicas} replicas each that is ` +
      `${min * (replicas + 1)} nodes, and ${nodes.length} were given`;
    return { kind: 'refused', why };
  }
  const shards = shardsOf(nodes, primaries);
  return { kind: 'plan', shards, steps: stepsOf(shards) };
}

export function shardsOf(nodes: readonly NewNode[], primaries: number): Shard[] {
  const members: NewNode[][] = Array.from({ length: primaries }, () => []);
  for (const [at, node] of byHost(nodes).entries()) members[at % primaries]?.push(node);
  const hosts = primaryHosts(members.map((shard) => shard.map(({ host }) => host)));
  const order = (node: NewNode): number => nodes.indexOf(node);
  const shards = members.map((shard, at): Shard => {
    const sorted = shard.toSorted((a, b) => order(a) - order(b));
    const primary = sorted.find(({ host }) => host === hosts[at]) as NewNode;
    return { primary, replicas: sorted.filter((node) => node !== primary) };
  });
  return shards.sort((a, b) => order(a.primary) - order(b.primary));
}

/** All nodes of a host together, in the order in which hosts were first named. */
function byHost(nodes: readonly NewNode[]): NewNode[] {
  const hosts = [...new Set(nodes.map(({ host }) => host))];
  return hosts.flatMap((host) => nodes.filter((node) => node.host === host));
}

/**
 * For every shard one of its hosts, so that the host with most primaries has as few as can be:
 * whoever has too many hands one on along a chain of shards, as in a matching.
 */
function primaryHosts(shards: readonly (readonly string[])[]): string[] {
  const chosen = shards.map(([first = '']) => first);
  const load = (host: string): number => chosen.filter((other) => other === host).length;
  const hosts = [...new Set(shards.flat())];
  for (;;) {
    const heavy = hosts.toSorted((a, b) => load(b) - load(a));
    const chain = heavy
      .map((host) => chainFrom(host, shards, chosen, (end) => load(end) <= load(host) - 2))
      .find((found) => found !== null);
    if (chain === undefined) return chosen;
    // Each hand-over shortens the list of loads, so this comes to an end.
    for (const { shard, host } of chain) chosen[shard] = host;
  }
}

interface Handover {
  readonly shard: number;
  /** Who has its primary instead. */
  readonly host: string;
}

/** The shortest chain of hand-overs that ends at a host with room; null when there is none. */
function chainFrom(
  start: string,
  shards: readonly (readonly string[])[],
  chosen: readonly string[],
  hasRoom: (host: string) => boolean,
): Handover[] | null {
  const reached = new Map<string, Handover[]>([[start, []]]);
  for (const [host, chain] of reached) {
    if (host !== start && hasRoom(host)) return chain;
    for (const [shard, hosts] of shards.entries()) {
      if (chosen[shard] !== host) continue;
      for (const next of hosts)
        if (!reached.has(next)) reached.set(next, [...chain, { shard, host: next }]);
    }
  }
  return null;
}

/** Every node has an epoch of its own from the beginning: two equal ones decide nothing. */
function stepsOf(shards: readonly Shard[]): Step[] {
  const ranges = evenRanges(shards.length);
  const all = shards.flatMap(({ primary, replicas }) => [primary, ...replicas]);
  const [first = all[0]] = shards.map(({ primary }) => primary);
  const nodes = all.map(({ id }) => id);
  const others = all.filter((node) => node !== first);
  return [
    ...shards.map(({ primary }, at): Step => {
      return { kind: 'add-slots', node: primary.id, slots: slotsOf(ranges.slice(at, at + 1)) };
    }),
    ...all.map(({ id }, at): Step => ({ kind: 'set-epoch', node: id, epoch: at + 1 })),
    ...others.map(({ id }): Step => ({ kind: 'meet', node: id, other: first?.id ?? '' })),
    { kind: 'agree', nodes },
    ...shards.flatMap(({ primary, replicas }) =>
      replicas.map(({ id }): Step => ({ kind: 'replicate', node: id, primary: primary.id })),
    ),
    { kind: 'agree', nodes },
  ];
}
