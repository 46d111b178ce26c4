/** What one phase of load saw: an HDR histogram of latencies, and counts. */
import { build } from 'hdr-histogram-js';
import { CURVE, type CurvePoint, type Outcome, type Sample } from './job.ts';
import type { ReplyKind } from './reply-counter.ts';

/** Ten minutes: far beyond the longest phase. */
const MICROS_MAX = 600_000_000;
/** Three digits: at 300 µs a step of less than one. */
const DIGITS = 3;
/** What a case that looks at moments may keep: four minutes at a thousand per second. */
const SAMPLES_MAX = 250_000;

export class Tally {
  readonly #latencies = newHistogram();
  readonly #lateness = newHistogram();
  readonly #samples: Sample[] = [];
  readonly #keepSamples: boolean;
  requests = 0;
  refused = 0;
  missing = 0;
  unanswered = 0;

  constructor(keepSamples: boolean) {
    this.#keepSamples = keepSamples;
  }

  answered(dueMs: number, nowMs: number, kind: ReplyKind): void {
    this.requests += 1;
    if (kind === 'refused') this.refused += 1;
    if (kind === 'missing') this.missing += 1;
    this.#took(dueMs, nowMs);
  }

  /** It took at least this long. */
  neverAnswered(dueMs: number, nowMs: number): void {
    this.unanswered += 1;
    this.#took(dueMs, nowMs);
  }

  /** Of an open loop: when the generator came round to it. */
  cameDue(dueMs: number, nowMs: number): void {
    this.#lateness.recordValue(micros(nowMs - dueMs));
  }

  outcome(facts: {
    seconds: number;
    firstRefusal: string;
    cpuMicros: number;
    isOpenLoop: boolean;
  }): Outcome {
    const { seconds, firstRefusal, cpuMicros, isOpenLoop } = facts;
    const at = (percentile: number): CurvePoint => [
      percentile,
      this.#latencies.getValueAtPercentile(percentile) / 1_000,
    ];
    const late = (percentile: number): number =>
      this.#lateness.getValueAtPercentile(percentile) / 1_000;
    return {
      requests: this.requests,
      seconds,
      refused: this.refused,
      firstRefusal,
      missing: this.missing,
      unanswered: this.unanswered,
      curve: CURVE.map(at),
      lateMs: isOpenLoop ? { p50: late(50), p99: late(99) } : null,
      cpuMicros,
      samples: this.#samples,
    };
  }

  #took(dueMs: number, nowMs: number): void {
    this.#latencies.recordValue(micros(nowMs - dueMs));
    if (this.#keepSamples && this.#samples.length < SAMPLES_MAX)
      this.#samples.push({ dueMs, ms: nowMs - dueMs });
  }
}

function newHistogram() {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MICROS_MAX,
    numberOfSignificantValueDigits: DIGITS,
  });
}

function micros(ms: number): number {
  return Math.min(MICROS_MAX, Math.max(1, Math.round(ms * 1_000)));
}
