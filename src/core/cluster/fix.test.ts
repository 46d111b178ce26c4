import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planFix, slotsToCount } from './fix.ts';
import { type ProblemCode, problemsOf } from './problems.ts';
import { SLOTS_ALL, slotsText } from './slots.ts';
import { TrialCluster, trialId } from './trial-cluster.ts';

const [A, B, C] = ['a', 'b', 'c'].map(trialId) as [string, string, string];
const THIRD = Math.floor(SLOTS_ALL / 3);

/** Primaries a, b, c with a third each; three keys in each of the first slots of a. */
function cluster(): TrialCluster {
  const made = new TrialCluster();
  const range = (from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, i) => from + i);
  made.add('a', range(0, THIRD));
  made.add('b', range(THIRD, 2 * THIRD));
  made.add('c', range(2 * THIRD, SLOTS_ALL));
  for (const slot of range(0, 4))
    for (const key of ['x', 'y', 'z']) made.put('a', slot, `${key}${slot}`);
  return made;
}

function codes(made: TrialCluster): ProblemCode[] {
  return [...new Set(problemsOf(made.observe()).map(({ code }) => code))];
}

function fix(made: TrialCluster, withUnreachable = false): { kinds: string[]; refused: number } {
  const seen = made.observe();
  const plan = planFix(seen, slotsToCount(seen), made.keyCount, { withUnreachable });
  made.apply(plan.steps);
  made.settle();
  return { kinds: plan.steps.map(({ kind }) => kind), refused: plan.refused.length };
}

function keysAt(made: TrialCluster, slot: number): string[] {
  return [A, B, C].flatMap((id) =>
    [...(made.node(id).keys.get(slot) ?? [])].map((key) => `${id[0]}:${key}`),
  );
}

test('a move that both sides still say is under way is brought to its end', () => {
  const made = cluster();
  made.node(B).importing.set(0, A);
  made.node(A).migrating.set(0, B);
  deepEqual(codes(made), ['SLOTS_OPEN']);
  deepEqual(fix(made).kinds, ['move']);
  deepEqual(keysAt(made, 0), ['b:x0', 'b:y0', 'b:z0']);
  deepEqual(codes(made), []);
});

test('only importing: its keys go back to the owner', () => {
  const made = cluster();
  made.node(B).importing.set(0, A);
  made.put('b', 0, 'w0');
  fix(made);
  deepEqual(keysAt(made, 0), ['a:x0', 'a:y0', 'a:z0', 'a:w0']);
  deepEqual(codes(made), []);
});

test('only migrating: closed when nobody takes it', () => {
  const made = cluster();
  made.node(A).migrating.set(0, B);
  deepEqual(fix(made).kinds, ['close', 'announce']);
  deepEqual(keysAt(made, 0), ['a:x0', 'a:y0', 'a:z0']);
  deepEqual(codes(made), []);
});

test('one gives and several take: the one that is named gets it all', () => {
  const made = cluster();
  made.node(A).migrating.set(0, B);
  made.node(B).importing.set(0, A);
  made.node(C).importing.set(0, A);
  made.put('c', 0, 'w0');
  fix(made);
  deepEqual(keysAt(made, 0), ['b:x0', 'b:y0', 'b:z0', 'b:w0']);
  deepEqual(codes(made), []);
});

test('a slot of nobody goes to who holds its keys, the others to who has fewest', () => {
  const made = cluster();
  for (const node of made.nodes.values()) for (const slot of [0, 5, 6]) node.owners.delete(slot);
  deepEqual(codes(made), ['SLOTS_UNCOVERED']);
  fix(made);
  deepEqual(codes(made), []);
  deepEqual(keysAt(made, 0), ['a:x0', 'a:y0', 'a:z0']);
  deepEqual(made.claimants(5), made.claimants(6), 'a run stays whole');
});

test('an emptied primary is given no slot of nobody', () => {
  const made = cluster();
  made.add('d');
  for (const node of made.nodes.values()) node.owners.delete(9);
  fix(made);
  ok(!made.claimants(9).includes(trialId('d')));
});

test('slots of nobody come first, and a move waits until all know the new epoch', () => {
  const made = cluster();
  made.node(B).importing.set(0, A);
  made.node(A).migrating.set(0, B);
  for (const node of made.nodes.values()) node.owners.delete(9);
  deepEqual(fix(made).kinds, ['claim', 'announce', 'close', 'agree', 'move']);
  deepEqual(codes(made), []);
});

