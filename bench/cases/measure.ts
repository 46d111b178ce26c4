/** One case on one target, once. */
import { CpuWatch } from '../cpu.ts';
import { generate } from '../load/generator.ts';
import type { Job, Outcome, Phase } from '../load/job.ts';
import { runBenchmark } from '../load/redis-benchmark.ts';
import { type Case, keysOf } from '../plan.ts';
import type { Measured, Pace, Run } from '../results.ts';
import type { Target } from '../targets/target.ts';
import type { Bench } from './bench.ts';

/** Of the own generator, so that its code is compiled before it counts. */
const WARM_UP_MS = 500;
/** The closed loop that finds the peak of which a paced case takes half. */
const PEAK_MS = 1_500;
/** The first look at how fast a case is, so that a run lasts as long as it is meant to. */
const PROBE_REQUESTS = 500;
const PROBE_BATCHES = 20;
const PROBE_BATCH_MAX = 2_000;
/** Enough batches for each connection even where a target is slow. */
const BATCHES_MIN = 5;
const REQUESTS_MAX = 20_000_000;
const FILL = { connections: 20, pipeline: 8 };

type Loaded = Pick<Run, 'measured' | 'cpuMicros'>;

export class Measure {
  readonly #bench: Bench;
  /** What a target did last in a case, by both names: the length of its next run. */
  readonly #perSecond = new Map<string, number>();

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  /** Every key holds a value of the size measured: GET must not read nothing. */
  async fill(target: Target, valueBytes: number): Promise<void> {
    const shape = { ...FILL, valueBytes, readPercent: 0 };
    const job = this.#job(await target.port(), target, shape, { kind: 'fill' });
    const idle = { begin: () => {}, end: () => {} };
    await generate({ ...job, warmUpMs: 0 }, idle, this.#bench.signal);
  }

  async run(each: Case, target: Target, round: number): Promise<Run> {
    const loaded = await this.#load(each, target);
    return { round, case: each.name, target: target.name, ...loaded };
  }

  async #load(each: Case, target: Target): Promise<Loaded> {
    if (each.kind === 'paced') return await this.#paced(each, target);
    const isHeadline = each.kind === 'load' && target.protocol === 'resp';
    if (isHeadline) return await this.#byRedisBenchmark(each, target);
    const ms = this.#bench.options.seconds * 1_000;
    const { outcome, cpuMicros } = await this.#generate(each, target, { kind: 'closed', ms });
    return { measured: measuredBy(outcome, null), cpuMicros };
  }

  async #paced(each: Case, target: Target): Promise<Loaded> {
    let [perSecond, peakPerSecond]: [number, number | null] = [Number(each.pace), null];
    if (each.pace === 'half') {
      const peak = await this.#generate(each, target, { kind: 'closed', ms: PEAK_MS });
      peakPerSecond = peak.outcome.requests / peak.outcome.seconds;
      perSecond = Math.max(1, Math.round(peakPerSecond / 2));
    }
    const ms = this.#bench.options.seconds * 1_000;
    const phase: Phase = { kind: 'open', ms, perSecond };
    const { outcome, cpuMicros } = await this.#generate(each, target, phase);
    const lateMs = outcome.lateMs ?? { p50: 0, p99: 0 };
    return { measured: measuredBy(outcome, { perSecond, peakPerSecond, lateMs }), cpuMicros };
  }

  async #byRedisBenchmark(each: Case, target: Target): Promise<Loaded> {
    const { connections, pipeline, valueBytes, readPercent } = each;
    const { signal, tickMicros, options } = this.#bench;
    const order = {
      command: readPercent === 100 ? ('get' as const) : ('set' as const),
      port: await target.port(),
      connections,
      pipeline,
      valueBytes,
      keys: keysOf(valueBytes),
    };
    const batch = connections * pipeline;
    const known = `${target.name}: ${each.name}`;
    if (!this.#perSecond.has(known)) {
      const requests = Math.max(PROBE_REQUESTS, PROBE_BATCHES * Math.min(batch, PROBE_BATCH_MAX));
      const probe = await runBenchmark({ ...order, requests }, signal);
      this.#perSecond.set(known, probe.perSecond);
    }
    const wanted = (this.#perSecond.get(known) ?? 0) * options.seconds;
    const requests = Math.round(Math.min(REQUESTS_MAX, Math.max(wanted, BATCHES_MIN * batch)));
    const watch = new CpuWatch(await target.processes(), tickMicros);
    const result = await runBenchmark({ ...order, requests }, signal);
    const cpuMicros = { ...watch.end(), load: watch.endedChildrenMicros() };
    this.#perSecond.set(known, result.perSecond);
    const seconds = requests / result.perSecond;
    const rest = { p999Ms: null, missing: 0, unanswered: 0, pace: null };
    const measured = { generator: 'redis-benchmark' as const, requests, seconds, ...result };
    return { measured: { ...measured, ...rest }, cpuMicros };
  }

  async #generate(
    each: Case,
    target: Target,
    phase: Phase,
  ): Promise<{ outcome: Outcome; cpuMicros: Record<string, number> }> {
    const processes = await target.processes();
    const job = this.#job(await target.port(), target, each, phase);
    let watch: CpuWatch | null = null;
    let cpuMicros: Record<string, number> = {};
    const around = {
      begin: (): void => {
        watch = new CpuWatch(processes, this.#bench.tickMicros);
      },
      end: (): void => {
        cpuMicros = watch?.end() ?? {};
      },
    };
    const outcome = await generate(job, around, this.#bench.signal);
    return { outcome, cpuMicros: { ...cpuMicros, load: outcome.cpuMicros } };
  }

  #job(
    port: number,
    target: Target,
    shape: Pick<Case, 'connections' | 'pipeline' | 'valueBytes' | 'readPercent'>,
    phase: Phase,
  ): Job {
    const { connections, pipeline, valueBytes, readPercent } = shape;
    return {
      protocol: target.protocol,
      port,
      connections,
      pipeline,
      valueBytes,
      readPercent,
      keys: keysOf(valueBytes),
      seed: 20_261_121,
      warmUpMs: WARM_UP_MS,
      phase,
      keepSamples: false,
    };
  }
}

function measuredBy(outcome: Outcome, pace: Pace | null): Measured {
  const { requests, seconds, curve, missing, unanswered } = outcome;
  const at = (percentile: number): number =>
    curve.find(([each]) => each === percentile)?.[1] ?? Number.NaN;
  return {
    generator: 'own',
    requests,
    seconds,
    perSecond: requests / seconds,
    p50Ms: at(50),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: at(100),
    curve,
    missing,
    unanswered,
    pace,
  };
}
