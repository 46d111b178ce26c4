import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planAddNode, planDelNode } from './members.ts';
import { primariesOf, slotsOfNode } from './observation.ts';
import { problemsOf } from './problems.ts';
import { planRebalance, type RebalanceWish } from './rebalance.ts';
import { planReshard } from './reshard.ts';
import { SLOTS_ALL, type Slot } from './slots.ts';
import type { Step } from './steps.ts';
import { TrialCluster, trialId } from './trial-cluster.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(trialId) as [string, string, string, string];
const NO_WISH: RebalanceWish = { weights: new Map(), useEmpty: false, thresholdPercent: 2 };

/** Primaries with so many slots each, in ranges. */
function cluster(...counts: number[]): TrialCluster {
  const made = new TrialCluster();
  let from = 0;
  for (const [at, count] of counts.entries()) {
    const slots = Array.from({ length: count }, (_, i) => from + i);
    made.add('abcdefgh'[at] ?? '', slots);
    from += count;
  }
  return made;
}

function counts(made: TrialCluster): number[] {
  return primariesOf(made.observe()).map((node) => slotsOfNode(node).length);
}

function movesOf(steps: readonly Step[]): string[] {
  return steps.map((step) => {
    ok(step.kind === 'move');
    return `${step.from[0]}${step.to[0]} ${step.slots.length}`;
  });
}

test('planReshard: from all others in proportion, the lowest slots of the largest first', () => {
  const made = cluster(8_192, 4_096, 4_096, 0);
  const plan = planReshard(made.observe(), { from: 'all', to: D, slots: 1_000 });
  ok(plan.kind === 'plan');
  deepEqual(movesOf(plan.steps), ['ad 500', 'bd 250', 'cd 250']);
  const [first] = plan.steps;
  deepEqual(first?.kind === 'move' && first.slots.slice(0, 2), [0, 1]);
});

test('planReshard refuses a replica, a stranger, the target as source, and too much', () => {
  const made = cluster(8_192, 8_192);
  made.add('r', [], 'a');
  const seen = made.observe();
  const why = (from: 'all' | string[], to: string, slots: number): string => {
    const plan = planReshard(seen, { from, to, slots });
    return plan.kind === 'refused' ? plan.why : 'planned';
  };
  equal(why('all', trialId('r'), 1).includes('replica'), true);
  equal(why('all', C, 1).includes('no node'), true);
  equal(why([A, B], B, 1), 'the target cannot be a source as well');
  equal(why([trialId('r')], B, 1).includes('no primary'), true);
  equal(why([A], B, 8_193).includes('8192 slots'), true);
  equal(why([A], B, 8_192), 'planned');
});

test('planRebalance: nothing within the threshold; a threshold of 0 asks for exact shares', () => {
  const seen = cluster(5_400, 5_492, 5_492).observe();
  deepEqual(planRebalance(seen, NO_WISH), {
    kind: 'plan',
    steps: [],
    shares: [
      { id: A, has: 5_400, wanted: 5_461 },
      { id: B, has: 5_492, wanted: 5_462 },
      { id: C, has: 5_492, wanted: 5_461 },
    ],
  });
  const exact = planRebalance(seen, { ...NO_WISH, thresholdPercent: 0 });
  deepEqual(exact.kind === 'plan' && movesOf(exact.steps), ['ca 31', 'ba 30']);
});

test('planRebalance: weight 0 drains, ids by their beginning, unknown and unclear ones refused', () => {
  const seen = cluster(4_096, 4_096, 4_096, 4_096).observe();
  const wish = (...pairs: [string, number][]): RebalanceWish => {
    return { ...NO_WISH, weights: new Map(pairs) };
  };
  const drained = planRebalance(seen, wish(['d0', 0]));
  deepEqual(drained.kind === 'plan' && movesOf(drained.steps), ['da 1366', 'db 1365', 'dc 1365']);
  equal(planRebalance(seen, wish(['f', 1])).kind, 'refused');
  equal(planRebalance(seen, wish(['', 1])).kind, 'refused');
  const nobody = wish(['a', 0], ['b', 0], ['c', 0], ['d', 0]);
  equal(planRebalance(seen, nobody).kind, 'refused');
});

test('planRebalance: the empty ones are passed over unless they are asked for', () => {
  const seen = cluster(8_192, 8_192, 0).observe();
  const plain = planRebalance(seen, NO_WISH);
  equal(plain.kind === 'plan' && plain.steps.length, 0);
  const all = planRebalance(seen, { ...NO_WISH, useEmpty: true });
  deepEqual(all.kind === 'plan' && movesOf(all.steps), ['bc 2731', 'ac 2730']);
});

