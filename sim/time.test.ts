import { deepEqual, equal, notDeepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Chance, Timeline } from './time.ts';

test('events run by time, and those of one moment in the order in which they were made', () => {
  const timeline = new Timeline();
  const ran: string[] = [];
  const plan: readonly [number, string][] = [
    [5, 'e'],
    [1, 'a'],
    [3, 'c'],
    [1, 'b'],
    [3, 'd'],
  ];
  for (const [delayUs, name] of plan) timeline.after(delayUs, () => ran.push(name));
  while (timeline.step());
  deepEqual(ran, ['a', 'b', 'c', 'd', 'e']);
  equal(timeline.nowUs, 5);
  equal(timeline.ran, 5);
});

test('the queue sorts whatever comes, also while it runs', () => {
  const timeline = new Timeline();
  const chance = new Chance(7, 'queue');
  const times: number[] = [];
  const add = (left: number): void =>
    timeline.after(chance.below(100), () => {
      times.push(timeline.nowUs);
      if (left > 0) for (let i = 0; i < 2; i += 1) add(left - 1);
    });
  for (let i = 0; i < 20; i += 1) add(5);
  while (timeline.step());
  deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  equal(times.length, 20 * 63);
});

test('a stream follows from seed and name, and streams do not look alike', () => {
  const draw = (seed: number, name: string): number[] => {
    const chance = new Chance(seed, name);
    return Array.from({ length: 8 }, () => chance.uint32());
  };
  deepEqual(draw(1, 'disk'), draw(1, 'disk'));
  notDeepEqual(draw(1, 'disk'), draw(1, 'network'));
  notDeepEqual(draw(1, 'disk'), draw(2, 'disk'));
});

test('chance stays within its bounds and reaches both ends', () => {
  const chance = new Chance(3, 'bounds');
  const seen = new Set(Array.from({ length: 500 }, () => chance.between(4, 9)));
  deepEqual([...seen].sort(), [4, 5, 6, 7, 8, 9]);
  deepEqual(
    chance.shuffled([1, 2, 3, 4]).toSorted((a, b) => a - b),
    [1, 2, 3, 4],
  );
});
