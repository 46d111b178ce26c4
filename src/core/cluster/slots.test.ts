import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  evenRanges,
  keySlot,
  parseRange,
  rangesOf,
  SLOTS_ALL,
  slotsOf,
  slotsText,
} from './slots.ts';

test('keySlot is the slot that a server answers to CLUSTER KEYSLOT, tags included', () => {
  // Asked of redis-server 7.0.15.
  const cases: [key: string, slot: number][] = [
    ['123456789', 12739],
    ['foo', 12182],
    ['', 0],
    ['{t}a', 15891],
    ['{t}b', 15891],
    ['x{}y', 16116],
    ['x{t}y{u}', 15891],
    ['x{{t}', 10928],
    ['x{t', 6937],
  ];
  for (const [key, slot] of cases) equal(keySlot(Buffer.from(key)), slot, key);
});

test('parseRange takes one slot or two, in order and within all', () => {
  deepEqual(parseRange('7'), { from: 7, to: 7 });
  deepEqual(parseRange('0-16383'), { from: 0, to: 16383 });
  for (const text of ['', 'a', '5-4', '16384', '1-16384', '[7->-x]'])
    equal(parseRange(text), null, text);
});

test('ranges and slots say the same, whatever the order', () => {
  const slot = fc.integer({ min: 0, max: SLOTS_ALL - 1 });
  fc.assert(
    fc.property(fc.uniqueArray(slot, { maxLength: 50 }), (slots) => {
      const sorted = slots.toSorted((a, b) => a - b);
      deepEqual(slotsOf(rangesOf(slots)), sorted);
      const parsed = slotsText(slots)
        .split(',')
        .map(parseRange)
        .filter((range) => range !== null);
      deepEqual(slotsOf(parsed), sorted);
    }),
  );
});

test('evenRanges cuts as redis-cli does, covers all and differs by one at most', () => {
  deepEqual(
    evenRanges(3).map(({ from, to }) => `${from}-${to}`),
    ['0-5460', '5461-10922', '10923-16383'],
  );
  for (let parts = 1; parts <= 200; parts++) {
    const ranges = evenRanges(parts);
    equal(slotsOf(ranges).length, SLOTS_ALL);
    const sizes = ranges.map(({ from, to }) => to - from + 1);
    equal(Math.max(...sizes) - Math.min(...sizes) <= 1, true);
  }
});
