/**
 * What clients saw: the form in which every history is recorded, kept and checked.
 *
 * An operation is one request of one client: a command, or a transaction whose steps run as one.
 * Its outcome says what may be concluded. `ok`: it took effect once, at one moment between call
 * and return. `fail`: it did not take effect and never will (refused before it could run).
 * `unknown` (timeout, closed connection, doubtful error): it takes effect once, at any moment
 * after its call, even long after the client gave up, or never.
 *
 * `a` precedes `b` when a.return < b.call; equal moments count as concurrent. The unit does not
 * matter, as long as all of one history comes from one clock that never goes back.
 *
 * In a step `null` is an answer, namely nil; what was not answered has no `result` at all.
 */
import { assert } from '../../src/assert.ts';

export type Outcome = 'ok' | 'fail' | 'unknown';

export interface Operation {
  readonly process: number;
  readonly call: number;
  /** When the client knew as much as it ever will; null when it never heard anything. */
  readonly return: number | null;
  readonly outcome: Outcome;
  /** Run as one, in this order: 1 to STEPS_MAX. */
  readonly steps: readonly Step[];
}

export type Step = RegisterStep | CounterStep | ListStep | SetStep | HashStep | KeyStep;

/** GET (also of a counter), SET, set if it holds `from` (null: if absent), GETSET. */
export type RegisterStep =
  | { f: 'read'; key: string; result?: string | null | undefined }
  | { f: 'write'; key: string; value: string }
  | { f: 'cas'; key: string; from: string | null; to: string; result?: boolean | undefined }
  | { f: 'getset'; key: string; value: string; result?: string | null | undefined };

/** INCRBY; the result is the new count. */
export type CounterStep = { f: 'incr'; key: string; by: number; result?: number | undefined };

/**
 * RPUSH, LPUSH (result: the new length), LRANGE 0 -1, LPOP, RPOP, BLPOP, BRPOP, LLEN. A blocking
 * pop that gave up has the result null: the list was empty at some moment while it waited.
 */
export type ListStep =
  | { f: 'append' | 'push'; key: string; value: string; result?: number | undefined }
  | { f: 'range'; key: string; result?: readonly string[] | undefined }
  | { f: 'lpop' | 'rpop' | 'blpop' | 'brpop'; key: string; result?: string | null | undefined }
  | { f: 'len'; key: string; result?: number | undefined };

/** SADD and SREM of one member (result: whether it changed), SMEMBERS, SISMEMBER, SPOP. */
export type SetStep =
  | { f: 'sadd' | 'srem' | 'sismember'; key: string; value: string; result?: boolean | undefined }
  | { f: 'smembers'; key: string; result?: readonly string[] | undefined }
  | { f: 'spop'; key: string; result?: string | null | undefined };

/** HSET (result: whether the field is new), HGET, HGETALL as pairs, HINCRBY, HDEL of one field. */
export type HashStep =
  | { f: 'hset'; key: string; field: string; value: string; result?: boolean | undefined }
  | { f: 'hget'; key: string; field: string; result?: string | null | undefined }
  | { f: 'hgetall'; key: string; result?: readonly (readonly [string, string])[] | undefined }
  | { f: 'hincr'; key: string; field: string; by: number; result?: number | undefined }
  | { f: 'hdel'; key: string; field: string; result?: boolean | undefined };

/** DEL and EXISTS of one key, of any type. */
export type KeyStep = { f: 'delete' | 'exists'; key: string; result?: boolean | undefined };

export type StepResult = Step extends infer S
  ? S extends { result?: infer R }
    ? R
    : undefined
  : never;

/** Jepsen's transactions have 1 to 4; a script may do a little more. */
export const STEPS_MAX = 16;
/** A history is held in memory whole; this many operations are about a gigabyte. */
export const OPERATIONS_MAX = 2_000_000;

/** The step as it stands when this was answered; undefined leaves the answer open. */
export function answered(step: Step, result: StepResult): Step {
  return step.f === 'write' || result === undefined ? step : ({ ...step, result } as Step);
}

/** The step as it was asked, before anybody answered. */
export function asked(step: Step): Step {
  if (!('result' in step)) return step;
  const { result: _, ...rest } = step;
  return rest as Step;
}

/** Keys of one operation, each once. */
export function keysOf(operation: Operation): string[] {
  return [...new Set(operation.steps.map((step) => step.key))];
}

interface Recorded {
  process: number;
  call: number;
  return: number | null;
  outcome: Outcome;
  steps: readonly Step[];
}

/**
 * Takes a history down while it happens: `begin` before the request is sent, and one of `ok`,
 * `fail` and `unknown` when its fate is known. What is never ended stays unknown.
 */
export class Recorder {
  readonly #recorded: Recorded[] = [];
  readonly #open = new Set<number>();

  get length(): number {
    return this.#recorded.length;
  }

  /** The number to end it with. */
  begin(process: number, call: number, steps: readonly Step[]): number {
    assert(steps.length >= 1 && steps.length <= STEPS_MAX, 'an operation has 1 to STEPS_MAX steps');
    assert(this.#recorded.length < OPERATIONS_MAX, 'a history is held in memory whole');
    const id = this.#recorded.length;
    const plain = steps.map(asked);
    this.#recorded.push({ process, call, return: null, outcome: 'unknown', steps: plain });
    this.#open.add(id);
    return id;
  }

  /** One result per step in their order; undefined for one that has none or is not known. */
  ok(id: number, at: number, results: readonly StepResult[]): void {
    const recorded = this.#end(id, at, 'ok');
    assert(results.length === recorded.steps.length, 'one result per step');
    recorded.steps = recorded.steps.map((step, i) => answered(step, results[i]));
  }

  fail(id: number, at: number): void {
    this.#end(id, at, 'fail');
  }

  unknown(id: number, at: number): void {
    this.#end(id, at, 'unknown');
  }

  /** Everything so far, in the order of the calls to `begin`. */
  operations(): Operation[] {
    return this.#recorded.map((recorded) => ({ ...recorded }));
  }

  #end(id: number, at: number, outcome: Outcome): Recorded {
    const recorded = this.#recorded[id];
    assert(recorded !== undefined && this.#open.delete(id), 'an operation ends once');
    assert(at >= recorded.call, 'an operation ends after it began');
    recorded.return = at;
    recorded.outcome = outcome;
    return recorded;
  }
}