test('an epoch that somebody has not heard of is a difference of views', () => {
  const seen = cluster().observe();
  const late = seen.nodes.map((node) => ({
    ...node,
    view: node.view.map((line) => (line.id === A && node.id === B ? { ...line, epoch: 0 } : line)),
  }));
  deepEqual(
    problemsOf({ ...seen, nodes: late }).map(({ code }) => code),
    ['VIEWS_DIFFER'],
  );
});

test('two owners: who holds most keys, and the keys of the other go there', () => {
  const made = cluster();
  made.node(B).owners.set(0, B);
  made.put('b', 0, 'w0');
  ok(codes(made).includes('SLOTS_OWNED_TWICE'));
  fix(made);
  deepEqual(keysAt(made, 0), ['a:x0', 'a:y0', 'a:z0', 'a:w0']);
  deepEqual(codes(made), []);
});

test('slots of a primary that does not answer are left alone, unless that is asked for', () => {
  const made = cluster();
  made.dead.add(C);
  deepEqual(fix(made), { kinds: [], refused: 1 });
  equal(made.claimants(SLOTS_ALL - 1).length, 0);
  fix(made, true);
  const uncovered = Array.from({ length: SLOTS_ALL }, (_, slot) => slot).filter(
    (slot) => made.claimants(slot).length !== 1,
  );
  equal(slotsText(uncovered), '-');
});

test('a reshard that is cut anywhere, and mended, has every key once, where its slot is', () => {
  const slots = [0, 1, 2, 3];
  const step = { kind: 'move', from: A, to: B, slots } as const;
  const all = [...cluster().perform(step)].length;
  ok(all > 20, 'there are many places to cut');
  for (let cut = 0; cut <= all; cut++) {
    for (const isSettled of [true, false]) {
      const made = cluster();
      const before = names(made);
      const walk = made.perform(step);
      for (let done = 0; done < cut; done++) walk.next();
      if (isSettled) made.settle();
      fix(made);
      deepEqual(names(made), before, `cut at ${cut}`);
      deepEqual(codes(made), [], `cut at ${cut}`);
      for (const slot of slots)
        for (const id of [A, B, C])
          equal(made.keyCount(id, slot) > 0, made.claimants(slot)[0] === id, `cut at ${cut}`);
    }
  }
});

test('a repair that is cut anywhere is gone on from, from any damage, and no key is lost', () => {
  const node = fc.constantFrom(A, B, C);
  const damage = fc.record({ slot: fc.integer({ min: 0, max: 5 }), by: node, other: node });
  const kind = fc.constantFrom('migrating', 'importing', 'deleted', 'stray', 'twice');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(kind, damage), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 40 }),
      (damages, cut) => {
        const made = cluster();
        for (const [what, { slot, by, other }] of damages) hurt(made, what, slot, by, other);
        const before = names(made);
        const seen = made.observe();
        const first = planFix(seen, [0, 1, 2, 3, 4, 5], made.keyCount, { withUnreachable: false });
        let done = 0;
        outer: for (const step of first.steps)
          for (const _ of made.perform(step)) if (++done > cut) break outer;
        const again = made.observe();
        const plan = planFix(again, [0, 1, 2, 3, 4, 5], made.keyCount, { withUnreachable: false });
        made.apply(plan.steps);
        made.settle();
        deepEqual(names(made), before);
        deepEqual(codes(made), []);
      },
    ),
    { numRuns: 30 },
  );
});

function hurt(made: TrialCluster, what: string, slot: number, by: string, other: string): void {
  const node = made.node(by);
  if (what === 'migrating' && made.owns(by, slot) && other !== by) node.migrating.set(slot, other);
  if (what === 'importing' && !made.owns(by, slot) && other !== by) node.importing.set(slot, other);
  if (what === 'deleted') for (const one of made.nodes.values()) one.owners.delete(slot);
  if (what === 'stray') made.put(by[0] ?? '', slot, `stray${slot}${by[0]}`);
  if (what === 'twice') node.owners.set(slot, by);
}

/** Keys by name alone, each as often as it is anywhere. */
function names(made: TrialCluster): string[] {
  return made
    .allKeys()
    .map((key) => key.split(':')[1] ?? '')
    .sort();
}
