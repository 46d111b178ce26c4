import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { pastSeeds, replayCommand } from '../sim/seeds.ts';
import { STEPS_DEFAULT, simulate } from '../sim/simulate.ts';

const FRESH_SEEDS = 100;
const SEED_BASE_MAX = 1_000_000_000;

function assertSound(seed: number): void {
  const { failure, report } = simulate({ seed, steps: STEPS_DEFAULT });
  assert.equal(failure, null, `replay: ${replayCommand(seed, STEPS_DEFAULT)}\n${report.tail()}`);
}

test('every seed that once failed passes', () => {
  for (const seed of pastSeeds()) assertSound(seed);
});

test('a hundred fresh seeds pass', (t) => {
  const base = randomInt(SEED_BASE_MAX);
  t.diagnostic(`seeds ${base} to ${base + FRESH_SEEDS - 1}`);
  for (let at = 0; at < FRESH_SEEDS; at += 1) assertSound(base + at);
});

test('two runs of one seed give the same event log, byte for byte', () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const [first, second] = [0, 1].map(() => simulate({ seed, steps: 5_000, log: true }));
    assert.ok((first?.report.text().length ?? 0) > 10_000, 'the log tells something');
    assert.equal(first?.report.text(), second?.report.text());
  }
});

test('two seeds give different event logs', () => {
  const [first, second] = [1, 2].map((seed) => simulate({ seed, steps: 1_000, log: true }));
  assert.notEqual(first?.report.text(), second?.report.text());
});