test('planRebalance: from anywhere to the shares, with the fewest moves and always an owner', () => {
  const weight = fc.integer({ min: 0, max: 4 });
  const primary = fc.record({ has: fc.integer({ min: 0, max: 25 }), weight });
  fc.assert(
    fc.property(fc.array(primary, { minLength: 2, maxLength: 6 }), (primaries) => {
      fc.pre(primaries.some((one) => one.weight > 0) && primaries.some((one) => one.has > 0));
      const made = cluster(...primaries.map(({ has }) => has));
      const weights = new Map(
        primaries.map((one, at) => [trialId('abcdef'[at] ?? ''), one.weight]),
      );
      const wish = { weights, useEmpty: true, thresholdPercent: 0 };
      const plan = planRebalance(made.observe(), wish);
      ok(plan.kind === 'plan');
      const surplus = plan.shares.reduce((sum, s) => sum + Math.max(0, s.has - s.wanted), 0);
      const moved = plan.steps.flatMap((step) => (step.kind === 'move' ? step.slots : []));
      equal(moved.length, surplus, 'nobody gives more than its surplus');
      // Rounding up for those who have most: no other rounding needs fewer moves.
      equal(surplus, fewestMoves(primaries));
      const slots = primaries.reduce((sum, { has }) => sum + has, 0);
      made.apply(plan.steps, () => {
        for (let slot = 0; slot < slots; slot++)
          if (made.claimants(slot).length === 0) throw new Error(`slot ${slot} is nobody's`);
      });
      deepEqual(
        counts(made),
        plan.shares.map(({ wanted }) => wanted),
      );
    }),
    { numRuns: 25 },
  );
});

/** By trying every way to round the shares. */
function fewestMoves(primaries: readonly { has: number; weight: number }[]): number {
  const total = primaries.reduce((sum, { has }) => sum + has, 0);
  const all = primaries.reduce((sum, { weight }) => sum + weight, 0);
  const exact = primaries.map(({ weight }) => (total * weight) / all);
  let best = Number.POSITIVE_INFINITY;
  for (let bits = 0; bits < 2 ** primaries.length; bits++) {
    const wanted = exact.map((share, at) =>
      (bits >> at) % 2 === 1 && primaries[at]?.weight !== 0
        ? Math.floor(share) + 1
        : Math.floor(share),
    );
    if (wanted.reduce((sum, share) => sum + share, 0) !== total) continue;
    const moves = primaries.map(({ has }, at) => Math.max(0, has - (wanted[at] ?? 0)));
    best = Math.min(
      best,
      moves.reduce((sum, count) => sum + count, 0),
    );
  }
  return best;
}

test('planAddNode: the newcomer meets, is known by all, then follows whoever has fewest', () => {
  const made = cluster(8_192, 8_192);
  made.add('r', [], 'a');
  const newcomer = { id: trialId('e'), host: 'e' };
  const kinds = (as: Parameters<typeof planAddNode>[2]): string[] => {
    const plan = planAddNode(made.observe(), newcomer, as);
    return plan.kind === 'plan' ? plan.steps.map(({ kind }) => kind) : [plan.kind];
  };
  deepEqual(kinds('primary'), ['copy-functions', 'meet', 'agree']);
  deepEqual(kinds({ replicaOf: A }), ['meet', 'agree', 'replicate', 'agree']);
  deepEqual(kinds({ replicaOf: trialId('r') }), ['refused']);
  const fewest = planAddNode(made.observe(), newcomer, { replicaOf: 'fewest' });
  ok(fewest.kind === 'plan');
  const follow = fewest.steps.find(({ kind }) => kind === 'replicate');
  equal(follow?.kind === 'replicate' && follow.primary, B);
});

test('planDelNode: slots first, replicas to others, then all forget it, dead or alive', () => {
  const made = cluster(8_000, 8_384, 0);
  made.add('r', [], 'a');
  equal(planDelNode(made.observe(), A, false).kind, 'refused');
  equal(planDelNode(made.observe(), D, true).kind, 'refused');
  const alive = planDelNode(made.observe(), A, true);
  ok(alive.kind === 'plan');
  deepEqual(
    alive.steps.map(({ kind }) => kind),
    ['move', 'replicate', 'agree', 'forget', 'forget', 'forget', 'reset', 'agree'],
  );
  made.dead.add(C);
  const dead = planDelNode(made.observe(), C, false);
  ok(dead.kind === 'plan');
  deepEqual(
    dead.steps.map(({ kind }) => kind),
    ['forget', 'forget', 'forget', 'agree'],
  );
  made.dead.add(A);
  equal(planDelNode(made.observe(), A, true).kind, 'refused', 'its slots would be lost');
});

test('planDelNode: what is left is as even as it was', () => {
  const made = cluster(4_096, 4_096, 4_096, 4_096);
  const plan = planDelNode(made.observe(), D, true);
  ok(plan.kind === 'plan');
  made.apply(plan.steps.filter(({ kind }) => kind === 'move'));
  deepEqual(counts(made), [5_462, 5_461, 5_461, 0]);
  deepEqual(problemsOf(made.observe()), []);
  const all: Slot[] = primariesOf(made.observe()).flatMap(slotsOfNode);
  equal(new Set(all).size, SLOTS_ALL);
});
