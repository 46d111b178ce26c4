/**
 * The segment files of one log: makes new ones, drops old ones, reads entries back.
 *
 * Invariant: sequences are contiguous, only the last segment grows, and a segment's header is
 * durable under its name before anything is appended to it.
 */
import { assert } from '../../assert.ts';
import { asBuffer } from '../../core/bytes.ts';
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import type { GroupId } from '../../core/scalars.ts';
import { StorageError } from './errors.ts';
import type { Disk, DiskDone, DiskFile } from './ports.ts';
import {
  decodeRecordHeader,
  ENTRY_RECORD,
  encodeSegmentHeader,
  RECORD_HEADER_BYTES,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from './segment.ts';
import { createFile, removeFiles } from './whole-file.ts';

export interface Segment {
  readonly sequence: number;
  readonly file: DiskFile;
  /** Seeds the checksums of its records. */
  readonly seed: number;
  /** Written and synced up to here. */
  size: number;
}

interface Held extends Segment {
  readsInFlight: number;
  isDropped: boolean;
}

export class Segments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #group: GroupId;
  readonly #held: Held[];

  /** `segments` are contiguous and in order; none for a new log. */
  constructor(disk: Disk, directory: string, group: GroupId, segments: readonly Segment[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.#group = group;
    this.#held = segments.map((segment) => ({ ...segment, readsInFlight: 0, isDropped: false }));
  }

  /** The segment that grows. */
  get active(): Segment {
    const last = this.#held.at(-1);
    assert(last !== undefined, 'an open log has a segment');
    return last;
  }

  get count(): number {
    return this.#held.length;
  }

  /** On disk, dead records and headers included. */
  get bytes(): number {
    return this.#held.reduce((sum, segment) => sum + segment.size, 0);
  }

  /** Of all but the active one, which is never dropped. */
  get closedBytes(): number {
    return this.bytes - this.active.size;
  }

  /** Appends a new, empty segment; `reset` makes it the only one that counts. */
  create(base: EntryId, reset: boolean, done: DiskDone): void {
    const sequence = (this.#held.at(-1)?.sequence ?? 0) + 1;
    const header = { group: this.#group, sequence, base, reset };
    const { bytes, seed } = encodeSegmentHeader(header, this.#disk.checksum);
    const path = `${this.#directory}/${segmentName(sequence)}`;
    createFile(this.#disk, path, [bytes], (error, file) => {
      if (file === null) return done(error);
      const size = SEGMENT_HEADER_BYTES;
      this.#held.push({ sequence, file, seed, size, readsInFlight: 0, isDropped: false });
      done(null);
    });
  }

  /** Removes the segments before `sequence`; reads under way still finish. */
  dropBelow(sequence: number, done: DiskDone): void {
    const dropped: Held[] = [];
    while (this.#held.length > 1 && (this.#held[0]?.sequence ?? sequence) < sequence) {
      const first = this.#held.shift();
      if (first !== undefined) dropped.push(first);
    }
    if (dropped.length === 0) {
      this.#disk.defer(() => done(null));
      return;
    }
    for (const segment of dropped) {
      segment.isDropped = true;
      this.#closeIfUnused(segment);
    }
    const names = dropped.map((segment) => segmentName(segment.sequence));
    removeFiles(this.#disk, this.#directory, names, done);
  }

  /**
   * Reads consecutive records of one segment, each an entry with the id given, in one request.
   * Yields null when the segment has been dropped.
   */
  read(
    sequence: number,
    position: number,
    ids: readonly (EntryId & { readonly payloadBytes: number })[],
    done: (error: StorageError | null, entries: Entry[] | null) => void,
  ): void {
    const segment = this.#held.find((held) => held.sequence === sequence);
    if (segment === undefined) {
      this.#disk.defer(() => done(null, null));
      return;
    }
    const bytes = ids.reduce((sum, id) => sum + recordBytes(id.payloadBytes), 0);
    segment.readsInFlight += 1;
    segment.file.read(position, bytes, (error, source) => {
      segment.readsInFlight -= 1;
      this.#closeIfUnused(segment);
      if (error !== null) return done(error, null);
      const entries = this.#decode(segment, position, asBuffer(source), ids);
      if (entries instanceof StorageError) return done(entries, null);
      done(null, entries);
    });
  }

  closeAll(done: DiskDone): void {
    const files = this.#held.map((segment) => segment.file);
    const closeFrom = (i: number): void => {
      const file = files[i];
      if (file === undefined) {
        done(null);
        return;
      }
      file.close((error) => (error === null ? closeFrom(i + 1) : done(error)));
    };
    closeFrom(0);
  }

  #decode(
    segment: Held,
    position: number,
    source: Buffer,
    ids: readonly (EntryId & { readonly payloadBytes: number })[],
  ): Entry[] | StorageError {
    const { checksum } = this.#disk;
    const entries: Entry[] = [];
    let at = 0;
    for (const { index, term, payloadBytes } of ids) {
      const from = at + RECORD_HEADER_BYTES;
      const header = decodeRecordHeader(source, at, segment.seed, position + at, checksum);
      const payload = source.subarray(from, from + payloadBytes);
      const isGood =
        header !== null &&
        header.kind === ENTRY_RECORD &&
        header.id.index === index &&
        header.id.term === term &&
        payload.length === header.payloadBytes &&
        checksum(payload) === header.payloadChecksum;
      if (!isGood) {
        const text = `entry ${index} was synced and reads back damaged`;
        const place = { path: segment.file.path, position: position + at, text };
        return new StorageError('SEGMENT_CHECKSUM', place);
      }
      entries.push({ index, term, payload });
      at += recordBytes(payloadBytes);
    }
    return entries;
  }

  #closeIfUnused(segment: Held): void {
    if (!segment.isDropped || segment.readsInFlight > 0) return;
    // Nothing is lost when closing a removed file fails.
    segment.file.close(() => undefined);
  }
}
