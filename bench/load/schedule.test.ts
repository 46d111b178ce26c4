import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Schedule } from './schedule.ts';

function taken(perSecond: number, ms: number, looks: readonly number[]): number[] {
  const schedule = new Schedule({ beginMs: 100, ms, perSecond });
  const due: number[] = [];
  for (const atMs of looks) schedule.takeDue(100 + atMs, (dueMs) => due.push(dueMs - 100));
  return due;
}

test('what is due does not depend on when it is asked for', () => {
  const looks = fc.array(fc.double({ min: 0, max: 1_000, noNaN: true }), { maxLength: 9 });
  fc.assert(
    fc.property(fc.constantFrom(7, 1_000, 1_999, 33_333), looks, (perSecond, some) => {
      const sorted = [...some.toSorted((a, b) => a - b), 5_000];
      deepEqual(taken(perSecond, 1_000, sorted), taken(perSecond, 1_000, [5_000]));
    }),
  );
});

for (const perSecond of [10, 1_000, 2_000, 3_000, 47_123])
  test(`in one second ${perSecond} requests are due, and none after it`, () => {
    const due = taken(perSecond, 1_000, [5_000]);
    equal(due.length, perSecond);
    equal(due[0], 0);
    equal(
      due.every((dueMs) => dueMs < 1_000),
      true,
    );
  });

test('a generator that comes late gets the times at which requests were due', () => {
  deepEqual(taken(1_000, 5, [0, 3.5, 10]), [0, 1, 2, 3, 4]);
});
