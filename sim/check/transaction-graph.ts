/**
 * Which transaction must come before which, and why.
 *
 * Adya's edges per key: ww, the one appended right before the other; wr, the other read what the
 * one appended last; rw, the one read a state that the other's append is missing from. Then the
 * order in one process, and the order of time: one had returned before the other was called.
 * Of the order of time only a transitive reduction is kept, so that there are at most as many
 * edges per transaction as operations run at once.
 */
import type { AppendLog } from './append-log.ts';
import type { Operation } from './history.ts';

export const WW = 1;
export const WR = 2;
export const RW = 4;
export const PROCESS = 8;
export const REALTIME = 16;
export const EVERY_EDGE = 31;

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly type: number;
  /** The key and the values that show it; absent for process and realtime. */
  readonly key?: string;
  /** ww: the element before. rw: the last element that was read; undefined for none. */
  readonly after?: string | undefined;
  /** The element of `to` for ww and rw, of `from` for wr. */
  readonly value?: string;
}

export type Graph = readonly (readonly Edge[])[];

/**
 * Readers of a whole list times its unread elements: beyond this only the elements that were
 * acknowledged first are linked, which are those that the order of time can contradict.
 */
const UNREAD_EDGES_MAX = 1_000_000;
const UNREAD_FIRST = 4;

/** Edges by the place of the operation that they start from. */
export function transactionGraph(
  operations: readonly Operation[],
  logs: ReadonlyMap<string, AppendLog>,
): Graph {
  const graph: Edge[][] = operations.map(() => []);
  const add = (edge: Edge): void => {
    if (edge.from !== edge.to) graph[edge.from]?.push(edge);
  };
  const committed = committedOf(operations, logs);
  for (const log of logs.values()) {
    addOrder(log, add);
    addReads(log, add);
    addUnread(operations, log, committed, add);
  }
  addProcesses(operations, committed, add);
  addRealtime(operations, committed, add);
  return graph;
}

/** Acknowledged, or with an element that somebody read: all of a transaction or nothing. */
function committedOf(
  operations: readonly Operation[],
  logs: ReadonlyMap<string, AppendLog>,
): Uint8Array {
  const committed = Uint8Array.from(operations, ({ outcome }) => (outcome === 'ok' ? 1 : 0));
  for (const log of logs.values()) {
    for (const read of log.reads) {
      // Elements that are in the order are seen to below.
      for (let at = read.values.length - 1; at >= 0; at -= 1) {
        const value = read.values[at] as string;
        if (log.order[at] === value) break;
        const writer = log.writers.get(value);
        if (writer !== undefined) committed[writer.operation] = 1;
      }
    }
    for (const value of log.order) {
      const writer = log.writers.get(value);
      if (writer !== undefined) committed[writer.operation] = 1;
    }
  }
  return committed;
}

function addOrder(log: AppendLog, add: (edge: Edge) => void): void {
  const { key } = log;
  let before: string | undefined;
  for (const value of log.order) {
    const to = log.writers.get(value)?.operation;
    if (to === undefined) continue;
    const from = before === undefined ? undefined : log.writers.get(before)?.operation;
    if (from !== undefined) add({ from, to, type: WW, key, after: before, value });
    before = value;
  }
}

function addReads(log: AppendLog, add: (edge: Edge) => void): void {
  const { key, order, writers } = log;
  for (const { operation, values, isExternal } of log.reads) {
    if (!isExternal || !isPrefix(values, order)) continue;
    const last = values.at(-1);
    const writer = last === undefined ? undefined : writers.get(last);
    if (writer !== undefined && last !== undefined)
      add({ from: writer.operation, to: operation, type: WR, key, value: last });
    let at = values.length;
    while (at < order.length && !writers.has(order[at] as string)) at += 1;
    const next = order[at];
    const over = next === undefined ? undefined : writers.get(next);
    if (over !== undefined && next !== undefined)
      add({ from: operation, to: over.operation, type: RW, key, after: last, value: next });
  }
}

/** As far as the last element: the others were compared when their anomalies were looked for. */
function isPrefix(values: readonly string[], order: readonly string[]): boolean {
  return values.length <= order.length && values.every((value, at) => value === order[at]);
}

