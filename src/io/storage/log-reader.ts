/** Reads entries of the log: the newest from memory, older ones from their segments. */
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import { logIndex } from '../../core/scalars.ts';
import type { EntryTable } from './entry-table.ts';
import type { StorageError } from './errors.ts';
import { recordBytes } from './segment.ts';
import type { Segments } from './segments.ts';
import type { TailCache } from './tail-cache.ts';

export type EntriesDone = (entries: readonly Entry[] | null) => void;

interface Reading {
  readonly last: EntryId;
  readonly bytesMax: number;
  readonly entries: Entry[];
  bytes: number;
  next: number;
  readonly done: EntriesDone;
}

export class LogReader {
  readonly #table: EntryTable;
  readonly #cache: TailCache;
  readonly #segments: Segments;
  readonly #onFailure: (error: StorageError) => void;

  constructor(
    table: EntryTable,
    cache: TailCache,
    segments: Segments,
    onFailure: (error: StorageError) => void,
  ) {
    this.#table = table;
    this.#cache = cache;
    this.#segments = segments;
    this.#onFailure = onFailure;
  }

  /** The contract of `LogStore.read`. A damaged record is a failure of the whole store. */
  read(after: EntryId, last: EntryId, bytesMax: number, done: EntriesDone): void {
    const holdsBoth =
      this.#table.termAt(after.index) === after.term &&
      this.#table.termAt(last.index) === last.term &&
      after.index < last.index;
    if (!holdsBoth) {
      done(null);
      return;
    }
    this.#step({ last, bytesMax, entries: [], bytes: 0, next: after.index + 1, done });
  }

  #step(reading: Reading): void {
    const { last, entries, done } = reading;
    while (reading.next <= last.index) {
      const cached = this.#cache.at(reading.next);
      if (cached === undefined) {
        this.#readRun(reading);
        return;
      }
      if (!fits(reading, cached.payload.length)) break;
      take(reading, cached);
    }
    done(entries);
  }

  /** One request for all entries that lie one after the other in a segment and fit. */
  #readRun(reading: Reading): void {
    const sequence = this.#table.segmentAt(reading.next);
    const position = this.#table.positionAt(reading.next);
    const ids: (EntryId & { payloadBytes: number })[] = [];
    let end = position;
    let bytes = reading.bytes;
    for (let index = reading.next; index <= reading.last.index; index++) {
      const term = this.#table.termAt(index);
      const payloadBytes = this.#table.payloadBytesAt(index);
      const isNext =
        this.#table.segmentAt(index) === sequence &&
        this.#table.positionAt(index) === end &&
        index < this.#cache.firstIndex;
      if (term === null || !isNext) break;
      const isFirst = reading.entries.length + ids.length === 0;
      if (!isFirst && bytes + payloadBytes > reading.bytesMax) break;
      ids.push({ index: logIndex(index), term, payloadBytes });
      bytes += payloadBytes;
      end += recordBytes(payloadBytes);
    }
    if (ids.length === 0) {
      reading.done(reading.entries);
      return;
    }
    this.#segments.read(sequence, position, ids, (error, entries) => {
      if (error !== null) {
        this.#onFailure(error);
        return reading.done(null);
      }
      this.#afterRun(reading, entries);
    });
  }

  /** While the disk worked, the log may have been cut, or compacted. */
  #afterRun(reading: Reading, entries: readonly Entry[] | null): void {
    const { last, done } = reading;
    if (entries === null || this.#table.termAt(last.index) !== last.term) {
      done(null);
      return;
    }
    for (const entry of entries) take(reading, entry);
    if (reading.next <= last.index && !this.#table.holds(reading.next)) {
      done(reading.entries);
      return;
    }
    this.#step(reading);
  }
}

function fits(reading: Reading, payloadBytes: number): boolean {
  return reading.entries.length === 0 || reading.bytes + payloadBytes <= reading.bytesMax;
}

function take(reading: Reading, entry: Entry): void {
  reading.entries.push(entry);
  reading.bytes += entry.payload.length;
  reading.next += 1;
}
