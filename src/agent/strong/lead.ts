/**
 * One term in which this node leads: it may open one reign in it, or give it up (`facts/holes.md`
 * H2). A leader that does not get there hands over, and does so also when what keeps it from there
 * is a server that dies again and again, each life within its own bounds (H6).
 */
import type { EntryId } from '../../core/raft/protocol.ts';

/** The first may be the end of a server that must forget what was never agreed on. */
const LIVES_LOST_MAX = 2;

export class Lead {
  readonly term: number;
  readonly noop: EntryId;
  #isOver = false;
  #livesLost = 0;

  constructor(term: number, noop: EntryId) {
    this.term = term;
    this.noop = noop;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** True the first time. */
  end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    return true;
  }

  /** A server died on its way to a reign. True when that is enough. */
  lifeLost(): boolean {
    this.#livesLost += 1;
    return this.#livesLost >= LIVES_LOST_MAX;
  }
}
