/**
 * What a history tells about each list that is only ever appended to and read whole.
 *
 * Every value is appended once, so an element names the transaction that appended it, and the
 * longest read of a key is the order in which its elements came (Kingsbury and Alvaro, "Elle",
 * 2020, §4). An element that is known to be committed but is in no read came after all of those.
 */
import type { Operation } from './history.ts';

export interface Read {
  readonly operation: number;
  readonly values: readonly string[];
  /** Its transaction had not appended to the key before: the whole value came from outside. */
  readonly isExternal: boolean;
}

export interface Writer {
  readonly operation: number;
  /** Among the same transaction's appends to this key. */
  readonly place: number;
}

export interface AppendLog {
  readonly key: string;
  readonly writers: Map<string, Writer>;
  /** Values that were definitely refused. */
  readonly refused: Map<string, number>;
  /** Per transaction what it appended, in its order. */
  readonly appended: Map<number, string[]>;
  readonly reads: Read[];
  /** The longest read, each element once. */
  order: readonly string[];
  places: ReadonlyMap<string, number>;
  /** Of the longest read; -1 when there is none. */
  longestBy: number;
}

/** Keys that were only appended to and read whole, every value once. */
export function appendKeys(operations: readonly Operation[]): Set<string> {
  const values = new Map<string, Set<string>>();
  const others = new Set<string>();
  for (const { outcome, steps } of operations) {
    if (outcome === 'fail') continue;
    for (const step of steps) {
      if (step.f !== 'append' && step.f !== 'range') {
        others.add(step.key);
        continue;
      }
      let known = values.get(step.key);
      if (known === undefined) {
        known = new Set();
        values.set(step.key, known);
      }
      if (step.f !== 'append') continue;
      if (known.has(step.value)) others.add(step.key);
      known.add(step.value);
    }
  }
  return new Set([...values.keys()].filter((key) => !others.has(key)));
}

export function appendLogs(
  operations: readonly Operation[],
  keys: ReadonlySet<string>,
): Map<string, AppendLog> {
  const logs = new Map<string, AppendLog>();
  for (const key of keys) logs.set(key, emptyLog(key));
  for (const [place, operation] of operations.entries()) {
    if (operation.outcome === 'fail') continue;
    for (const step of operation.steps) {
      const log = logs.get(step.key);
      if (log === undefined) continue;
      if (step.f === 'append') {
        const own = log.appended.get(place) ?? [];
        log.appended.set(place, own);
        log.writers.set(step.value, { operation: place, place: own.length });
        own.push(step.value);
      } else if (step.f === 'range' && step.result !== undefined) {
        const isExternal = !log.appended.has(place);
        log.reads.push({ operation: place, values: step.result, isExternal });
      }
    }
  }
  noteRefused(operations, logs);
  for (const log of logs.values()) order(log);
  return logs;
}

/** A value refused once and accepted in a later attempt was accepted. */
function noteRefused(operations: readonly Operation[], logs: Map<string, AppendLog>): void {
  for (const [place, { outcome, steps }] of operations.entries()) {
    if (outcome !== 'fail') continue;
    for (const step of steps) {
      const log = logs.get(step.key);
      if (log !== undefined && step.f === 'append' && !log.writers.has(step.value))
        log.refused.set(step.value, place);
    }
  }
}

function order(log: AppendLog): void {
  let longest: Read | null = null;
  for (const read of log.reads)
    if (longest === null || read.values.length > longest.values.length) longest = read;
  if (longest === null) return;
  log.order = [...new Set(longest.values)];
  log.places = new Map(log.order.map((value, place) => [value, place]));
  log.longestBy = longest.operation;
}

function emptyLog(key: string): AppendLog {
  return {
    key,
    writers: new Map(),
    refused: new Map(),
    appended: new Map(),
    reads: [],
    order: [],
    places: new Map(),
    longestBy: -1,
  };
}
