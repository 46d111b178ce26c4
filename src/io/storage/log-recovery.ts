/**
 * Reads the segments of a group in order and rebuilds what the log holds.
 *
 * The rule (design §4): a bad record in the last segment that nothing proves to have been synced,
 * and of which bytes are missing rather than wrong, is a torn write and is cut. All other bad bytes
 * were acknowledged once, and their loss must be seen.
 */
import { assert } from '../../assert.ts';
import type { EntryId } from '../../core/raft/protocol.ts';
import type { GroupId } from '../../core/scalars.ts';
import { EntryTable } from './entry-table.ts';
import { StorageError } from './errors.ts';
import type { SyncMark } from './hard-state.ts';
import type { Disk, DiskFile } from './ports.ts';
import {
  CUT_RECORD,
  decodeSegmentHeader,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './segment.ts';
import { type ScanEnd, scanSegment } from './segment-scan.ts';
import type { Segment } from './segments.ts';

/** Rewritten at once. */
const REWRITE_BYTES = 1024 * 1024;

export interface RecoveredLog {
  readonly segments: readonly Segment[];
  readonly table: EntryTable;
  /** Names of segments before a reset: nothing in them counts any more. */
  readonly superseded: readonly string[];
  /** Bytes cut from the end of the last segment. */
  readonly tornBytes: number;
}

export interface LogRecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly group: GroupId;
  /** Contiguous, at least one. */
  readonly sequences: readonly number[];
  readonly mark: SyncMark;
  readonly done: (error: StorageError | null, log: RecoveredLog | null) => void;
}

export function recoverLog(options: LogRecoveryOptions): void {
  new LogRecovery(options).start();
}

interface Opened extends Segment {
  readonly header: SegmentHeader;
}

class LogRecovery {
  readonly #o: LogRecoveryOptions;
  readonly #opened: Opened[] = [];
  #table: EntryTable | null = null;
  #fault: StorageError | null = null;
  #tornBytes = 0;
  /** Up to where the segment scanned last is known to be synced. */
  #provenTo = 0;

  constructor(options: LogRecoveryOptions) {
    this.#o = options;
  }

  start(): void {
    const { sequences, mark, directory } = this.#o;
    const newest = sequences.at(-1) ?? 0;
    if (mark.sequence > newest) {
      const path = `${directory}/${segmentName(mark.sequence)}`;
      const text = 'this segment was synced once, and is missing';
      this.#fail(new StorageError('LOG_GAP', { path, text }));
      return;
    }
    this.#open(sequences.length - 1);
  }

