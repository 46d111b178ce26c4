/**
 * The log without its payloads: index -> term and bytes for everything after the base.
 *
 * Terms are kept as runs (there are few), sizes as running totals, so that the bytes between two
 * indexes cost one subtraction. One number per entry; the log limit bounds how many.
 *
 * Invariant: terms never decrease along the log, and every run is non-empty.
 */
import { assert } from '../../assert.ts';
import { type LogIndex, logIndex, type Term } from '../scalars.ts';
import type { EntryHead, EntryId } from './protocol.ts';

export class Trail {
  #base: EntryId;
  #last: EntryId;
  /** Run r covers #runFirsts[r] up to the next run's first, all of term #runTerms[r]. */
  readonly #runFirsts: LogIndex[] = [];
  readonly #runTerms: Term[] = [];
  /** #totals[i]: payload bytes of all entries ever added, up to entry base + 1 + i. */
  readonly #totals: number[] = [];
  #baseTotal = 0;

  constructor(base: EntryId, heads: readonly EntryHead[]) {
    this.#base = base;
    this.#last = base;
    for (const head of heads) {
      assert(head.index === this.#last.index + 1, 'the log found on disk has no gaps');
      this.append(head.term, head.bytes);
    }
  }

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    return this.#last;
  }

  append(term: Term, bytes: number): void {
    assert(term >= this.#last.term, 'terms never decrease along the log');
    const index = logIndex(this.#last.index + 1);
    if (this.#runTerms.at(-1) !== term) {
      this.#runFirsts.push(index);
      this.#runTerms.push(term);
    }
    this.#totals.push((this.#totals.at(-1) ?? this.#baseTotal) + bytes);
    this.#last = { index, term };
  }

  /** The base's term is known; what lies before it or after the last entry is null. */
  termAt(index: LogIndex): Term | null {
    if (index > this.#last.index || index < this.#base.index) return null;
    if (index === this.#base.index) return this.#base.term;
    return this.#runTerms[this.#runOf(index)] ?? null;
  }

  holds(id: EntryId): boolean {
    return this.termAt(id.index) === id.term;
  }

  idAt(index: LogIndex): EntryId {
    const term = this.termAt(index);
    assert(term !== null, 'the index lies between base and last');
    return { index, term };
  }

  /** Drops everything after `index`. */
  truncateAfter(index: LogIndex): void {
    assert(index >= this.#base.index, 'nothing before the base can be dropped');
    if (index >= this.#last.index) return;
    this.#last = this.idAt(index);
    this.#totals.length = index - this.#base.index;
    while ((this.#runFirsts.at(-1) ?? 0) > index) {
      this.#runFirsts.pop();
      this.#runTerms.pop();
    }
  }

  /** Makes `id`, which the trail holds, the new base. */
  compactTo(id: EntryId): void {
    assert(this.holds(id), 'only what the log holds can become its base');
    const gone = id.index - this.#base.index;
    if (gone === 0) return;
    this.#baseTotal = this.#totals[gone - 1] ?? this.#baseTotal;
    this.#totals.splice(0, gone);
    const next = id.index + 1;
    while (this.#runFirsts.length > 0 && (this.#runFirsts[1] ?? this.#last.index + 1) <= next) {
      this.#runFirsts.shift();
      this.#runTerms.shift();
    }
    if (this.#runFirsts.length > 0) this.#runFirsts[0] = logIndex(next);
    this.#base = id;
  }

  /** Forgets everything: the log continues after `id`. */
  reset(id: EntryId): void {
    this.#base = id;
    this.#last = id;
    this.#runFirsts.length = 0;
    this.#runTerms.length = 0;
    this.#totals.length = 0;
    this.#baseTotal = 0;
  }

  /** Payload bytes of the entries after `after` up to `upTo`; what is not held counts nothing. */
  bytesBetween(after: LogIndex, upTo: LogIndex): number {
    return after >= upTo ? 0 : this.#totalAt(upTo) - this.#totalAt(after);
  }

  /** The last of the entries after `after` that fit `bytesMax` together; at least one. */
  fit(after: LogIndex, bytesMax: number): EntryId {
    assert(after >= this.#base.index && after < this.#last.index, 'there is an entry to send');
    const limit = this.#totalAt(after) + bytesMax;
    let fits = after + 1;
    let over = this.#last.index + 1;
    if (this.#totalAt(this.#last.index) <= limit) return this.#last;
    while (over - fits > 1) {
      const middle = (fits + over) >> 1;
      if (this.#totalAt(middle) <= limit) fits = middle;
      else over = middle;
    }
    return this.idAt(logIndex(fits));
  }

  /**
   * The last entry up to `index` whose term is at most `term`, or the base. Both sides of a
   * rejected append use it, so that each round trip skips a whole term (Raft §5.3).
   */
  lastUpTo(index: LogIndex, term: Term): EntryId {
    if (index <= this.#base.index) return this.#base;
    const from = logIndex(Math.min(index, this.#last.index));
    const own = this.idAt(from);
    if (own.term <= term) return own;
    for (let run = this.#runOf(from); run >= 0; run--) {
      if ((this.#runTerms[run] ?? 0) > term) continue;
      return this.idAt(logIndex((this.#runFirsts[run + 1] ?? from + 1) - 1));
    }
    return this.#base;
  }

  #totalAt(index: number): number {
    if (index <= this.#base.index) return this.#baseTotal;
    const at = Math.min(index, this.#last.index) - this.#base.index - 1;
    return this.#totals[at] ?? this.#baseTotal;
  }

  #runOf(index: LogIndex): number {
    let low = 0;
    let high = this.#runFirsts.length - 1;
    // The tail of the log is asked for most, and it is in the last run.
    if ((this.#runFirsts[high] ?? 0) <= index) return high;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#runFirsts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
