/**
 * A history as the other checkers want it: events in the order of time, and in each process one
 * operation at a time, whose unknown outcome ends the process (as Jepsen does it).
 */
import type { Operation } from './history.ts';

export interface ToldEvent {
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly process: number;
  readonly at: number;
  /** Place of the operation in the history. */
  readonly place: number;
}

export function toldEvents(operations: readonly Operation[]): ToldEvent[] {
  const last = operations.reduce((most, each) => Math.max(most, each.call, each.return ?? 0), 0);
  const events = operations.flatMap((operation, place) => {
    const { call, outcome } = operation;
    const end = outcome === 'unknown' ? last : (operation.return ?? last);
    const type = outcome === 'unknown' ? ('info' as const) : outcome;
    return [
      { type: 'invoke' as const, at: call, place, rank: 0 },
      { type, at: end, place, rank: outcome === 'unknown' ? 2 : 1 },
    ];
  });
  // At one moment calls come first, because what touches is concurrent.
  events.sort((a, b) => a.at - b.at || a.rank - b.rank || a.place - b.place);
  const processes = processesOf(operations);
  return events.map(({ type, at, place }) => ({
    type,
    at,
    place,
    process: processes[place] as number,
  }));
}

/** The recorded number where it is free, and a fresh one where it is not. */
function processesOf(operations: readonly Operation[]): number[] {
  let fresh = operations.reduce((most, { process }) => Math.max(most, process), -1) + 1;
  const now = new Map<number, { name: number; freeFrom: number }>();
  const names = operations.map(() => 0);
  const byCall = [...operations.entries()].sort(([i, a], [j, b]) => a.call - b.call || i - j);
  for (const [place, { process, call, outcome, return: end }] of byCall) {
    const before = now.get(process);
    const isFree = before === undefined || before.freeFrom < call;
    const name = before === undefined ? process : isFree ? before.name : fresh++;
    const freeFrom = outcome === 'unknown' || end === null ? Number.POSITIVE_INFINITY : end;
    now.set(process, { name, freeFrom });
    names[place] = name;
  }
  return names;
}
