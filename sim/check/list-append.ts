/**
 * Transactions that append to lists and read them whole, judged by Elle's method for strict
 * serializability (Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
 * observations", 2020). Everything reported is a violation; when the last operation reads every
 * key, every violation is reported. What a transaction does to keys of other kinds is passed over
 * here, which can hide a violation but not make one.
 */
import type { Anomaly } from './anomaly.ts';
import { appendKeys, appendLogs } from './append-log.ts';
import { cyclicAnomalies } from './cycles.ts';
import { directAnomalies } from './direct-anomalies.ts';
import type { Operation } from './history.ts';
import { transactionGraph } from './transaction-graph.ts';

export interface ListAppendVerdict {
  readonly anomalies: readonly Anomaly[];
  /** The keys that could be judged. */
  readonly keys: ReadonlySet<string>;
  /** Operations with at least one step on them. */
  readonly transactions: number;
}

export function checkListAppend(operations: readonly Operation[]): ListAppendVerdict {
  const keys = appendKeys(operations);
  const logs = appendLogs(operations, keys);
  const direct = directAnomalies(operations, logs);
  const graph = transactionGraph(operations, logs);
  const { anomalies, more } = cyclicAnomalies(graph, operations);
  const all = [...direct, ...anomalies];
  if (more > 0) {
    const words = `${more} more groups of transactions contradict each other like those above`;
    all.push({ kind: 'more-cycles', key: null, operations: [], words });
  }
  const transactions = operations.filter(
    ({ outcome, steps }) => outcome !== 'fail' && steps.some(({ key }) => keys.has(key)),
  ).length;
  return { anomalies: all, keys, transactions };
}
