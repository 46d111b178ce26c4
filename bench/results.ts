/** Everything that a run of the bench measured, as it is written to its JSON file. */
import type { CurvePoint } from './load/job.ts';
import type { Case } from './plan.ts';
import type { Spread } from './spread.ts';

export interface Measured {
  readonly generator: 'redis-benchmark' | 'own';
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** redis-benchmark does not tell it. */
  readonly p999Ms: number | null;
  readonly maxMs: number;
  readonly curve: readonly CurvePoint[];
  /** Reads that found nothing, requests that got no answer. */
  readonly missing: number;
  readonly unanswered: number;
  /** Of an open loop. */
  readonly pace: Pace | null;
}

export interface Pace {
  readonly perSecond: number;
  /** In the closed loop just before, null where the rate was given. */
  readonly peakPerSecond: number | null;
  /** How late the generator itself was; part of the latencies above. */
  readonly lateMs: { readonly p50: number; readonly p99: number };
}

export interface Run {
  readonly round: number;
  readonly case: string;
  readonly target: string;
  readonly measured: Measured;
  /** Of each process while the load ran; `load` is the generator. */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

export interface SnapshotRun {
  readonly round: number;
  readonly target: string;
  readonly perSecond: number;
  readonly snapshots: number;
  readonly quiet: Moments;
  readonly during: Moments;
}

export interface Moments {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Kill {
  /** From the kill to the next acknowledged write, on any node. */
  readonly recoveredMs: number;
  readonly acknowledged: number;
  /** Acknowledged writes that are not there afterwards. */
  readonly lost: number;
}

export interface Switchover {
  /** Longest time between two acknowledged writes of one client; the worst of three clients. */
  readonly clientGapMs: number;
  /** The same over the writes of all clients together. */
  readonly anyGapMs: number;
  /** The worst client's in as long a time before, when nothing was asked for. */
  readonly calmGapMs: number;
  readonly answer: string;
}

/** GET at a follower's own port, and at a bare replica, under the same writes. */
export interface LocalRun {
  readonly round: number;
  readonly barePerSecond: number;
  readonly localPerSecond: number;
}

export interface IdleRun {
  readonly target: string;
  readonly wanted: number;
  /** Of those opened, the ones that answered a PING. */
  readonly opened: number;
  /** Resident memory per process, before and with the connections. */
  readonly processes: readonly {
    readonly name: string;
    readonly beforeBytes: number;
    readonly afterBytes: number;
  }[];
}

export interface Results {
  readonly cases: readonly Case[];
  readonly runs: Run[];
  /** Medians of an appended and synced block, one per look. */
  readonly syncMs: Spread[];
  readonly snapshots: SnapshotRun[];
  readonly kills: Kill[];
  readonly switchovers: Switchover[];
  readonly locals: LocalRun[];
  readonly idle: IdleRun[];
  /** What was left out, and why. */
  readonly skipped: string[];
}

export function noResults(cases: readonly Case[]): Results {
  return {
    cases,
    runs: [],
    syncMs: [],
    snapshots: [],
    kills: [],
    switchovers: [],
    locals: [],
    idle: [],
    skipped: [],
  };
}
