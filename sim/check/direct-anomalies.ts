/**
 * What is wrong with append-only lists already without looking for cycles: elements that should
 * not be there, that are there twice, or that are in a place where they cannot be.
 */
import type { Anomaly } from './anomaly.ts';
import type { AppendLog, Read } from './append-log.ts';
import type { Operation } from './history.ts';
import { listed, quoted } from './models.ts';

/** Of one kind on one key: more of the same tell nothing new. */
const ALIKE_MAX = 4;

export function directAnomalies(
  operations: readonly Operation[],
  logs: ReadonlyMap<string, AppendLog>,
): Anomaly[] {
  const found = [...logs.values()].flatMap((log) => [
    ...inReads(log),
    ...inOrder(log),
    ...lostUpdates(operations, log),
  ]);
  found.push(...internal(operations, logs));
  return firstOfEachKind(found);
}

function firstOfEachKind(found: readonly Anomaly[]): Anomaly[] {
  const counts = new Map<string, number>();
  return found.filter(({ kind, key }) => {
    const id = `${kind} ${key}`;
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    return count <= ALIKE_MAX;
  });
}

function inReads(log: AppendLog): Anomaly[] {
  const found: Anomaly[] = [];
  for (const read of log.reads) {
    const clash = prefixClash([...new Set(read.values)], log.order);
    if (
      clash === null &&
      read.values.length <= log.order.length &&
      read.operation !== log.longestBy
    ) {
      found.push(...intermediate(log, read));
      continue;
    }
    found.push(...strangers(log, read), ...intermediate(log, read));
    if (clash === null) continue;
    found.push({
      kind: 'incompatible-order',
      key: log.key,
      operations: [read.operation, log.longestBy],
      words:
        `${toldRead(log, read)}, and T${log.longestBy} read ${listed(log.order)}: ` +
        `place ${clash} differs, so no one order fits both`,
    });
  }
  return found;
}

/** The first place at which it is not a beginning of the order; null when it is one. */
function prefixClash(values: readonly string[], order: readonly string[]): number | null {
  for (let at = 0; at < values.length; at += 1) if (values[at] !== order[at]) return at;
  return null;
}

/** Elements that are there twice, were refused, or that nobody appended. */
function strangers(log: AppendLog, read: Read): Anomaly[] {
  const { key } = log;
  const found: Anomaly[] = [];
  const seen = new Set<string>();
  for (const value of read.values) {
    const told = toldRead(log, read);
    const refused = log.refused.get(value);
    if (seen.has(value)) {
      const operations = [read.operation, log.writers.get(value)?.operation ?? read.operation];
      const words = `${told}: ${quoted(value)} is there twice, though it was appended once`;
      found.push({ kind: 'duplicate-elements', key, operations, words });
    } else if (refused !== undefined) {
      const words = `${told}: the append of ${quoted(value)} by T${refused} had failed`;
      found.push({ kind: 'G1a', key, operations: [refused, read.operation], words });
    } else if (!log.writers.has(value)) {
      const words = `${told}: nobody ever appended ${quoted(value)}`;
      found.push({ kind: 'unwritten-read', key, operations: [read.operation], words });
    }
    seen.add(value);
  }
  return found;
}

/** The state in the middle of somebody else's transaction. */
function intermediate(log: AppendLog, read: Read): Anomaly[] {
  const last = read.values.at(-1);
  const writer = last === undefined ? undefined : log.writers.get(last);
  if (last === undefined || writer === undefined || writer.operation === read.operation) return [];
  const own = log.appended.get(writer.operation) ?? [];
  const next = own[writer.place + 1];
  if (next === undefined) return [];
  const words =
    `${toldRead(log, read)}: T${writer.operation} appended ${quoted(last)} and ${quoted(next)} ` +
    'in one transaction';
  return [{ kind: 'G1b', key: log.key, operations: [writer.operation, read.operation], words }];
}

function toldRead(log: AppendLog, read: Read): string {
  return `T${read.operation} read ${log.key} as ${listed(read.values)}`;
}

