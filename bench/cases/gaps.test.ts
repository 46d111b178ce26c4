import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { longestGap } from './gaps.ts';

test('the longest gap is between two acknowledgements', () => {
  equal(longestGap([10, 20, 50, 60], 5, 65), 30);
});

test('silence at the beginning and up to the end counts', () => {
  equal(longestGap([30, 40], 0, 45), 30);
  equal(longestGap([10, 20], 5, 100), 80);
  equal(longestGap([], 0, 100), 100);
});

test('what is outside does not count, and the order does not matter', () => {
  equal(longestGap([200, 12, 3, 18], 10, 20), 6);
});