  /** Backwards from the newest to the last reset, before which nothing counts. */
  #open(i: number): void {
    const { disk, directory, sequences } = this.#o;
    const sequence = sequences[i];
    if (sequence === undefined || this.#opened[0]?.header.reset) {
      this.#scan(0);
      return;
    }
    const path = `${directory}/${segmentName(sequence)}`;
    disk.open(path, 'existing', (openError, file) => {
      if (file === null) return this.#fail(openError);
      file.size((sizeError, size) => {
        if (sizeError !== null) return this.#fail(sizeError);
        file.read(0, SEGMENT_HEADER_BYTES, (readError, bytes) => {
          if (readError !== null) return this.#fail(readError);
          const opened = this.#checked(file, size, bytes, sequence);
          if (opened instanceof StorageError) return this.#fail(opened);
          this.#opened.unshift(opened);
          this.#open(i - 1);
        });
      });
    });
  }

  #checked(file: DiskFile, size: number, bytes: Uint8Array, sequence: number) {
    const { disk, group } = this.#o;
    const decoded = decodeSegmentHeader(bytes, disk.checksum);
    const { path } = file;
    if (decoded === 'unknown version') {
      const text = 'written by a newer version of this program';
      return new StorageError('FORMAT_UNKNOWN', { path, text });
    }
    // The header was synced before the file got its name, so it is never torn.
    if (decoded === 'damaged')
      return new StorageError('SEGMENT_HEADER', { path, position: 0, text: 'header damaged' });
    const { header, seed } = decoded;
    if (header.group !== group || header.sequence !== sequence) {
      const text = `holds segment ${header.sequence} of group ${header.group}`;
      return new StorageError('SEGMENT_HEADER', { path, position: 0, text });
    }
    return { sequence, file, seed, size, header };
  }

  #scan(i: number): void {
    const segment = this.#opened[i];
    if (segment === undefined) {
      this.#cutTornEnd();
      return;
    }
    const { base } = segment.header;
    const table = this.#table ?? new EntryTable(base);
    this.#table = table;
    if (!isSame(table.last, base)) {
      const text = `follows entry ${base.index}, but the log before it ends at ${table.last.index}`;
      this.#fail(new StorageError('LOG_GAP', { path: segment.file.path, text }));
      return;
    }
    scanSegment({
      file: segment.file,
      size: segment.size,
      seed: segment.seed,
      checksum: this.#o.disk.checksum,
      onRecord: (record, position) => this.#replay(segment, record, position),
      done: (error, end) => {
        const fault = error ?? this.#fault ?? this.#judge(segment, end);
        if (fault !== null) return this.#fail(fault);
        this.#scan(i + 1);
      },
    });
  }

  #replay(segment: Opened, record: RecordHeader, position: number): void {
    const table = this.#table;
    if (table === null || this.#fault !== null) return;
    const { id, kind, payloadBytes } = record;
    if (kind === CUT_RECORD) {
      // Below the base: what the cut kept lay in segments that a snapshot has replaced since.
      if (id.index < table.base.index) table.reset(id);
      else if (table.termAt(id.index) === id.term) table.cut(id);
      else this.#misfit(segment, position, `cut to entry ${id.index}, which the log does not hold`);
    } else if (id.index === table.lastIndex + 1) {
      table.append(id.term, payloadBytes);
      table.place(id, segment.sequence, position);
    } else {
      this.#misfit(segment, position, `entry ${id.index} follows entry ${table.lastIndex}`);
    }
  }

  #misfit(segment: Opened, position: number, text: string): void {
    this.#fault = new StorageError('LOG_GAP', { path: segment.file.path, position, text });
  }

  /** Null when the segment is sound, perhaps after cutting what was never acknowledged. */
  #judge(segment: Opened, end: ScanEnd): StorageError | null {
    const { mark } = this.#o;
    const { path } = segment.file;
    const position = end.validBytes;
    const isLast = segment === this.#opened.at(-1);
    const markedTo = mark.sequence === segment.sequence ? mark.position : 0;
    const syncedTo = Math.max(end.syncedTo, markedTo);
    this.#provenTo = Math.max(SEGMENT_HEADER_BYTES, syncedTo);
    if (end.bad === null) {
      if (position >= syncedTo) return null;
      const text = `the file ends here, and was synced up to byte ${syncedTo}`;
      return new StorageError('SEGMENT_CHECKSUM', { path, position, text });
    }
    const why = isLast
      ? position < syncedTo
        ? `synced up to byte ${syncedTo}`
        : end.bad.isIncomplete
          ? null
          : 'all of it was written, and not as it is now'
      : 'in a segment that was followed by another';
    if (why === null) {
      this.#tornBytes = segment.size - position;
      return null;
    }
    const text = `${end.bad.text}: ${why}`;
    return new StorageError('SEGMENT_CHECKSUM', { path, position, text });
  }

  /** Cuts the torn end, if there is one. */
  #cutTornEnd(): void {
    const last = this.#opened.at(-1);
    assert(last !== undefined, 'at least one segment was read');
    if (this.#tornBytes === 0) {
      this.#rewrite(last, this.#provenTo);
      return;
    }
    last.size -= this.#tornBytes;
    last.file.truncate(last.size, (error) => {
      if (error !== null) return this.#fail(error);
      this.#rewrite(last, this.#provenTo);
    });
  }

  /**
   * Makes durable what nothing proves to be: the core takes what it finds for persisted. After a
   * crash of the process it may be only in the kernel's cache; after a failed sync it may be there
   * and count as clean, so that only writing it again brings it to the disk.
   */
  #rewrite(last: Opened, at: number): void {
    if (at >= last.size) {
      last.file.sync((error) => {
        if (error !== null) return this.#fail(error);
        this.#finish();
      });
      return;
    }
    last.file.read(at, Math.min(REWRITE_BYTES, last.size - at), (readError, bytes) => {
      if (readError !== null) return this.#fail(readError);
      if (bytes.length === 0) return this.#misread(last, at);
      last.file.write(at, [bytes], (writeError) => {
        if (writeError !== null) return this.#fail(writeError);
        this.#rewrite(last, at + bytes.length);
      });
    });
  }

  #misread(last: Opened, position: number): void {
    const text = 'the file became shorter while it was read';
    this.#fail(new StorageError('SEGMENT_CHECKSUM', { path: last.file.path, position, text }));
  }

  #finish(): void {
    const { sequences, done } = this.#o;
    const table = this.#table;
    assert(table !== null, 'at least one segment was read');
    const first = this.#opened[0]?.sequence ?? 0;
    const superseded = sequences.filter((sequence) => sequence < first).map(segmentName);
    const segments = this.#opened;
    done(null, { segments, table, superseded, tornBytes: this.#tornBytes });
  }

  #fail(error: StorageError | null): void {
    for (const { file } of this.#opened) file.close(() => undefined);
    this.#o.done(error, null);
  }
}

function isSame(a: EntryId, b: EntryId): boolean {
  return a.index === b.index && a.term === b.term;
}
