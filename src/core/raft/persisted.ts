/**
 * How much of the log survives a power cut, and which writes are still under way.
 *
 * A completion covers the writes asked for before it (ports.ts: completions come in order). After
 * a truncation the writes under way cover only what lies before it, even if the very same entry
 * is written again later: until that later write is done, a crash can lose it (thesis §3.8).
 */
import { assert } from '../../assert.ts';
import { type LogIndex, logIndex } from '../scalars.ts';
import type { EntryId } from './protocol.ts';

interface Write {
  readonly upTo: EntryId;
  covers: LogIndex;
}

export class Persisted {
  #index: LogIndex;
  readonly #writes: Write[] = [];

  constructor(index: LogIndex) {
    this.#index = index;
  }

  get index(): LogIndex {
    return this.#index;
  }

  get isIdle(): boolean {
    return this.#writes.length === 0;
  }

  asked(upTo: EntryId): void {
    this.#writes.push({ upTo, covers: upTo.index });
  }

  truncatedAfter(index: LogIndex): void {
    if (this.#index > index) this.#index = index;
    for (const write of this.#writes) if (write.covers > index) write.covers = index;
  }

  done(upTo: EntryId): void {
    const at = this.#writes.findIndex(
      (write) => write.upTo.index === upTo.index && write.upTo.term === upTo.term,
    );
    assert(at >= 0, 'only a write that was asked for can complete');
    for (const write of this.#writes.splice(0, at + 1)) this.raiseTo(write.covers);
  }

  /** A snapshot holds everything up to `index`. */
  raiseTo(index: LogIndex): void {
    if (index > this.#index) this.#index = logIndex(index);
  }

  /** A snapshot took the place of the whole log. */
  replacedBy(index: LogIndex): void {
    assert(this.isIdle, 'no write is under way when a snapshot takes the place of the log');
    this.#index = index;
  }
}
