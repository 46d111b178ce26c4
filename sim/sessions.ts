/**
 * What clients have under way at one node: an acknowledgement waits until its entry is committed
 * in the reign that took it, a read until a round begun after it is confirmed (thesis §6.4). The
 * end of the reign ends all of it, and nobody is told anything.
 */
import type { EntryId } from '../src/core/raft/protocol.ts';
import type { LogIndex, NodeId, Term } from '../src/core/scalars.ts';
import type { Invariants, ReadTicket } from './invariants.ts';

/** Clients wait for one answer at a time; there are few of them, but they give up and ask again. */
const READS_MAX = 1_000;

interface Read {
  readonly round: number;
  readonly ticket: ReadTicket;
}

export class Sessions {
  readonly #id: NodeId;
  readonly #invariants: Invariants;
  #reign: { readonly term: Term; readonly noop: EntryId } | null = null;
  #values = new Map<LogIndex, number>();
  #reads: Read[] = [];
  #confirmed = 0;
  #committed = 0;
  #readsDone = 0;

  constructor(id: NodeId, invariants: Invariants) {
    this.#id = id;
    this.#invariants = invariants;
  }

  get reign(): { readonly term: Term; readonly noop: EntryId } | null {
    return this.#reign;
  }

  get readsDone(): number {
    return this.#readsDone;
  }

  begin(term: Term, noop: EntryId): void {
    this.end();
    this.#reign = { term, noop };
  }

  end(): void {
    this.#reign = null;
    this.#values = new Map();
    this.#reads = [];
    this.#confirmed = 0;
  }

  accepted(index: LogIndex, value: number): void {
    this.#values.set(index, value);
  }

  read(round: number, ticket: ReadTicket): void {
    if (this.#reads.length < READS_MAX) this.#reads.push({ round, ticket });
  }

  committed(upTo: EntryId): void {
    this.#committed = upTo.index;
    if (this.#reign === null) return;
    for (const [index, value] of this.#values) {
      // In the order of their indexes.
      if (index > upTo.index) break;
      this.#values.delete(index);
      this.#invariants.acknowledge(value, index);
    }
    this.#answerReads();
  }

  confirmed(term: Term, round: number): void {
    if (this.#reign?.term !== term) return;
    this.#confirmed = round;
    this.#answerReads();
  }

  #answerReads(): void {
    const reign = this.#reign;
    // Before its first entry is committed a leader does not know what is (thesis §6.4).
    if (reign === null || this.#committed < reign.noop.index) return;
    const ready = this.#reads.filter((read) => read.round <= this.#confirmed);
    if (ready.length === 0) return;
    this.#reads = this.#reads.filter((read) => read.round > this.#confirmed);
    for (const read of ready) {
      this.#readsDone += 1;
      this.#invariants.readEnds(this.#id, read.ticket, reign.term);
    }
  }
}
