import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { split } from './snapshot.ts';

test('a request belongs to the snapshot that was taken when it was due', () => {
  const samples = [
    { dueMs: 1, ms: 1 },
    { dueMs: 10, ms: 8 },
    { dueMs: 15, ms: 9 },
    { dueMs: 21, ms: 2 },
  ];
  const spans = [
    { beginMs: 10, endMs: 12 },
    { beginMs: 14, endMs: 20 },
  ];
  const { quiet, during } = split(samples, spans);
  deepEqual([quiet.requests, quiet.p99Ms], [2, 2]);
  deepEqual([during.requests, during.p50Ms, during.maxMs], [2, 8, 9]);
});
