import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { percentileOf, spreadOf } from './spread.ts';

test('spreadOf: the median of an even count lies between the middle two', () => {
  deepEqual(spreadOf([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  deepEqual(spreadOf([5]), { min: 5, median: 5, max: 5 });
  equal(spreadOf([]).median, Number.NaN);
});

test('percentileOf is the smallest value that so many do not exceed', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  deepEqual(
    [1, 50, 99, 100].map((percent) => percentileOf(values, percent)),
    [1, 50, 99, 100],
  );
  deepEqual([percentileOf([7], 99), percentileOf([3, 1, 2], 50)], [7, 2]);
});
