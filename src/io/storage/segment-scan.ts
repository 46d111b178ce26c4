/**
 * Reads a segment from its first record to its end and says how it ends: clean, torn or damaged.
 *
 * Memory: one window of the file, however large its records are. What tells torn from damaged is
 * explained in `segment.ts`; whether a tear may be cut is for `recovery.ts` to decide, which also
 * knows the durable mark and whether this is the last segment.
 */
import { asBuffer } from '../../core/bytes.ts';
import type { StorageError } from './errors.ts';
import type { Checksum, DiskFile } from './ports.ts';
import {
  decodeRecordHeader,
  RECORD_HEADER_BYTES,
  RECORD_MARK,
  RECORD_TRAILER_BYTES,
  type RecordHeader,
  recordBytes,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from './segment.ts';

/** Read at once. Large enough that the disk, not the number of calls, sets the pace. */
const WINDOW_BYTES = 1024 * 1024;

export interface ScanEnd {
  /** Everything before this is valid records. The size of the file when nothing is wrong. */
  readonly validBytes: number;
  /** Up to where valid records say that the file was synced. */
  readonly syncedTo: number;
  /** Null when the file ends with a valid record. */
  readonly bad: BadRecord | null;
}

export interface BadRecord {
  /** Bytes of it were never written: beyond the end of the file, or a sector of zeros. */
  readonly isIncomplete: boolean;
  readonly text: string;
}

export interface ScanOptions {
  readonly file: DiskFile;
  readonly size: number;
  readonly seed: number;
  readonly checksum: Checksum;
  readonly onRecord: (record: RecordHeader, position: number) => void;
  readonly done: (error: StorageError | null, end: ScanEnd) => void;
}

export function scanSegment(options: ScanOptions): void {
  new SegmentScan(options).start();
}

class SegmentScan {
  readonly #o: ScanOptions;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = SEGMENT_HEADER_BYTES;
  #at = SEGMENT_HEADER_BYTES;
  #syncedTo = 0;

  constructor(options: ScanOptions) {
    this.#o = options;
  }

  start(): void {
    this.#step();
  }

  /** Takes all records of the window; asks for the next window where it ends. */
  #step(): void {
    const { size, seed, checksum } = this.#o;
    for (;;) {
      const at = this.#at;
      if (at >= size) {
        this.#finish(null);
        return;
      }
      if (at + RECORD_HEADER_BYTES > size) {
        this.#judge(at, size, true, 'the file ends inside a record header');
        return;
      }
      if (!this.#has(at, RECORD_HEADER_BYTES)) {
        this.#load(at, () => this.#step());
        return;
      }
      const header = decodeRecordHeader(this.#window, at - this.#windowAt, seed, at, checksum);
      if (header === null) {
        this.#judge(at, at + RECORD_HEADER_BYTES, false, 'a record header is not valid');
        return;
      }
      const end = at + recordBytes(header.payloadBytes);
      if (end > size) {
        this.#judge(at, size, true, 'the file ends inside a record');
        return;
      }
      const payloadAt = at + RECORD_HEADER_BYTES;
      if (!this.#has(payloadAt, header.payloadBytes + RECORD_TRAILER_BYTES)) {
        this.#verifyInPieces(header, payloadAt, 0);
        return;
      }
      const from = payloadAt - this.#windowAt;
      const sum = checksum(this.#window.subarray(from, from + header.payloadBytes));
      if (!this.#accept(header, sum, this.#window[from + header.payloadBytes])) return;
    }
  }

  /** A payload that the window cuts: its checksum goes from one window to the next. */
  #verifyInPieces(header: RecordHeader, position: number, sum: number): void {
    const payloadEnd = this.#at + RECORD_HEADER_BYTES + header.payloadBytes;
    this.#load(position, () => {
      const bytes = Math.min(this.#window.length, payloadEnd - position);
      const next = this.#o.checksum(this.#window.subarray(0, bytes), sum);
      if (bytes < this.#window.length) {
        if (this.#accept(header, next, this.#window[bytes])) this.#step();
      } else this.#verifyInPieces(header, position + bytes, next);
    });
  }

  #accept(header: RecordHeader, sum: number, trailer: number | undefined): boolean {
    const at = this.#at;
    const end = at + recordBytes(header.payloadBytes);
    if (sum !== header.payloadChecksum || trailer !== RECORD_MARK) {
      this.#judge(at, end, false, `the checksum of entry ${header.id.index} does not match`);
      return false;
    }
    this.#syncedTo = Math.max(this.#syncedTo, header.syncedTo);
    this.#at = end;
    this.#o.onRecord(header, at);
    return true;
  }

  /** The record at `at` is bad: was it torn, and does anything later prove that it was synced? */
  #judge(at: number, end: number, isIncomplete: boolean, text: string): void {
    if (isIncomplete) {
      this.#seekEvidence(at + 1, { isIncomplete, text });
      return;
    }
    this.#seekZeros(at, end, (found) => {
      this.#seekEvidence(at + 1, { isIncomplete: found, text });
    });
  }

  /** Whether one of the sectors of [from, end), as far as it lies in there, is all zeros. */
  #seekZeros(from: number, end: number, found: (yes: boolean) => void): void {
    let at = from;
    const step = (): void => {
      while (at < end) {
        const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
        if (!this.#has(at, sectorEnd - at)) {
          this.#load(at, step);
          return;
        }
        const sector = this.#window.subarray(at - this.#windowAt, sectorEnd - this.#windowAt);
        if (sector.every((byte) => byte === 0)) {
          found(true);
          return;
        }
        at = sectorEnd;
      }
      found(false);
    };
    step();
  }

  /** Looks at every byte for a valid record header: after a bad record no length can be trusted. */
  #seekEvidence(from: number, bad: BadRecord): void {
    const { size, seed, checksum } = this.#o;
    let at = from;
    const step = (): void => {
      while (at + RECORD_HEADER_BYTES <= size) {
        if (!this.#has(at, RECORD_HEADER_BYTES)) {
          this.#load(at, step);
          return;
        }
        const mark = this.#window.indexOf(RECORD_MARK, at - this.#windowAt);
        const next = mark < 0 ? this.#windowAt + this.#window.length : this.#windowAt + mark;
        if (next > at) {
          at = next;
          continue;
        }
        const header = decodeRecordHeader(this.#window, at - this.#windowAt, seed, at, checksum);
        if (header !== null) this.#syncedTo = Math.max(this.#syncedTo, header.syncedTo);
        at += 1;
      }
      this.#finish(bad);
    };
    step();
  }

  #finish(bad: BadRecord | null): void {
    this.#o.done(null, { validBytes: this.#at, syncedTo: this.#syncedTo, bad });
  }

  #has(position: number, bytes: number): boolean {
    return position >= this.#windowAt && position + bytes <= this.#windowAt + this.#window.length;
  }

  /** Every caller asks only for bytes below the size, so a window is never empty. */
  #load(position: number, next: () => void): void {
    this.#o.file.read(position, WINDOW_BYTES, (error, bytes) => {
      if (error === null && bytes.length === 0) {
        // The file shrank under us: whatever the reason, what was there is gone.
        return this.#o.done(null, {
          validBytes: this.#at,
          syncedTo: this.#o.size,
          bad: { isIncomplete: true, text: 'the file became shorter while it was read' },
        });
      }
      if (error !== null)
        return this.#o.done(error, { validBytes: this.#at, syncedTo: this.#syncedTo, bad: null });
      this.#window = asBuffer(bytes);
      this.#windowAt = position;
      next();
    });
  }
}
