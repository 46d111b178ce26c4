import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, longestGap } from './figures.ts';
import type { Band } from './nemesis.ts';
import type { Seen } from './tally.ts';

function write(call: number, end: number, outcome: Seen['outcome'] = 'ok'): Seen {
  const what = { what: 'append', node: 0, isWrite: true, isBlocking: false };
  return { ...what, call, end, outcome, why: outcome === 'ok' ? '' : 'closed' };
}

function band(from: number, hitLeader: boolean): Band {
  return { kind: 'kill', words: 'kill agent', nodes: [0], from, to: from + 10, hitLeader };
}

test('the longest gap lies between two acknowledged writes, or at the end', () => {
  const seen = [write(0, 10), write(10, 50), write(50, 60)];
  assert.deepEqual(longestGap(seen, 70), { from: 10, to: 50 });
  assert.deepEqual(longestGap(seen, 200), { from: 60, to: 200 });
});

test('a fault lasts until a write is acknowledged that was asked for after it', () => {
  // The one that was asked for before the strike, and answered after it, says nothing.
  const seen = [write(0, 10), write(90, 120), write(150, 400), write(410, 420)];
  const { faults } = figuresOf(seen, [band(100, true), band(405, false)], 500);
  assert.deepEqual(faults, [
    { words: 'kill agent', count: 1, gapMsMedian: 15, gapMsMax: 15 },
    { words: 'kill agent, leader', count: 1, gapMsMedian: 300, gapMsMax: 300 },
  ]);
});

test('a fault after which nothing was written lasts until the end', () => {
  const { faults } = figuresOf([write(0, 10)], [band(100, false)], 1_000);
  assert.equal(faults[0]?.gapMsMax, 900);
});

test('outcomes are counted by workload and by reason; only answers have a latency', () => {
  const seen = [write(0, 10), write(0, 20), write(0, 5_000, 'unknown'), write(0, 1, 'fail')];
  const figures = figuresOf(seen, [], 6_000);
  assert.deepEqual(figures.outcomes, { ok: 2, fail: 1, unknown: 1 });
  assert.deepEqual(figures.byWorkload, { append: { ok: 2, fail: 1, unknown: 1 } });
  assert.deepEqual(figures.reasons, [['closed', 2]]);
  assert.deepEqual(figures.latencyMs, { p50: 10, p99: 20, max: 20 });
});
