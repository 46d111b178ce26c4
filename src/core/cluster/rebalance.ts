/**
 * The plan that gives every primary its share of the slots, with the fewest moves: none gives more
 * than it has above its share, and where shares have to be rounded, up is for those who have most.
 */
import type { ClusterNodeId } from './nodes-text.ts';
import { type Observation, primariesOf, slotsOfNode } from './observation.ts';
import { sharesOf } from './shares.ts';
import type { Slot } from './slots.ts';
import type { Step } from './steps.ts';

export interface RebalanceWish {
  /** By an id or how one begins; 1 for those who are not named. 0 empties a primary. */
  readonly weights: ReadonlyMap<string, number>;
  /** Primaries without slots get a share as well; those with a weight of their own always do. */
  readonly useEmpty: boolean;
  /** Nothing is done while all are within so many per cent of their shares; 0: exactly on them. */
  readonly thresholdPercent: number;
}

export type RebalancePlan =
  | {
      readonly kind: 'plan';
      /** Empty when the slots are balanced. */
      readonly steps: readonly Step[];
      readonly shares: readonly Share[];
    }
  | { readonly kind: 'refused'; readonly why: string };

export interface Share {
  readonly id: ClusterNodeId;
  readonly has: number;
  readonly wanted: number;
}

export function planRebalance(seen: Observation, wish: RebalanceWish): RebalancePlan {
  const primaries = primariesOf(seen).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const weightOf = new Map<ClusterNodeId, number>();
  for (const [prefix, weight] of wish.weights) {
    const found = primaries.filter(({ id }) => id.startsWith(prefix));
    const [only, another] = found;
    if (only === undefined) return refused(`no primary has an id that begins with ${prefix}`);
    if (another !== undefined) return refused(`several ids begin with ${prefix}`);
    weightOf.set(only.id, weight);
  }
  const sharing = primaries
    .map((node) => ({ id: node.id, own: slotsOfNode(node) }))
    .filter(({ id, own }) => own.length > 0 || wish.useEmpty || weightOf.has(id));
  const weights = sharing.map(({ id }) => weightOf.get(id) ?? 1);
  if (!weights.some((weight) => weight > 0)) return refused('somebody must have a weight above 0');
  const total = sharing.reduce((sum, { own }) => sum + own.length, 0);
  const has = (at: number): number => sharing[at]?.own.length ?? 0;
  const wanted = sharesOf(total, weights, (at, exact) => has(at) - exact);
  const shares = sharing.map(
    ({ id }, at): Share => ({ id, has: has(at), wanted: wanted[at] ?? 0 }),
  );
  if (shares.every((share) => isWithin(share, wish.thresholdPercent)))
    return { kind: 'plan', steps: [], shares };
  return {
    kind: 'plan',
    steps: movesOf(shares, new Map(sharing.map((s) => [s.id, s.own]))),
    shares,
  };
}

function isWithin({ has, wanted }: Share, percent: number): boolean {
  const difference = Math.abs(has - wanted);
  return wanted === 0 ? has === 0 : difference * 100 <= wanted * percent;
}

/** Largest surplus to largest lack: few pairs, and each source gives its lowest slots. */
function movesOf(
  shares: readonly Share[],
  owned: ReadonlyMap<ClusterNodeId, readonly Slot[]>,
): Step[] {
  const surplus = shares
    .filter(({ has, wanted }) => has > wanted)
    .map(({ id, has, wanted }) => ({ id, slots: (owned.get(id) ?? []).slice(0, has - wanted) }))
    .sort((a, b) => b.slots.length - a.slots.length);
  const lack = shares
    .filter(({ has, wanted }) => has < wanted)
    .map(({ id, has, wanted }) => ({ id, count: wanted - has }))
    .sort((a, b) => b.count - a.count);
  const steps: Step[] = [];
  for (const { id: to, count } of lack) {
    let open = count;
    for (const source of surplus) {
      const slots = source.slots.slice(0, open);
      if (slots.length === 0) continue;
      source.slots = source.slots.slice(slots.length);
      open -= slots.length;
      steps.push({ kind: 'move', from: source.id, to, slots });
    }
  }
  return steps;
}

function refused(why: string): RebalancePlan {
  return { kind: 'refused', why };
}
