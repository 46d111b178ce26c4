/**
 * Latency while snapshots are taken against latency while none is: one open loop of writes on a
 * deployment whose log is so small that it snapshots every few seconds, and each request counted to
 * the one or the other by when it was due.
 *
 * A snapshot shows in a node's directory as a file that has its temporary name until it is synced.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from '../load/generator.ts';
import { type Job, monotonicMs, type Sample } from '../load/job.ts';
import { BASE, keysOf } from '../plan.ts';
import type { Moments, SnapshotRun } from '../results.ts';
import { percentileOf } from '../spread.ts';
import type { DeploymentTarget } from '../targets/deployment.ts';
import type { Bench } from './bench.ts';
import { Measure } from './measure.ts';

/** At a thousand writes per second a snapshot of each node every ten seconds or so. */
export const SNAPSHOT_LOG_LIMIT = '32mb';
const VALUE_BYTES = 1_024;
const LOAD_MS = 30_000;
const QUICK_LOAD_MS = 15_000;
const LOOK_EVERY_MS = 20;
/** The server forks before the file is there, and the log is cut after it is in place. */
const MARGIN_MS = 400;
const WARM_UP_MS = 500;

/** A time in which a snapshot was taken somewhere. */
export interface Span {
  readonly beginMs: number;
  readonly endMs: number;
}

export async function measureSnapshots(
  target: DeploymentTarget,
  round: number,
  bench: Bench,
): Promise<SnapshotRun> {
  const { options, signal } = bench;
  if (round === 1) await new Measure(bench).fill(target, VALUE_BYTES);
  await target.settle(signal);
  const ms = options.scope === 'quick' ? QUICK_LOAD_MS : LOAD_MS;
  const job: Job = {
    protocol: 'resp',
    port: await target.port(),
    connections: BASE.connections,
    pipeline: 1,
    valueBytes: VALUE_BYTES,
    readPercent: 0,
    keys: keysOf(VALUE_BYTES),
    seed: round,
    warmUpMs: WARM_UP_MS,
    phase: { kind: 'open', ms, perSecond: options.rate },
    keepSamples: true,
  };
  const watch = new SnapshotWatch(target.directory);
  try {
    const around = { begin: () => watch.start(), end: () => {} };
    const { samples } = await generate(job, around, signal);
    const spans = await watch.stop();
    const { quiet, during } = split(samples, spans);
    const facts = { round, target: target.name, perSecond: options.rate };
    return { ...facts, snapshots: watch.count, quiet, during };
  } finally {
    await watch.stop();
  }
}

class SnapshotWatch {
  /** Of all nodes: how many files were seen being written. */
  count = 0;
  readonly #directory: string;
  readonly #seen = new Map<string, { beginMs: number; endMs: number }>();
  #isWatching = false;
  #done: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  start(): void {
    this.#isWatching = true;
    this.#done = this.#watch();
  }

  async stop(): Promise<Span[]> {
    this.#isWatching = false;
    await this.#done;
    this.count = this.#seen.size;
    return [...this.#seen.values()].map(({ beginMs, endMs }) => ({
      beginMs: beginMs - MARGIN_MS,
      endMs: endMs + MARGIN_MS,
    }));
  }

  async #watch(): Promise<void> {
    while (this.#isWatching) {
      const nowMs = monotonicMs();
      for (const path of temporarySnapshots(this.#directory)) {
        const seen = this.#seen.get(path);
        if (seen === undefined) this.#seen.set(path, { beginMs: nowMs, endMs: nowMs });
        else seen.endMs = nowMs;
      }
      await sleep(LOOK_EVERY_MS);
    }
  }
}

const TEMPORARY_SNAPSHOT = /(^|\/)snapshot-[^/]*\.(temp|partial)$/;

function temporarySnapshots(directory: string): string[] {
  try {
    const all = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    return all.filter((path) => TEMPORARY_SNAPSHOT.test(path));
  } catch {
    // A file went away in the middle of the look; the next look is soon.
    return [];
  }
}

export function split(
  samples: readonly Sample[],
  spans: readonly Span[],
): { quiet: Moments; during: Moments } {
  const isDuring = ({ dueMs }: Sample): boolean =>
    spans.some(({ beginMs, endMs }) => dueMs >= beginMs && dueMs <= endMs);
  const { during = [], quiet = [] } = Object.groupBy(samples, (sample) =>
    isDuring(sample) ? 'during' : 'quiet',
  );
  return { quiet: momentsOf(quiet), during: momentsOf(during) };
}

function momentsOf(samples: readonly Sample[]): Moments {
  const each = samples.map(({ ms }) => ms);
  return {
    requests: each.length,
    p50Ms: percentileOf(each, 50),
    p99Ms: percentileOf(each, 99),
    maxMs: percentileOf(each, 100),
  };
}
