import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, parseDuration } from './durations.ts';

test('times are read in every unit, and nothing else is', () => {
  deepEqual(
    ['30', '30s', '10m', '2h', '7d', '500ms', ' 1M '].map(parseDuration),
    [30_000, 30_000, 600_000, 7_200_000, 604_800_000, 500, 60_000],
  );
  for (const bad of ['', 'm', '-1s', '1.5h', '10 m', '1w', '9'.repeat(13)])
    equal(parseDuration(bad), null, bad);
});

test('a time is said in the largest unit that says it exactly', () => {
  deepEqual([600_000, 90_000, 86_400_000, 1, 1_500].map(durationText), [
    '10m',
    '90s',
    '1d',
    '1ms',
    '1500ms',
  ]);
});