/** Foreign elements inside one transaction's appends, and commits on top of refused ones. */
function inOrder(log: AppendLog): Anomaly[] {
  const { key, order } = log;
  const found: Anomaly[] = [];
  for (const [at, value] of order.entries()) {
    const next = order[at + 1];
    const refused = log.refused.get(value);
    const after = next === undefined ? undefined : log.writers.get(next);
    if (refused !== undefined && next !== undefined && after !== undefined) {
      const words =
        `T${after.operation} appended ${quoted(next)} to ${key} on top of ${quoted(value)}, ` +
        `whose append by T${refused} had failed`;
      found.push({ kind: 'dirty-update', key, operations: [refused, after.operation], words });
    }
    const writer = log.writers.get(value);
    if (writer === undefined) continue;
    const due = log.appended.get(writer.operation)?.[writer.place + 1];
    if (due === undefined || due === next) continue;
    const dueAt = log.places.get(due);
    // An end of the order in the middle of a transaction is told as an intermediate read.
    if (dueAt === undefined && next === undefined) continue;
    const words =
      `T${writer.operation} appended ${quoted(value)} and then ${quoted(due)} to ${key} in one ` +
      `transaction, but T${log.longestBy} read ${listed(order)}`;
    const kind = dueAt !== undefined && dueAt < at ? 'incompatible-order' : 'G1b';
    found.push({ kind, key, operations: [writer.operation, log.longestBy], words });
  }
  return found;
}

/** Two transactions read the same state of a key, and both appended to it. */
function lostUpdates(operations: readonly Operation[], log: AppendLog): Anomaly[] {
  const { key } = log;
  const found: Anomaly[] = [];
  const readers = new Map<number, Read>();
  for (const read of log.reads) {
    const { operation, isExternal } = read;
    if (!isExternal || readers.has(operation) || operations[operation]?.outcome !== 'ok') continue;
    if (log.appended.has(operation)) readers.set(operation, read);
  }
  const byState = new Map<string, number>();
  for (const [operation, { values }] of readers) {
    const state = `${values.length} ${values.at(-1)}`;
    const other = byState.get(state);
    if (other === undefined) {
      byState.set(state, operation);
      continue;
    }
    const words =
      `T${other} and T${operation} both read ${key} as ${listed(values)} and both appended to ` +
      'it: one of them did not see the other';
    found.push({ kind: 'lost-update', key, operations: [other, operation], words });
  }
  return found;
}

/** A transaction that contradicts itself. */
function internal(
  operations: readonly Operation[],
  logs: ReadonlyMap<string, AppendLog>,
): Anomaly[] {
  return [...operations.entries()].flatMap(([place, { outcome, steps }]) =>
    outcome === 'ok' && steps.length > 1 ? internalOf(place, steps, logs) : [],
  );
}

interface Expected {
  /** What was read last, or null when its beginning is not known. */
  readonly known: readonly string[] | null;
  readonly appended: readonly string[];
}

function internalOf(
  place: number,
  steps: Operation['steps'],
  logs: ReadonlyMap<string, AppendLog>,
): Anomaly[] {
  const found: Anomaly[] = [];
  const expected = new Map<string, Expected>();
  for (const step of steps) {
    const { key } = step;
    if (!logs.has(key)) continue;
    const before = expected.get(key) ?? { known: null, appended: [] };
    if (step.f === 'append')
      expected.set(key, { ...before, appended: [...before.appended, step.value] });
    if (step.f !== 'range' || step.result === undefined) continue;
    if (!agrees(before, step.result)) {
      const start = before.known === null ? '[...' : `${listed(before.known).slice(0, -1)}`;
      const wanted = `${start} ${before.appended.map(quoted).join(' ')}]`.replace('[ ', '[');
      const words =
        `T${place} read ${key} as ${listed(step.result)}, ` +
        `but by its own steps before it must be ${wanted}`;
      found.push({ kind: 'internal', key, operations: [place], words });
    }
    expected.set(key, { known: step.result, appended: [] });
  }
  return [...found, ...futureReads(place, steps, logs)];
}

function agrees({ known, appended }: Expected, read: readonly string[]): boolean {
  const start = read.length - appended.length;
  if (appended.some((value, at) => read[start + at] !== value)) return false;
  if (known === null) return true;
  return known.length === start && known.every((value, at) => value === read[at]);
}

function futureReads(
  place: number,
  steps: Operation['steps'],
  logs: ReadonlyMap<string, AppendLog>,
): Anomaly[] {
  return steps.flatMap((step, at) => {
    if (step.f !== 'append' || !logs.has(step.key)) return [];
    const early = steps
      .slice(0, at)
      .find(
        (each) => each.f === 'range' && each.key === step.key && each.result?.includes(step.value),
      );
    if (early === undefined) return [];
    const words = `T${place} read ${quoted(step.value)} in ${step.key} before it appended it`;
    return [{ kind: 'future-read', key: step.key, operations: [place], words }];
  });
}
