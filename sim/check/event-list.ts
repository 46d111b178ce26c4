/** Lowe's list of calls and returns: an operation is taken out and put back in constant time. */
import type { Operation } from './history.ts';

/** Calls and returns in the order of time, with those of the operations in the line taken out. */
export class EventList {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #callOf: Int32Array;
  /** -1 for an unknown outcome: it never has to be done. */
  readonly #returnOf: Int32Array;
  readonly #operationOf: Int32Array;
  readonly #isReturn: Uint8Array;
  readonly #head: number;
  #due = -1;
  #position = -1;

  constructor(operations: readonly Operation[]) {
    const events = operations.flatMap(({ call, return: end, outcome }, operation) => {
      const begin = { at: call, order: 0, operation };
      return outcome === 'ok' && end !== null ? [begin, { at: end, order: 1, operation }] : [begin];
    });
    // At one moment calls come first: what touches is concurrent.
    events.sort((a, b) => a.at - b.at || a.order - b.order || a.operation - b.operation);
    const size = events.length;
    this.#head = size;
    this.#next = Int32Array.from({ length: size + 1 }, (_, at) => (at === size ? 0 : at + 1));
    this.#previous = Int32Array.from({ length: size + 1 }, (_, at) => (at === 0 ? size : at - 1));
    this.#callOf = new Int32Array(operations.length).fill(-1);
    this.#returnOf = new Int32Array(operations.length).fill(-1);
    this.#operationOf = Int32Array.from(events, ({ operation }) => operation);
    this.#isReturn = Uint8Array.from(events, ({ order }) => order);
    for (const [at, { operation, order }] of events.entries())
      (order === 0 ? this.#callOf : this.#returnOf)[operation] = at;
  }

  /** The operation whose return comes first. */
  get due(): number {
    return this.#due;
  }

  /** Where that return is in the whole list. */
  get position(): number {
    return this.#position;
  }

  /** Operations called before the first return; null when no return is left. */
  open(): number[] | null {
    const open: number[] = [];
    for (let at = this.#next[this.#head] as number; at !== this.#head; ) {
      const operation = this.#operationOf[at] as number;
      if (this.#isReturn[at] === 1) {
        this.#due = operation;
        this.#position = at;
        return open;
      }
      open.push(operation);
      at = this.#next[at] as number;
    }
    return null;
  }

  take(operation: number): void {
    this.#unlink(this.#callOf[operation] as number);
    const end = this.#returnOf[operation] as number;
    if (end >= 0) this.#unlink(end);
  }

  /** The reverse of `take`, in reverse order of the calls to it. */
  putBack(operation: number): void {
    const end = this.#returnOf[operation] as number;
    if (end >= 0) this.#link(end);
    this.#link(this.#callOf[operation] as number);
  }

  #unlink(at: number): void {
    const next = this.#next[at] as number;
    const previous = this.#previous[at] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #link(at: number): void {
    this.#next[this.#previous[at] as number] = at;
    this.#previous[this.#next[at] as number] = at;
  }
}
