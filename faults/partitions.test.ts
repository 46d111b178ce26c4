import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cut, cutsOf, majorityOf, PARTITIONS, startingWith } from './partitions.ts';

/** Those that `i` still hears and is heard by, itself among them. */
function reached(cuts: readonly Cut[], i: number, count: number): number[] {
  const isCut = (from: number, to: number): boolean =>
    cuts.some(([a, b]) => a === from && b === to);
  return Array.from({ length: count }, (_, j) => j).filter((j) => !isCut(i, j) && !isCut(j, i));
}

const orderOf = (count: number): number[] => Array.from({ length: count }, (_, i) => count - 1 - i);

test('one: the first is alone, and the others see one another', () => {
  for (const count of [3, 5, 7]) {
    const order = orderOf(count);
    const cuts = cutsOf('one', order);
    assert.deepEqual(reached(cuts, order[0] as number, count), [order[0]]);
    for (const other of order.slice(1)) assert.equal(reached(cuts, other, count).length, count - 1);
  }
});

test('halves: a minority with the first in it, and a majority', () => {
  for (const count of [3, 5, 7]) {
    const cuts = cutsOf('halves', orderOf(count));
    const sizes = orderOf(count).map((i) => reached(cuts, i, count).length);
    assert.ok((sizes[0] as number) < majorityOf(count));
    assert.equal(sizes.at(-1), majorityOf(count));
  }
});

test('ring: every node reaches a majority, and nobody but the one between sees all', () => {
  for (const count of [3, 4, 5, 6, 7]) {
    const cuts = cutsOf('ring', orderOf(count));
    const views = orderOf(count).map((i) => reached(cuts, i, count));
    for (const view of views) assert.ok(view.length >= majorityOf(count), `${count}: ${view}`);
    const whole = views.filter((view) => view.length === count).length;
    assert.equal(whole, count === 3 ? 1 : 0);
    if (count > 3) assert.equal(new Set(views.map(String)).size, count, 'no two are the same');
  }
});

test('deaf and mute: one direction only, to or from the first', () => {
  assert.deepEqual(cutsOf('deaf', [2, 0, 1]), [
    [0, 2],
    [1, 2],
  ]);
  assert.deepEqual(cutsOf('mute', [2, 0, 1]), [
    [2, 0],
    [2, 1],
  ]);
});

test('no shape cuts a node from itself', () => {
  for (const shape of PARTITIONS)
    for (const [from, to] of cutsOf(shape, [0, 1, 2, 3, 4])) assert.notEqual(from, to);
});

test('the target comes first, whatever the drawn order', () => {
  assert.deepEqual(startingWith(1, [0, 1, 2]), [1, 0, 2]);
});

test('pieces: 2 | 2 | 1 of five, and nobody reaches a majority of any number', () => {
  const sizes = orderOf(5).map((i) => reached(cutsOf('pieces', orderOf(5)), i, 5).length);
  assert.deepEqual(sizes, [2, 2, 2, 2, 1]);
  for (const count of [3, 5, 7])
    for (const i of orderOf(count))
      assert.ok(reached(cutsOf('pieces', orderOf(count)), i, count).length < majorityOf(count));
});
