import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, Phase } from './job.ts';
import { LoadPhase } from './phase.ts';
import { Tally } from './tally.ts';
import type { Batch, Wire } from './wire.ts';

interface Scene {
  readonly tally: Tally;
  readonly batches: Batch[];
  readonly seconds: number;
}

/** A target that answers each batch after `delayMs` of the time since the first was sent. */
async function run(
  changes: Partial<Job>,
  phase: Phase,
  delayMs: (sinceMs: number) => number,
): Promise<Scene> {
  const job: Job = {
    protocol: 'resp',
    port: 0,
    connections: 4,
    pipeline: 1,
    valueBytes: 1,
    readPercent: 0,
    keys: 100,
    seed: 1,
    warmUpMs: 0,
    phase,
    keepSamples: true,
    ...changes,
  };
  const tally = new Tally(true);
  const batches: Batch[] = [];
  let beganMs: number | null = null;
  const wires = Array.from(
    { length: job.connections },
    (_, connection): Wire => ({
      firstRefusal: '',
      open: async () => {},
      close: () => {},
      send: (batch) => {
        batches.push({ ...batch, keys: batch.keys.slice(), isRead: batch.isRead.slice() });
        const tell = (): void => {
          for (let place = 0; place < batch.count; place++)
            running.answered(connection, place, 'ok');
        };
        beganMs ??= performance.now();
        setTimeout(tell, delayMs(performance.now() - beganMs));
      },
    }),
  );
  const running = new LoadPhase(job, phase, wires, tally);
  const seconds = await running.run();
  return { tally, batches, seconds };
}

function curveOf(tally: Tally): Map<number, number> {
  const facts = { seconds: 1, firstRefusal: '', cpuMicros: 0, isOpenLoop: true };
  return new Map(tally.outcome(facts).curve);
}

test('an open loop counts a stall for all that came due meanwhile', async () => {
  const phase = { kind: 'open', ms: 600, perSecond: 200 } as const;
  // Whoever is sent in the middle third is answered at its end.
  const delay = (sinceMs: number): number => (sinceMs > 200 && sinceMs < 400 ? 400 - sinceMs : 1);
  const { tally } = await run({}, phase, delay);
  assert.equal(tally.requests, 120);
  // A closed loop of four would have seen four slow requests, three of a hundred.
  assert.ok((curveOf(tally).get(75) ?? 0) > 50, `p75 is ${curveOf(tally).get(75)} ms`);
});

test('an open loop sends everything that was due, also with one connection', async () => {
  const phase = { kind: 'open', ms: 200, perSecond: 1_000 } as const;
  const { tally, batches } = await run({ connections: 1, pipeline: 4 }, phase, () => 2);
  assert.equal(tally.requests, 200);
  assert.equal(tally.unanswered, 0);
  assert.ok(batches.every(({ count }) => count >= 1 && count <= 4));
});

test('a closed loop has one batch per connection on its way, and ends in time', async () => {
  const phase = { kind: 'closed', ms: 150 } as const;
  const { tally, batches, seconds } = await run({ pipeline: 3 }, phase, () => 5);
  assert.ok(seconds >= 0.15);
  assert.equal(tally.requests, 3 * batches.length);
  // Four connections, each at most every 4 ms or so; and at least one round more than the first.
  assert.ok(batches.length >= 8 && batches.length <= 4 * 40, `${batches.length} batches`);
});

test('a fill writes every key once', async () => {
  const { batches } = await run({ pipeline: 7, readPercent: 50 }, { kind: 'fill' }, () => 0);
  const keys = batches.flatMap(({ keys, count }) => [...keys.subarray(0, count)]);
  assert.deepEqual(
    keys.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.ok(batches.every(({ isRead }) => isRead.every((each) => each === 0)));
});

test('the share of reads is as asked for', async () => {
  const phase = { kind: 'closed', ms: 100 } as const;
  const { batches } = await run({ pipeline: 200, readPercent: 95 }, phase, () => 0);
  const all = batches.flatMap(({ isRead }) => [...isRead]);
  const share = all.reduce((sum, each) => sum + each, 0) / all.length;
  assert.ok(Math.abs(share - 0.95) < 0.02, `${share}`);
});
