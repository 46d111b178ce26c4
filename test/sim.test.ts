import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { pastSeeds, replayCommand } from '../sim/seeds.ts';
import { outcomeOf, type Run, WORLD_NAMES } from '../sim/simulate.ts';

/** Of the other worlds fewer: their runs are about what happens rarely in a deployment's life. */
const FRESH_SEEDS = { data: 100, founding: 25, eventual: 40 } as const;
const SEED_BASE_MAX = 1_000_000_000;

function assertSound(run: Run): void {
  const { failure, report } = outcomeOf(run, null);
  assert.equal(failure, null, `replay: ${replayCommand(run, null)}\n${report.tail()}`);
}

test('every seed that once failed passes', () => {
  for (const run of pastSeeds()) assertSound(run);
});

for (const world of WORLD_NAMES)
  test(`${FRESH_SEEDS[world]} fresh seeds of the ${world} world pass`, (t) => {
    const base = randomInt(SEED_BASE_MAX);
    t.diagnostic(`seeds ${base} to ${base + FRESH_SEEDS[world] - 1}`);
    for (let at = 0; at < FRESH_SEEDS[world]; at += 1) assertSound({ world, seed: base + at });
  });

test('two runs of one seed give the same event log, byte for byte', () => {
  for (const world of WORLD_NAMES)
    for (let seed = 1; seed <= 6; seed += 1) {
      const [first, second] = [0, 1].map(() => outcomeOf({ world, seed }, 5_000, { log: true }));
      assert.ok((first?.report.text().length ?? 0) > 10_000, 'the log tells something');
      assert.equal(first?.report.text(), second?.report.text());
    }
});

test('two seeds give different event logs', () => {
  const [first, second] = [1, 2].map((seed) =>
    outcomeOf({ world: 'data', seed }, 1_000, { log: true }),
  );
  assert.notEqual(first?.report.text(), second?.report.text());
});
