/** What clients saw in a whole run, judged: one object after the other, and the transactions. */
import type { Operation } from './check/history.ts';
import { linearize } from './check/linearizable.ts';
import { partitioned } from './check/partitions.ts';
import { must } from './violation.ts';

/** Of one object; a history that needs more is left undecided, and counted. */
const TRIES_MAX = 100_000;

export interface Checked {
  readonly parts: number;
  readonly undecided: number;
}

export function checkHistory(operations: readonly Operation[]): Checked {
  let undecided = 0;
  const parts = partitioned(operations);
  for (const { name, places, model } of parts) {
    must(model !== null, 'a key has one type', () => name);
    const own = places.map((place) => operations[place] as Operation);
    const result = linearize(model, own, TRIES_MAX);
    if (result.verdict === 'undecided') undecided += 1;
    must(result.verdict !== 'violated', 'every key is linearizable', () => {
      const stuck = result.verdict === 'violated' ? result.stuck : null;
      const operation = stuck === null ? null : own[stuck.operation];
      return `${name}: ${JSON.stringify(operation)} fits nowhere; ${stuck?.states.join(' | ')}`;
    });
  }
  return { parts: parts.length, undecided };
}
