/** The figures of one run, from what clients saw and from what was done to the nodes. */
import type { Outcome } from '../sim/check/history.ts';
import type { Band } from './nemesis.ts';
import type { Seen } from './tally.ts';

export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Requests that ended in one second of the run. */
export interface Second {
  readonly ok: number;
  readonly fail: number;
  readonly unknown: number;
}

export interface FaultFigures {
  readonly words: string;
  readonly count: number;
  /** From the strike to the first acknowledged write that was asked for after it. */
  readonly gapMsMedian: number;
  readonly gapMsMax: number;
}

export interface Figures {
  readonly operations: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly byWorkload: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  /** Why not ok, the most frequent first. */
  readonly reasons: readonly (readonly [why: string, count: number])[];
  readonly faults: readonly FaultFigures[];
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly longestGap: Gap;
  /** All that are longer than a moment. */
  readonly gaps: readonly Gap[];
}

const REASONS_MAX = 12;
const GAP_MS_MIN = 1_000;

/** `untilMs`: until when clients asked. */
export function figuresOf(seen: readonly Seen[], bands: readonly Band[], untilMs: number): Figures {
  const outcomes = { ok: 0, fail: 0, unknown: 0 };
  const byWorkload: Record<string, Record<Outcome, number>> = {};
  const reasons = new Map<string, number>();
  for (const { what, outcome, why } of seen) {
    outcomes[outcome]++;
    byWorkload[what] ??= { ok: 0, fail: 0, unknown: 0 };
    (byWorkload[what] as Record<Outcome, number>)[outcome]++;
    if (outcome !== 'ok') reasons.set(why, (reasons.get(why) ?? 0) + 1);
  }
  const writes = acknowledgedWrites(seen);
  const ok = seen.filter(({ outcome, isBlocking }) => outcome === 'ok' && !isBlocking);
  const latencies = ok.map(({ call, end }) => end - call).sort((a, b) => a - b);
  return {
    operations: seen.length,
    outcomes,
    byWorkload,
    reasons: [...reasons].sort(([, a], [, b]) => b - a).slice(0, REASONS_MAX),
    faults: faultFigures(writes, bands, untilMs),
    latencyMs: { p50: part(latencies, 0.5), p99: part(latencies, 0.99), max: part(latencies, 1) },
    longestGap: longestGap(writes, untilMs),
    gaps: gapsOf(writes, untilMs).filter(({ from, to }) => to - from >= GAP_MS_MIN),
  };
}

/** In the order in which they were acknowledged. */
export function acknowledgedWrites(seen: readonly Seen[]): Seen[] {
  return seen
    .filter(({ outcome, isWrite }) => outcome === 'ok' && isWrite)
    .sort((a, b) => a.end - b.end);
}

export function longestGap(writes: readonly Seen[], untilMs: number): Gap {
  const longer = (a: Gap, b: Gap): Gap => (b.to - b.from > a.to - a.from ? b : a);
  return gapsOf(writes, untilMs).reduce(longer, { from: 0, to: 0 });
}

/** Between each acknowledged write and the next, and from the last one to the end. */
function gapsOf(writes: readonly Seen[], untilMs: number): Gap[] {
  const ends = [...writes.map(({ end }) => end), untilMs];
  return ends.slice(1).map((to, i) => ({ from: ends[i] as number, to }));
}

function faultFigures(
  writes: readonly Seen[],
  bands: readonly Band[],
  untilMs: number,
): FaultFigures[] {
  const gaps = new Map<string, number[]>();
  for (const { words, hitLeader, from } of bands) {
    const name = hitLeader ? `${words}, leader` : words;
    // Sorted by their ends: the first that was asked for after the strike is the one.
    const first = writes.find(({ call, end }) => end > from && call >= from);
    const all = gaps.get(name) ?? [];
    all.push((first?.end ?? untilMs) - from);
    gaps.set(name, all);
  }
  return [...gaps]
    .map(([words, all]) => {
      const sorted = all.sort((a, b) => a - b);
      const [gapMsMedian, gapMsMax] = [part(sorted, 0.5), part(sorted, 1)];
      return { words, count: all.length, gapMsMedian, gapMsMax };
    })
    .sort((a, b) => (a.words < b.words ? -1 : 1));
}

/** Nearest rank, rounded to a tenth of a millisecond. */
function part(sorted: readonly number[], share: number): number {
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return Math.round((sorted[rank] ?? 0) * 10) / 10;
}

/** Requests by the second in which they ended. */
export function perSecond(seen: readonly Seen[], untilMs: number): Second[] {
  const seconds = Array.from({ length: Math.ceil(untilMs / 1_000) }, () => ({
    ...{ ok: 0, fail: 0, unknown: 0 },
  }));
  for (const { end, outcome } of seen) {
    const second = seconds[Math.floor(end / 1_000)];
    if (second) second[outcome]++;
  }
  return seconds;
}
