/**
 * The log of one Raft group, with its term and vote: the LogStore of the core.
 *
 * Everything that writes goes through one queue, in the order of the calls (`facts/reliability.md`
 * §5: term and vote before the entries that need them). While one write and its fdatasync are
 * under way, all that arrives is gathered and goes out as the next one: group commit. In memory a
 * request takes effect at once, so that entries can be read before they are synced.
 *
 * After the first failure everything fails with the same error: what a failed fdatasync leaves on
 * disk is unknown, and trying again would only seem to work (Rebello, ATC 2020).
 */
import { assert, unreachable } from '../../assert.ts';
import type { Done, LogStore } from '../../core/raft/ports.ts';
import type { Entry, EntryId, HardState, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { LogIndex, Term } from '../../core/scalars.ts';
import { type Batch, takeBatch } from './batch.ts';
import type { EntryTable } from './entry-table.ts';
import { StorageError } from './errors.ts';
import type { HardStateFile, SyncMark } from './hard-state.ts';
import { LogReader } from './log-reader.ts';
import type { Disk, DiskDone } from './ports.ts';
import { ENTRY_RECORD, encodeRecords, RECORD_OVERHEAD_BYTES } from './segment.ts';
import type { Segment, Segments } from './segments.ts';
import { TailCache } from './tail-cache.ts';

/** Waiting records: an optional cut, then entries, some of which may already be written. */
export interface RecordsRequest {
  readonly kind: 'records';
  cut: EntryId | null;
  readonly entries: readonly Entry[];
  written: number;
  readonly done: Done;
}

export type Request =
  | RecordsRequest
  | { readonly kind: 'hardState'; readonly hardState: HardState; readonly done: Done }
  | { readonly kind: 'mark'; readonly done: Done }
  | { readonly kind: 'reset'; readonly base: EntryId; readonly done: Done }
  | { readonly kind: 'drop'; readonly belowSequence: number; readonly done: Done }
  | { readonly kind: 'close'; readonly done: Done };

export interface SegmentedLogOptions {
  readonly disk: Disk;
  readonly segments: Segments;
  readonly table: EntryTable;
  readonly hardStateFile: HardStateFile;
  readonly hardState: HardState;
  readonly mark: SyncMark;
  /** A segment that has reached this size is followed by a new one. */
  readonly segmentBytes: number;
  /** Newest entries kept in memory; more only while they are not synced. */
  readonly cacheBytes: number;
  /** Called once, at the first failure, before any completion learns of it. The node must end. */
  readonly onFailure: (error: StorageError) => void;
}

export class SegmentedLog implements LogStore {
  readonly #o: SegmentedLogOptions;
  readonly #segments: Segments;
  readonly #table: EntryTable;
  readonly #cache: TailCache;
  readonly #reader: LogReader;
  /** Bounded by the core's cap on uncommitted bytes, since entries are kept by reference. */
  #queue: Request[] = [];
  #isBusy = false;
  #failure: StorageError | null = null;
  #isClosing = false;
  /** As saved last, and as it will be when the queue is empty. */
  #hardState: HardState;
  #wantedTerm: Term;
  #mark: SyncMark;
  /** What the log ends with on disk: the base of the next segment. */
  #writtenLast: EntryId;
  #syncs = 0;

  constructor(options: SegmentedLogOptions) {
    this.#o = options;
    this.#segments = options.segments;
    this.#table = options.table;
    this.#cache = new TailCache(options.cacheBytes);
    this.#reader = new LogReader(this.#table, this.#cache, this.#segments, (error) => {
      this.#fail(error);
    });
    this.#hardState = options.hardState;
    this.#wantedTerm = options.hardState.term;
    this.#mark = options.mark;
    this.#writtenLast = options.table.last;
  }

  /** The entry just before the first one held. */
  get base(): EntryId {
    return this.#table.base;
  }

  get last(): EntryId {
    return this.#table.last;
  }

  /** On disk, all segments. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  /** What compaction can free of them, at most. */
  get closedBytes(): number {
    return this.#segments.closedBytes;
  }

  /** fdatasync calls for records so far: group commit keeps it far below the entries. */
  get syncs(): number {
    return this.#syncs;
  }

  get failure(): StorageError | null {
    return this.#failure;
  }

  saveHardState(hardState: HardState, done: Done): void {
    assert(hardState.term >= this.#wantedTerm, 'a term never goes back');
    this.#wantedTerm = hardState.term;
    this.#push({ kind: 'hardState', hardState, done });
  }

  persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    const held = this.#table.termAt(after.index);
    assert(held === after.term, 'entries are appended after one that the log holds');
    const isCut = after.index < this.#table.lastIndex;
    if (isCut) {
      this.#table.cut(after);
      this.#cache.cutAfter(after.index);
    }
    for (const entry of entries) {
      assert(entry.index === this.#table.lastIndex + 1, 'entries are contiguous');
      assert(entry.term <= this.#wantedTerm, 'the term is saved before entries of it');
      this.#table.append(entry.term, entry.payload.length);
      this.#cache.append(entry);
    }
    this.#push({ kind: 'records', cut: isCut ? after : null, entries, written: 0, done });
  }

  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void {
    this.#reader.read(after, last, bytesMax, done);
  }

  termAt(index: LogIndex): Term | null {
    return this.#table.termAt(index);
  }

  /**
   * Drops whole segments that hold only entries up to `snapshot.last`, but keeps at least
   * `keepBytes` of records before it for peers that are a little behind. The snapshot must be
   * durable: without it the log begins after a gap.
   */
  compactTo(snapshot: SnapshotMeta, keepBytes: number, done: Done): void {
    const { index, term } = snapshot.last;
    if (index < this.#table.base.index) {
      this.#push({ kind: 'drop', belowSequence: 0, done });
      return;
    }
    assert(this.#table.termAt(index) === term, 'compacts what the log holds');
    let keepFrom = index + 1;
    let kept = 0;
    while (this.#table.holds(keepFrom - 1) && kept < keepBytes) {
      keepFrom -= 1;
      kept += this.#table.payloadBytesAt(keepFrom) + RECORD_OVERHEAD_BYTES;
    }
    // An entry that is not written yet will lie in the active segment or a later one.
    const placed = this.#table.holds(keepFrom) ? this.#table.segmentAt(keepFrom) : 0;
    const belowSequence = placed === 0 ? this.#segments.active.sequence : placed;
    while (
      this.#table.holds(keepFrom - 1) &&
      isIn(this.#table.segmentAt(keepFrom - 1), belowSequence)
    )
      keepFrom -= 1;
    if (keepFrom - 1 > this.#table.base.index) {
      this.#table.dropThrough(keepFrom - 1);
      this.#cache.dropThrough(keepFrom - 1);
    }
    this.#push({ kind: 'drop', belowSequence, done });
  }

  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void {
    if (keepSuffix) {
      this.compactTo(snapshot, 0, done);
      return;
    }
    assert(snapshot.last.index >= this.#table.base.index, 'the base never goes back');
    this.#table.reset(snapshot.last);
    this.#cache.clear();
    this.#push({ kind: 'reset', base: snapshot.last, done });
  }

  /**
   * To be called now and then (once a second): when the log is quiet, notes durably up to where
   * it is synced, so that later damage to the very last record can be told from a torn write.
   */
  settle(): void {
    if (this.#isBusy || this.#queue.length > 0 || this.#failure !== null || this.#isClosing) return;
    if (!this.#isMarked()) this.mark(() => undefined);
  }

  /** Notes up to where the log is synced, in its turn. */
  mark(done: Done): void {
    this.#push({ kind: 'mark', done });
  }

  /** Finishes what is queued, notes the mark and closes the files. Nothing may be asked later. */
  close(done: Done): void {
    this.mark(() => undefined);
    this.#push({ kind: 'close', done });
    this.#isClosing = true;
  }

  /** Something else that belongs to this log failed: from now on nothing is acknowledged. */
  giveUp(error: StorageError): void {
    this.#fail(error);
  }

  #isMarked(): boolean {
    const { sequence, size } = this.#segments.active;
    return this.#mark.sequence === sequence && this.#mark.position === size;
  }

  #push(request: Request): void {
    const refusal = this.#failure ?? (this.#isClosing ? this.#closedError() : null);
    if (refusal !== null) {
      this.#o.disk.defer(() => request.done(refusal));
      return;
    }
    this.#queue.push(request);
    this.#pump();
  }

  #closedError(): StorageError {
    return new StorageError('CLOSED', {
      path: this.#segments.active.file.path,
      text: 'the log was closed',
    });
  }

  #pump(): void {
    const next = this.#queue[0];
    if (this.#isBusy || next === undefined || this.#failure !== null) return;
    this.#isBusy = true;
    switch (next.kind) {
      case 'records':
        this.#writeRecords();
        return;
      case 'hardState':
        this.#saveHardState(next.hardState, this.#finishing(next));
        return;
      case 'mark':
        if (this.#isMarked()) {
          this.#o.disk.defer(() => this.#finishing(next)(null));
          return;
        }
        this.#saveHardState(this.#hardState, this.#finishing(next));
        return;
      case 'reset':
        this.#reset(next.base, this.#finishing(next));
        return;
      case 'drop':
        this.#segments.dropBelow(next.belowSequence, this.#finishing(next));
        return;
      case 'close':
        this.#o.hardStateFile.close((error) => {
          if (error !== null) return this.#finishing(next)(error);
          this.#segments.closeAll(this.#finishing(next));
        });
        return;
      default:
        unreachable(next);
    }
  }

  #finishing(request: Request): DiskDone {
    return (error) => {
      if (error !== null) return this.#fail(error);
      // Something else failed while this was under way: all that waited has been told.
      if (this.#failure !== null) return;
      const first = this.#queue.shift();
      assert(first === request, 'requests finish in the order of the calls');
      this.#complete([request]);
    };
  }

  /** What the callbacks ask for is gathered: the pump goes on when all of them have returned. */
  #complete(finished: readonly Request[]): void {
    for (const request of finished) request.done();
    this.#isBusy = false;
    this.#pump();
  }

  #saveHardState(hardState: HardState, done: DiskDone): void {
    const { sequence, size } = this.#segments.active;
    const mark = { sequence, position: size };
    this.#o.hardStateFile.save({ hardState, mark }, (error) => {
      if (error === null) {
        this.#hardState = hardState;
        this.#mark = mark;
      }
      done(error);
    });
  }

  #reset(base: EntryId, done: DiskDone): void {
    this.#segments.create(base, true, (error) => {
      if (error !== null) return done(error);
      this.#writtenLast = base;
      this.#segments.dropBelow(this.#segments.active.sequence, done);
    });
  }

  #writeRecords(): void {
    const segment = this.#segments.active;
    const batch = takeBatch(this.#queue, segment.size, this.#o.segmentBytes);
    if (batch.needsNewSegment) {
      this.#segments.create(this.#writtenLast, false, (error) => {
        if (error !== null) return this.#fail(error);
        this.#writeRecords();
      });
      return;
    }
    const { records, finished } = batch;
    if (records.length === 0) {
      this.#o.disk.defer(() => this.#finishBatch(finished));
      return;
    }

    const pieces = encodeRecords(records, segment.seed, segment.size, this.#o.disk.checksum);
    segment.file.write(segment.size, pieces, (writeError) => {
      if (writeError !== null) return this.#fail(writeError);
      segment.file.sync((syncError) => {
        if (syncError !== null) return this.#fail(syncError);
        this.#syncs += 1;
        this.#noteWritten(segment, batch);
        this.#finishBatch(finished);
      });
    });
  }

  #noteWritten(segment: Segment, batch: Batch): void {
    let i = 0;
    for (const record of batch.records) {
      const position = batch.positions[i] ?? 0;
      if (record.kind === ENTRY_RECORD) this.#table.place(record, segment.sequence, position);
      i += 1;
    }
    segment.size += batch.bytes;
    const last = batch.records.at(-1);
    if (last !== undefined) this.#writtenLast = { index: last.index, term: last.term };
    if (batch.lastEntry !== null) this.#cache.synced(batch.lastEntry);
  }

  #finishBatch(finished: number): void {
    this.#complete(this.#queue.splice(0, finished));
  }

  /** The first failure is the last thing that happens here: see the head of the file. */
  #fail(error: StorageError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    const waiting = this.#queue;
    this.#queue = [];
    this.#o.onFailure(error);
    for (const request of waiting) request.done(error);
  }
}

/** An entry that is not written yet lies in no segment: it will go to the active or a later one. */
function isIn(segment: number, sequence: number): boolean {
  return segment === 0 || segment >= sequence;
}
