/** From single runs to one line per case and target: medians, and how far the rounds spread. */
import type { CurvePoint } from './load/job.ts';
import { TARGET_NAMES } from './options.ts';
import type { Case } from './plan.ts';
import type { Run } from './results.ts';
import { type Spread, spreadOf } from './spread.ts';

/** What all shares are shares of. */
export const BARE = 'bare';

export interface Summary {
  readonly case: Case;
  readonly target: string;
  readonly rounds: number;
  readonly perSecond: Spread;
  /** Of the bare server's throughput in the same round; null where it did not run. */
  readonly share: Spread | null;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly p999Ms: Spread | null;
  /** Medians of the rounds, point by point. */
  readonly curve: readonly CurvePoint[];
  /** CPU microseconds per request of each process, medians. */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

/** In the order of the cases, and within each in the order of the targets. */
export function summaries(cases: readonly Case[], runs: readonly Run[]): Summary[] {
  const targets = targetsOf(runs);
  return cases.flatMap((each) =>
    targets.flatMap((target) => {
      const own = runs.filter((run) => run.case === each.name && run.target === target);
      return own.length === 0 ? [] : [summaryOf(each, target, own, runs)];
    }),
  );
}

/** Those that everybody knows first, then variants in the order in which they first ran. */
export function targetsOf(runs: readonly Run[]): string[] {
  const ran = [...new Set(runs.map(({ target }) => target))];
  const known = TARGET_NAMES.filter((name) => ran.includes(name));
  return [...new Set([...known, ...ran])];
}

function summaryOf(each: Case, target: string, own: readonly Run[], runs: readonly Run[]): Summary {
  // At a given rate everybody's throughput is that rate, or half of a peak.
  const hasShare = target !== BARE && each.kind !== 'paced';
  const shares = hasShare ? sharesOf(runs, each.name, target) : [];
  const thousandths = own.flatMap(({ measured }) => measured.p999Ms ?? []);
  return {
    case: each,
    target,
    rounds: own.length,
    perSecond: spreadOf(own.map(({ measured }) => measured.perSecond)),
    share: shares.length === 0 ? null : spreadOf(shares),
    p50Ms: spreadOf(own.map(({ measured }) => measured.p50Ms)),
    p99Ms: spreadOf(own.map(({ measured }) => measured.p99Ms)),
    p999Ms: thousandths.length === 0 ? null : spreadOf(thousandths),
    curve: curveOf(own),
    cpuMicros: cpuPerRequest(own),
  };
}

/** One per round that both ran. */
export function sharesOf(runs: readonly Run[], name: string, target: string): number[] {
  const of = (who: string): readonly Run[] =>
    runs.filter((run) => run.case === name && run.target === who);
  const bare = of(BARE);
  return of(target).flatMap(({ round, measured }) => {
    const other = bare.find((run) => run.round === round);
    return other ? [measured.perSecond / other.measured.perSecond] : [];
  });
}

function curveOf(own: readonly Run[]): CurvePoint[] {
  const points = own.flatMap(({ measured }) => measured.curve);
  const byPercentile = Map.groupBy(points, ([percentile]) => percentile);
  return [...byPercentile].map(([percentile, some]) => [
    percentile,
    spreadOf(some.map(([, ms]) => ms)).median,
  ]);
}

/** A process that was not there in a round (another led, it was restarted) counts where it was. */
function cpuPerRequest(own: readonly Run[]): Record<string, number> {
  const names = [...new Set(own.flatMap(({ cpuMicros }) => Object.keys(cpuMicros)))];
  return Object.fromEntries(
    names.map((name) => {
      const each = own.flatMap(({ cpuMicros, measured }) => {
        const used = cpuMicros[name];
        return used === undefined ? [] : [used / measured.requests];
      });
      return [name, spreadOf(each).median];
    }),
  );
}
