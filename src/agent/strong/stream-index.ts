/**
 * Which log entry holds which bytes of the server's stream.
 *
 * Log index and stream offset are one coordinate within one log: entry i ends at `endAt(i)`, and
 * the next one begins there. The index follows the log exactly: it is told of every append,
 * truncation, compaction and installed snapshot, and it stops the node when a piece does not begin
 * where the log ends (`facts/holes.md` H1).
 *
 * Cost: two numbers per entry that the log holds.
 */
import { assert } from '../../assert.ts';
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import { type LogIndex, logIndex, type ReplOffset, replOffset, term } from '../../core/scalars.ts';
import { decodeEntry } from './entry.ts';

/** A reign's entry in the log: its id may continue only up to where the next one began. */
export interface ReignMark {
  readonly index: LogIndex;
  readonly term: number;
  readonly replid: string;
  readonly start: ReplOffset;
}

/** How many past reigns are remembered: a deposed server older than that is resynced in full. */
const REIGNS_MAX = 64;

/** The stream up to some entry, as a snapshot carries it. */
export interface StreamBase {
  readonly last: EntryId;
  readonly offset: ReplOffset;
  readonly reigns: readonly ReignMark[];
}

export class StreamIndex {
  #base: EntryId;
  #baseOffset: ReplOffset;
  /** Ends and terms of entries base+1, base+2, … */
  #ends: number[] = [];
  #terms: number[] = [];
  #reigns: ReignMark[];

  constructor(base: StreamBase) {
    this.#base = base.last;
    this.#baseOffset = base.offset;
    this.#reigns = [...base.reigns];
  }

  get last(): EntryId {
    const n = this.#ends.length;
    if (n === 0) return this.#base;
    return { index: logIndex(this.#base.index + n), term: term(this.#terms[n - 1] ?? 0) };
  }

  /** The end of the stream in the log, committed or not. */
  get endOffset(): ReplOffset {
    const n = this.#ends.length;
    return n === 0 ? this.#baseOffset : replOffset(this.#ends[n - 1] ?? 0);
  }

  /** The first offset that can still be fed from the log: bytes after it are held. */
  get baseOffset(): ReplOffset {
    return this.#baseOffset;
  }

  get baseIndex(): LogIndex {
    return this.#base.index;
  }

  holds(index: LogIndex): boolean {
    return index >= this.#base.index && index <= this.#base.index + this.#ends.length;
  }

  /** Where the stream stands after entry `index`; the base itself is held. */
  endAt(index: LogIndex): ReplOffset {
    if (index === this.#base.index) return this.#baseOffset;
    const end = this.#ends[index - this.#base.index - 1];
    assert(end !== undefined, 'the stream index holds every entry of the log');
    return replOffset(end);
  }

  idAt(index: LogIndex): EntryId {
    if (index === this.#base.index) return this.#base;
    const entryTerm = this.#terms[index - this.#base.index - 1];
    assert(entryTerm !== undefined, 'the stream index holds every entry of the log');
    return { index, term: term(entryTerm) };
  }

  /**
   * The last entry, up to `notAfter`, that ends at or before `offset`; null when that lies before
   * the base. What a snapshot at `offset` replaces: an entry that straddles it is kept (H7), and so
   * is one without stream bytes that is not committed yet, though it ends there too.
   */
  lastEndingBy(offset: ReplOffset, notAfter: LogIndex): EntryId | null {
    if (offset < this.#baseOffset || notAfter < this.#base.index) return null;
    let low = 0;
    let high = Math.min(this.#ends.length, notAfter - this.#base.index);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.idAt(logIndex(this.#base.index + low));
  }

  /** As a snapshot that replaces everything up to `last` should carry it. */
  reignsUpTo(index: LogIndex): readonly ReignMark[] {
    return this.#reigns.filter((reign) => reign.index <= index);
  }

  get reigns(): readonly ReignMark[] {
    return this.#reigns;
  }

  append(after: EntryId, entries: readonly Entry[]): void {
    if (after.index < this.last.index) this.#truncate(after.index);
    assert(after.index === this.last.index, 'entries are appended where the log ends');
    for (const entry of entries) this.#push(entry);
  }

  #push(entry: Entry): void {
    const stream = decodeEntry(entry.payload);
    assert(stream !== null, 'a log entry of an unknown kind');
    const start = this.endOffset;
    let end: number = start;
    if (stream.kind === 'data' || stream.kind === 'reign')
      assert(stream.start === start, 'a stream entry begins where the log ends');
    if (stream.kind === 'data') end += stream.bytes.length;
    if (stream.kind === 'reign') {
      const { index, term: entryTerm } = entry;
      this.#reigns.push({ index, term: entryTerm, replid: stream.replid, start });
      if (this.#reigns.length > REIGNS_MAX) this.#reigns.shift();
    }
    this.#ends.push(end);
    this.#terms.push(entry.term);
  }

  /** Drops the entries after `index`. */
  #truncate(index: LogIndex): void {
    assert(index >= this.#base.index, 'nothing before the base of the log is ever dropped');
    this.#ends.length = index - this.#base.index;
    this.#terms.length = index - this.#base.index;
    this.#reigns = this.#reigns.filter((reign) => reign.index <= index);
  }

  /** The log dropped its entries up to `base`. */
  compact(base: EntryId): void {
    if (base.index <= this.#base.index) return;
    const drop = base.index - this.#base.index;
    this.#baseOffset = this.endAt(base.index);
    this.#ends = this.#ends.slice(drop);
    this.#terms = this.#terms.slice(drop);
    this.#base = base;
  }

  /** Recovery learns the base's term, and the reigns before it, after the entries. */
  rebase(base: EntryId, reignsBefore: readonly ReignMark[]): void {
    assert(base.index === this.#base.index, 'recovery finds one base');
    this.#base = base;
    const before = reignsBefore.filter((reign) => reign.index <= base.index);
    this.#reigns = [...before, ...this.#reigns];
  }

  /** The log begins anew after a snapshot. */
  reset(base: StreamBase): void {
    this.#base = base.last;
    this.#baseOffset = base.offset;
    this.#ends = [];
    this.#terms = [];
    this.#reigns = [...base.reigns];
  }
}
