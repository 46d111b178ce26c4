/** What the checkers say about the history of a run. */
import type { Operation } from '../sim/check/history.ts';
import type { Finding } from './run.ts';

export interface Checked {
  /** One line per checker. */
  readonly checked: readonly string[];
  readonly anomalies: readonly Finding[];
}

export function checkRecord(operations: readonly Operation[]): Checked {
  return { checked: [`nothing of ${operations.length}`], anomalies: [] };
}
