/** From measurements to a table, the marks, and a file. */
import type { Measured } from './load.ts';
import type { Recovery } from './recovery.ts';
import { MARKS, type Mark } from './workloads.ts';

export interface Run {
  readonly round: number;
  readonly workload: string;
  readonly target: string;
  readonly measured: Measured;
  readonly cpuMicros: Readonly<Record<string, number>>;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export interface Summary {
  readonly workload: string;
  /** Throughput of the deployment as a share of the bare server's in the same round. */
  readonly share: Spread;
  readonly barePerSecond: number;
  readonly perSecond: number;
  readonly bareP50Ms: number;
  readonly p50Ms: number;
  /** CPU microseconds per request of each process, median of the rounds. */
  readonly cpuMicrosPerRequest: Readonly<Record<string, number>>;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
  };
}

/** One per workload that both targets ran. */
export function summaries(runs: readonly Run[]): Summary[] {
  const byWorkload = Map.groupBy(runs, ({ workload }) => workload);
  return [...byWorkload].flatMap(([workload, all]) => {
    const bare = all.filter(({ target }) => target === 'bare');
    const ours = all.filter(({ target }) => target === 'deployment');
    if (bare.length === 0 || ours.length === 0) return [];
    const median = (some: readonly Run[], fact: keyof Measured) =>
      spreadOf(some.map(({ measured }) => measured[fact])).median;
    const shares = ours.flatMap(({ round, measured }) => {
      const other = bare.find((run) => run.round === round);
      return other ? [measured.perSecond / other.measured.perSecond] : [];
    });
    return [
      {
        workload,
        share: spreadOf(shares),
        barePerSecond: median(bare, 'perSecond'),
        perSecond: median(ours, 'perSecond'),
        bareP50Ms: median(bare, 'p50Ms'),
        p50Ms: median(ours, 'p50Ms'),
        cpuMicrosPerRequest: { ...cpuPerRequest(bare), ...cpuPerRequest(ours) },
      },
    ];
  });
}

function cpuPerRequest(runs: readonly Run[]): Record<string, number> {
  const names = [...new Set(runs.flatMap(({ cpuMicros }) => Object.keys(cpuMicros)))];
  return Object.fromEntries(
    names.map((name) => {
      const each = runs.map(
        ({ cpuMicros, measured }) => (cpuMicros[name] ?? 0) / measured.requests,
      );
      return [name, spreadOf(each).median];
    }),
  );
}

export interface Judgement {
  readonly mark: Mark;
  readonly value: number;
  readonly isReached: boolean;
}

export function judge(all: readonly Summary[]): Judgement[] {
  return MARKS.flatMap((mark) => {
    const summary = all.find(({ workload }) => workload === mark.workload);
    if (!summary) return [];
    const { shareMin, p50MsMax } = mark;
    if (shareMin !== undefined) {
      const value = summary.share.median;
      return [{ mark, value, isReached: value >= shareMin }];
    }
    return [{ mark, value: summary.p50Ms, isReached: summary.p50Ms < (p50MsMax ?? 0) }];
  });
}

export function reportLines(all: readonly Summary[], recoveries: readonly Recovery[]): string[] {
  const lines: string[] = [];
  for (const summary of all) {
    const { share } = summary;
    lines.push(
      summary.workload,
      `  share of bare  min ${share.min.toFixed(3)}  median ${share.median.toFixed(3)}  ` +
        `max ${share.max.toFixed(3)}`,
      `  per second     bare ${Math.round(summary.barePerSecond)}  ` +
        `deployment ${Math.round(summary.perSecond)}`,
      `  p50 ms         bare ${summary.bareP50Ms.toFixed(3)}  ` +
        `deployment ${summary.p50Ms.toFixed(3)}`,
      `  CPU µs/request ${Object.entries(summary.cpuMicrosPerRequest)
        .map(([name, micros]) => `${name} ${micros.toFixed(1)}`)
        .join(', ')}`,
    );
  }
  for (const { mark, value, isReached } of judge(all)) {
    const wanted =
      mark.shareMin === undefined ? `p50 under ${mark.p50MsMax} ms` : `share ≥ ${mark.shareMin}`;
    lines.push(
      `mark: ${mark.workload}, ${wanted}: ${value.toFixed(3)}, ${isReached ? 'reached' : 'MISSED'}`,
    );
  }
  if (recoveries.length > 0) lines.push(recoveryLine(recoveries));
  return lines;
}

function recoveryLine(recoveries: readonly Recovery[]): string {
  const { min, median, max } = spreadOf(recoveries.map(({ recoveredMs }) => recoveredMs));
  const total = (fact: 'acknowledged' | 'lost') =>
    recoveries.reduce((sum, recovery) => sum + recovery[fact], 0);
  return (
    `recovery from kill -9 of the leader's agent, ms: min ${Math.round(min)}  ` +
    `median ${Math.round(median)}  max ${Math.round(max)} over ${recoveries.length}; ` +
    `${total('acknowledged')} writes acknowledged, ${total('lost')} lost`
  );
}
