/** What clients saw in a whole run, judged. */
import { checkHistory } from './check/check.ts';
import type { Operation } from './check/history.ts';
import { must } from './violation.ts';

/** Of one object; a history that needs more is left undecided, and counted. */
const TRIES_MAX = 10_000;

/** Yields how much was not decided. */
export function judge(operations: readonly Operation[]): number {
  const { anomalies, doubts, summary } = checkHistory(operations, TRIES_MAX);
  must(anomalies.length === 0, 'the history has no anomalies', () => {
    return `${summary}\n${anomalies[0]?.kind}: ${anomalies[0]?.words}`;
  });
  return doubts.length;
}
