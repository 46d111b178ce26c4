/**
 * Where each entry of the log lies: term, size, segment and position, by index. Some 28 bytes per
 * entry, in flat arrays, since a log holds hundreds of thousands of entries.
 *
 * Invariant: holds exactly the indexes after `base` up to `last`, without gaps.
 */
import { assert } from '../../assert.ts';
import type { EntryId } from '../../core/raft/protocol.ts';
import { type LogIndex, logIndex, type Term, term } from '../../core/scalars.ts';

const ROOM_MIN = 1024;

export class EntryTable {
  #base: EntryId;
  /** Row of the entry after the base. */
  #first = 0;
  #count = 0;
  #terms = new Float64Array(ROOM_MIN);
  #positions = new Float64Array(ROOM_MIN);
  #segments = new Float64Array(ROOM_MIN);
  #payloadBytes = new Uint32Array(ROOM_MIN);

  constructor(base: EntryId) {
    this.#base = base;
  }

  get base(): EntryId {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return logIndex(this.#base.index + this.#count);
  }

  get last(): EntryId {
    const { lastIndex } = this;
    return { index: lastIndex, term: this.termAt(lastIndex) ?? this.#base.term };
  }

  holds(index: number): boolean {
    return index > this.#base.index && index <= this.#base.index + this.#count;
  }

  /** The base's term is known too. */
  termAt(index: number): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.holds(index) ? term(this.#terms[this.#row(index)] ?? 0) : null;
  }

  payloadBytesAt(index: number): number {
    return this.#payloadBytes[this.#row(index)] ?? 0;
  }

  positionAt(index: number): number {
    return this.#positions[this.#row(index)] ?? 0;
  }

  /** 0 while the entry has not been written anywhere. */
  segmentAt(index: number): number {
    return this.#segments[this.#row(index)] ?? 0;
  }

  /** Appends the entry after the last one; where it lies comes with `place`. */
  append(entryTerm: Term, payloadBytes: number): void {
    if (this.#first + this.#count === this.#terms.length) this.#makeRoom();
    const row = this.#first + this.#count;
    this.#terms[row] = entryTerm;
    this.#payloadBytes[row] = payloadBytes;
    this.#positions[row] = 0;
    this.#segments[row] = 0;
    this.#count += 1;
  }

  /** Ignored when the entry has been cut off or replaced meanwhile. */
  place(id: EntryId, segment: number, position: number): void {
    if (!this.holds(id.index) || this.termAt(id.index) !== id.term) return;
    const row = this.#row(id.index);
    this.#positions[row] = position;
    this.#segments[row] = segment;
  }

  /** Makes `last` the last entry; everything after it is gone. */
  cut(last: EntryId): void {
    assert(this.termAt(last.index) === last.term, 'a cut names an entry that the log holds');
    this.#count = last.index - this.#base.index;
  }

  /** Drops the entries up to `index`, which becomes the base. */
  dropThrough(index: number): void {
    const baseTerm = this.termAt(index);
    assert(baseTerm !== null, 'the new base is an entry that the log holds');
    const dropped = index - this.#base.index;
    this.#base = { index: logIndex(index), term: baseTerm };
    this.#first += dropped;
    this.#count -= dropped;
  }

  reset(base: EntryId): void {
    this.#base = base;
    this.#first = 0;
    this.#count = 0;
  }

  #row(index: number): number {
    return this.#first + index - this.#base.index - 1;
  }

  /** Doubles, or moves the rows down when at least half of the room is dropped entries. */
  #makeRoom(): void {
    const size =
      this.#first * 2 >= this.#terms.length ? this.#terms.length : this.#terms.length * 2;
    this.#terms = moved(this.#terms, new Float64Array(size), this.#first);
    this.#positions = moved(this.#positions, new Float64Array(size), this.#first);
    this.#segments = moved(this.#segments, new Float64Array(size), this.#first);
    this.#payloadBytes = moved(this.#payloadBytes, new Uint32Array(size), this.#first);
    this.#first = 0;
  }
}

function moved<Column extends Float64Array | Uint32Array>(
  from: Column,
  to: Column,
  first: number,
): Column {
  to.set(from.subarray(first));
  return to;
}