/** Committed elements that are in no read: they came after the longest one. */
function addUnread(
  operations: readonly Operation[],
  log: AppendLog,
  committed: Uint8Array,
  add: (edge: Edge) => void,
): void {
  const { key, order, writers } = log;
  let unread = [...writers].filter(
    ([value, { operation, place }]) =>
      committed[operation] === 1 && place === 0 && !log.places.has(value),
  );
  if (unread.length === 0) return;
  const last = order.findLast((value) => writers.has(value));
  const readers = log.reads.filter(
    ({ values, isExternal }) =>
      isExternal && values.length === order.length && values.at(-1) === order.at(-1),
  );
  if (readers.length * unread.length > UNREAD_EDGES_MAX) {
    const returned = ([, { operation }]: (typeof unread)[number]) =>
      operations[operation]?.return ?? Number.POSITIVE_INFINITY;
    unread = unread.toSorted((a, b) => returned(a) - returned(b)).slice(0, UNREAD_FIRST);
  }
  const from = last === undefined ? undefined : writers.get(last)?.operation;
  for (const [value, { operation: to }] of unread) {
    if (from !== undefined) add({ from, to, type: WW, key, after: last, value });
    for (const { operation } of readers)
      add({ from: operation, to, type: RW, key, after: order.at(-1), value });
  }
}

/** What is unknown may take effect later, so nothing comes after it by its process. */
function addProcesses(
  operations: readonly Operation[],
  committed: Uint8Array,
  add: (edge: Edge) => void,
): void {
  const last = new Map<number, number>();
  for (const place of byCall(operations)) {
    const { process, outcome, call } = operations[place] as Operation;
    if (committed[place] === 0) continue;
    const before = last.get(process);
    if (before !== undefined && (operations[before]?.return ?? call) <= call)
      add({ from: before, to: place, type: PROCESS });
    if (outcome === 'ok') last.set(process, place);
  }
}

/**
 * In the order of time: `front` holds what has returned, without whatever returned before another
 * one of it was called.
 */
function addRealtime(
  operations: readonly Operation[],
  committed: Uint8Array,
  add: (edge: Edge) => void,
): void {
  const calls = byCall(operations).filter((place) => committed[place] === 1);
  const returns = calls
    .filter((place) => operations[place]?.outcome === 'ok')
    .sort((a, b) => endOf(operations, a) - endOf(operations, b) || a - b);
  let front: number[] = [];
  let ended = 0;
  for (const place of calls) {
    const { call } = operations[place] as Operation;
    for (; ended < returns.length; ended += 1) {
      const next = returns[ended] as number;
      if (endOf(operations, next) >= call) break;
      const begun = operations[next]?.call ?? 0;
      front = front.filter((each) => endOf(operations, each) >= begun);
      front.push(next);
    }
    for (const from of front) add({ from, to: place, type: REALTIME });
  }
}

function endOf(operations: readonly Operation[], place: number): number {
  return operations[place]?.return ?? Number.POSITIVE_INFINITY;
}

function byCall(operations: readonly Operation[]): number[] {
  return [...operations.keys()].sort(
    (a, b) => (operations[a]?.call ?? 0) - (operations[b]?.call ?? 0) || a - b,
  );
}

/** Tarjan's strongly connected components of more than one node, without recursion. */
export function components(graph: Graph, types: number): number[][] {
  const size = graph.length;
  const found: number[][] = [];
  const index = new Int32Array(size).fill(-1);
  const low = new Int32Array(size);
  const onStack = new Uint8Array(size);
  const edgeAt = new Int32Array(size);
  const stack: number[] = [];
  let count = 0;
  for (let root = 0; root < size; root += 1) {
    if (index[root] !== -1) continue;
    const way = [root];
    while (way.length > 0) {
      const node = way[way.length - 1] as number;
      if (index[node] === -1) {
        index[node] = count;
        low[node] = count;
        count += 1;
        stack.push(node);
        onStack[node] = 1;
      }
      const edge = graph[node]?.[edgeAt[node] as number];
      edgeAt[node] = (edgeAt[node] as number) + 1;
      if (edge !== undefined) {
        if ((edge.type & types) === 0) continue;
        if (index[edge.to] === -1) way.push(edge.to);
        else if (onStack[edge.to] === 1)
          low[node] = Math.min(low[node] as number, index[edge.to] as number);
        continue;
      }
      way.pop();
      const above = way[way.length - 1];
      if (above !== undefined) low[above] = Math.min(low[above] as number, low[node] as number);
      if (low[node] !== index[node]) continue;
      const members = stack.splice(stack.lastIndexOf(node));
      for (const member of members) onStack[member] = 0;
      if (members.length > 1) found.push(members);
    }
  }
  return found;
}
