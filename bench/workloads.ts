/** What is measured: the cases of redis-benchmark, in the order in which they run. */

export interface Workload {
  readonly name: string;
  readonly command: 'set' | 'get';
  readonly connections: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  /** Requests of one run, as a share of what was asked for. */
  readonly share: number;
}

/** A mark to reach: the share of the bare server's throughput, or milliseconds of its median. */
export interface Mark {
  readonly workload: string;
  readonly shareMin?: number;
  readonly p50MsMax?: number;
}

export const KEYS = 100_000;

const PLAIN = { connections: 50, pipeline: 1, valueBytes: 64, share: 0.5 };
const PIPED = { ...PLAIN, pipeline: 16, share: 1 };
const ALONE = { ...PLAIN, connections: 1, share: 0.05 };
const KIBIBYTE = { ...PLAIN, valueBytes: 1024 };
const KIBIBYTE_PIPED = { ...PIPED, valueBytes: 1024, share: 0.5 };

/** Each SET before its GET, so that the keys read hold values of the size named. */
export const WORKLOADS: readonly Workload[] = Object.entries({
  '50 connections': PLAIN,
  '50 connections -P 16': PIPED,
  '1 connection': ALONE,
  '50 connections, 1 KiB': KIBIBYTE,
  '50 connections, 1 KiB -P 16': KIBIBYTE_PIPED,
}).flatMap(([words, facts]) =>
  (['set', 'get'] as const).map(
    (command): Workload => ({
      ...facts,
      name: `${command.toUpperCase()} ${words}`,
      command,
    }),
  ),
);

export const MARKS: readonly Mark[] = [
  { workload: 'GET 50 connections -P 16', shareMin: 0.4 },
  { workload: 'SET 50 connections -P 16', shareMin: 0.15 },
  { workload: 'SET 1 connection', p50MsMax: 0.6 },
];
