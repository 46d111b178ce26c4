/** What the generator's process is told and what it tells: one line of JSON each way per step. */

export interface Job {
  readonly protocol: 'resp' | 'etcd';
  readonly port: number;
  readonly connections: number;
  /** Requests of one connection in one write; the next batch leaves when all are answered. */
  readonly pipeline: number;
  readonly valueBytes: number;
  /** Of 100 requests. */
  readonly readPercent: number;
  readonly keys: number;
  readonly seed: number;
  /** Unmeasured requests before, as fast as they go. */
  readonly warmUpMs: number;
  readonly phase: Phase;
  /** Keep when each request was due and what it took, for cases that look at moments. */
  readonly keepSamples: boolean;
}

export type Phase =
  /** Each connection sends its next batch when it has all answers. */
  | { readonly kind: 'closed'; readonly ms: number }
  /** Requests are due at fixed times, whatever the target does. */
  | { readonly kind: 'open'; readonly ms: number; readonly perSecond: number }
  /** Writes every key once. */
  | { readonly kind: 'fill' };

export interface Outcome {
  /** Answered, refused ones included. */
  readonly requests: number;
  readonly seconds: number;
  readonly refused: number;
  readonly firstRefusal: string;
  /** Reads that found nothing. */
  readonly missing: number;
  /** Due or sent, and never answered; their latency counts up to the end. */
  readonly unanswered: number;
  /** Milliseconds at each percentile of CURVE. */
  readonly curve: readonly CurvePoint[];
  /**
   * Open loop: how late the generator came round to what was due, whether or not a connection was
   * free then; null in a closed loop.
   */
  readonly lateMs: { readonly p50: number; readonly p99: number } | null;
  readonly cpuMicros: number;
  readonly samples: readonly Sample[];
}

export type CurvePoint = readonly [percentile: number, ms: number];

export interface Sample {
  /** On the monotonic clock that all processes of a machine share. */
  readonly dueMs: number;
  readonly ms: number;
}

export const CURVE: readonly number[] = [10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100];

export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly why: string };

/** Milliseconds of the machine's monotonic clock, the same in every process. */
export function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1_000 + nanos / 1e6;
}
