/** What the checkers say about the history of a run. */
import { checkHistory } from '../sim/check/check.ts';
import type { Operation } from '../sim/check/history.ts';
import type { Finding } from './run.ts';

export interface Checked {
  /** What was looked at, and what could not be decided. */
  readonly checked: readonly string[];
  readonly anomalies: readonly Finding[];
}

/** A doubt is no anomaly, but it is told. */
export function checkRecord(operations: readonly Operation[]): Checked {
  const { anomalies, doubts, summary } = checkHistory(operations);
  return {
    checked: [summary, ...doubts.map((doubt) => `undecided: ${doubt}`)],
    anomalies: anomalies.map(({ kind, words }) => ({
      what: 'history',
      words: `${kind}: ${words}`,
    })),
  };
}
