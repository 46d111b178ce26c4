/** What is to be reached, as data, and whether it was. */
import type { Results } from './results.ts';
import { type Spread, spreadOf } from './spread.ts';
import { sharesOf } from './summary.ts';

interface MarkFacts {
  readonly words: string;
  /** In words, since each kind of mark has its own unit. */
  readonly mark: string;
  readonly aim: string;
}

export type Mark = MarkFacts &
  (
    | {
        readonly kind: 'share';
        readonly case: string;
        readonly least: number;
        readonly aims: number;
      }
    | { readonly kind: 'alone'; readonly case: string; readonly mostMs: number }
    | { readonly kind: 'snapshot'; readonly most: number; readonly aims: number }
    | {
        readonly kind: 'kill';
        readonly median: number;
        readonly worst: number;
        readonly aims: { readonly median: number; readonly worst: number };
      }
    | { readonly kind: 'local'; readonly least: number; readonly aims: number }
    | { readonly kind: 'switchover'; readonly mostMs: number; readonly aimsMs: number }
  );

/** On top of two syncs: what the aim for one connection leaves to everything else. */
const ALONE_REST_MS = 0.15;

function share(of: string, words: string, least: number, aims: number): Mark {
  const mark = `share of bare ≥ ${least.toFixed(2)}`;
  return { kind: 'share', case: of, words, mark, aim: `≥ ${aims.toFixed(2)}`, least, aims };
}

export const MARKS: readonly Mark[] = [
  share('SET 50 connections', 'SET, 50 connections', 0.3, 0.45),
  share('GET 50 connections', 'GET, 50 connections, linearizable', 0.65, 0.85),
  share('SET 50 connections -P 16', 'SET, pipeline of 16', 0.25, 0.45),
  share('GET 50 connections -P 16', 'GET, pipeline of 16, linearizable', 0.8, 1),
  {
    kind: 'alone',
    case: 'SET 1 connection',
    words: 'SET, one connection, median',
    mark: '≤ 0.40 ms',
    aim: '2 × sync + 0.15 ms',
    mostMs: 0.4,
  },
  {
    kind: 'local',
    words: 'GET at a follower’s own port, pipeline of 16',
    mark: 'share of a bare replica ≥ 0.95',
    aim: '≥ 1.00',
    least: 0.95,
    aims: 1,
  },
  {
    kind: 'snapshot',
    words: 'p99 while a snapshot is taken',
    mark: '≤ 1.5 × without',
    aim: '≤ 1.1 ×',
    most: 1.5,
    aims: 1.1,
  },
  {
    kind: 'kill',
    words: 'leader killed: writes again, median / worst',
    mark: '≤ 1.0 / 3.0 s',
    aim: '≤ 0.6 / 1.5 s',
    median: 1_000,
    worst: 3_000,
    aims: { median: 600, worst: 1_500 },
  },
  {
    kind: 'switchover',
    words: 'planned switchover: longest gap, median',
    mark: '≤ 100 ms',
    aim: '≤ 20 ms',
    mostMs: 100,
    aimsMs: 20,
  },
];

export type Verdict = 'aim reached' | 'mark reached' | 'MISSED' | 'not measured';

export interface Judgement {
  readonly words: string;
  readonly mark: string;
  readonly aim: string;
  readonly value: string;
  readonly verdict: Verdict;
}

/** The one whose figures are held against the marks; variants of it are only printed. */
export const JUDGED = 'deployment';

export function judge(results: Results): Judgement[] {
  return MARKS.map((mark) => {
    const { words, mark: wanted, aim } = mark;
    return { words, mark: wanted, aim, ...judgeOne(mark, results) };
  });
}

type Judged = Pick<Judgement, 'value' | 'verdict'>;
const NOT_MEASURED: Judged = { value: '', verdict: 'not measured' };

function judgeOne(mark: Mark, results: Results): Judged {
  switch (mark.kind) {
    case 'share': {
      const spread = spreadOf(sharesOf(results.runs, mark.case, JUDGED));
      return judged(spread, asShare, spread.median >= mark.least, spread.median >= mark.aims);
    }
    case 'alone': {
      const runs = results.runs.filter((run) => run.case === mark.case && run.target === JUDGED);
      const spread = spreadOf(runs.map(({ measured }) => measured.p50Ms));
      const aimMs = aimAloneMs(results);
      const told = judged(spread, asMs, spread.median <= mark.mostMs, spread.median <= aimMs);
      return { ...told, value: told.value && `${told.value}; aim here ${asMs(aimMs)}` };
    }
    case 'local': {
      const shares = results.locals.map((run) => run.localPerSecond / run.barePerSecond);
      const spread = spreadOf(shares);
      return judged(spread, asShare, spread.median >= mark.least, spread.median >= mark.aims);
    }
    case 'snapshot': {
      const spread = spreadOf(snapshotRatios(results));
      return judged(spread, asFactor, spread.median <= mark.most, spread.median <= mark.aims);
    }
    case 'kill': {
      const spread = spreadOf(results.kills.map(({ recoveredMs }) => recoveredMs));
      const within = (most: { median: number; worst: number }): boolean =>
        spread.median <= most.median && spread.max <= most.worst;
      const lost = results.kills.reduce((sum, kill) => sum + kill.lost, 0);
      const told = judged(spread, asMs, within(mark) && lost === 0, within(mark.aims));
      return { ...told, value: told.value && `${told.value}; ${lost} writes lost` };
    }
    case 'switchover': {
      const spread = spreadOf(results.switchovers.map(({ clientGapMs }) => clientGapMs));
      return judged(spread, asMs, spread.median <= mark.mostMs, spread.median <= mark.aimsMs);
    }
  }
}

function judged(
  spread: Spread,
  inWords: (value: number) => string,
  isReached: boolean,
  isAimReached: boolean,
): Judged {
  if (Number.isNaN(spread.median)) return NOT_MEASURED;
  const { min, median, max } = spread;
  return {
    value: `${inWords(median)} (${inWords(min)} to ${inWords(max)})`,
    verdict: !isReached ? 'MISSED' : isAimReached ? 'aim reached' : 'mark reached',
  };
}

/** Twice the disk's sync time in this very run, and the rest. */
export function aimAloneMs(results: Results): number {
  const sync = spreadOf(results.syncMs.map(({ median }) => median));
  return 2 * sync.median + ALONE_REST_MS;
}

/** A p99 of fewer is the worst of a handful. */
const MOMENT_REQUESTS_MIN = 1_000;

export function snapshotRatios(results: Results): number[] {
  return results.snapshots
    .filter(({ target }) => target === JUDGED)
    .filter(({ quiet, during }) =>
      [quiet, during].every(({ requests }) => requests >= MOMENT_REQUESTS_MIN),
    )
    .map(({ quiet, during }) => during.p99Ms / quiet.p99Ms);
}

function asShare(value: number): string {
  return value.toFixed(3);
}

function asMs(value: number): string {
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(3)} ms`;
}

function asFactor(value: number): string {
  return `${value.toFixed(2)} ×`;
}
