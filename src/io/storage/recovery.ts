/**
 * From the files of a group to a state that the core accepts, or to a named error (design §4).
 *
 * What may be repaired here, since it was never acknowledged: a torn end of the last segment, files
 * with temporary names, segments that a snapshot made superfluous; and since a copy of it is there:
 * one bad slot of the hard state, a bad snapshot of which the log still holds everything.
 * Everything else is damage: the node must not vote or serve from it (Alagappan, FAST 2018).
 *
 * What stays undetectable: damage to the last acknowledged record that happens before `settle` has
 * noted it, and that either cuts the file or hits a record of which a whole sector is zeros; and a
 * disk that said "synced" and forgot, for as long as nothing later was synced.
 */
import type {
  Entry,
  EntryHead,
  EntryId,
  HardState,
  SnapshotMeta,
} from '../../core/raft/protocol.ts';
import { type GroupId, logIndex, term } from '../../core/scalars.ts';
import { EntryTable } from './entry-table.ts';
import { StorageError, type StorageErrorCode } from './errors.ts';
import { type FoundFiles, HARD_STATE_NAME, sortFiles } from './found-files.ts';
import { type HardStateContent, HardStateFile } from './hard-state.ts';
import { type RecoveredLog, recoverLog } from './log-recovery.ts';
import { type Disk, directoryOf } from './ports.ts';
import { SegmentedLog } from './segmented-log.ts';
import { Segments } from './segments.ts';
import { type SnapshotContent, type SnapshotExtra, snapshotName } from './snapshot-file.ts';
import { type FoundSnapshots, irreplaceable, verifySnapshots } from './snapshot-recovery.ts';
import { PARTIAL, type Partial } from './snapshot-sink.ts';
import { Snapshots } from './snapshots.ts';
import { removeFiles } from './whole-file.ts';

/** Large enough that rolling over is rare, small enough that compaction frees room soon. */
export const SEGMENT_BYTES = 16 * 1024 * 1024;
/** A follower that is in step, or a second behind, is fed from memory. */
export const CACHE_BYTES = 32 * 1024 * 1024;
/** Payloads read at once for `onEntry`. */
const REPLAY_BYTES = 4 * 1024 * 1024;
const NOTHING: EntryId = { index: logIndex(0), term: term(0) };

export interface OpenGroupOptions {
  readonly group: GroupId;
  /** True once the identity says that the log was created: then an empty directory is damage. */
  readonly mustExist: boolean;
  readonly segmentBytes: number;
  readonly cacheBytes: number;
  /** Called once, at the first failure of the open store. The node must end. */
  readonly onFailure: (error: StorageError) => void;
}

export interface OpenedGroup {
  readonly ok: true;
  readonly store: SegmentedLog;
  readonly snapshots: Snapshots;
  readonly hardState: HardState;
  /** Just before the first entry held; at most the snapshot's last entry. */
  readonly base: EntryId;
  readonly heads: readonly EntryHead[];
  readonly snapshot: SnapshotMeta | null;
  /** What the application kept beside that snapshot. */
  readonly extra: SnapshotExtra | null;
  /** Cut from the end of the log: a write that a crash interrupted. */
  readonly tornBytes: number;
  /** Damage that was found and mended, since nothing acknowledged was lost by it. */
  readonly repaired: readonly StorageError[];
}

export type OpenGroupResult =
  | OpenedGroup
  | {
      readonly ok: false;
      readonly error: StorageError;
      /** Mended before that was found. */
      readonly repaired: readonly StorageError[];
    };

/**
 * Opens the group in `directory`, or creates it. `onEntry` sees every entry held, in order, before
 * `done`. Only one may be open at a time: the caller holds the lock of the data directory.
 */
export function openGroup(
  disk: Disk,
  directory: string,
  options: OpenGroupOptions,
  onEntry: ((entry: Entry) => void) | null,
  done: (result: OpenGroupResult) => void,
): void {
  new Opening(disk, directory, options, onEntry, done).start();
}

class Opening {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #o: OpenGroupOptions;
  readonly #onEntry: ((entry: Entry) => void) | null;
  readonly #done: (result: OpenGroupResult) => void;
  #files: FoundFiles = sortFiles([]);
  #partial: Partial | null = null;
  #snapshots: FoundSnapshots = { newest: null, damaged: [] };
  /** Damage that was mended. */
  readonly #repaired: StorageError[] = [];

  constructor(
    disk: Disk,
    directory: string,
    options: OpenGroupOptions,
    onEntry: ((entry: Entry) => void) | null,
    done: (result: OpenGroupResult) => void,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#o = options;
    this.#onEntry = onEntry;
    this.#done = done;
  }

  get #snapshot(): SnapshotContent | null {
    return this.#snapshots.newest;
  }

  start(): void {
    this.#disk.list(this.#directory, (error, names) => {
      if (error?.code === 'FILE_MISSING' && !this.#o.mustExist) return this.#makeDirectory();
      if (error?.code === 'FILE_MISSING')
        return this.#damaged('LOG_MISSING', this.#directory, 'the log was created, and is gone');
      if (error !== null) return this.#fail(error);
      this.#files = sortFiles(names);
      this.#settleNames();
    });
  }

  /**
   * A process that died between a rename and the sync of its directory left a name that only the
   * kernel knows. What follows builds on the names found here, so they must outlive the power.
   */
  #settleNames(): void {
    this.#disk.syncDirectory(directoryOf(this.#directory), (parentError) => {
      if (parentError !== null) return this.#fail(parentError);
      this.#disk.syncDirectory(this.#directory, (error) => {
        if (error !== null) return this.#fail(error);
        this.#tidy();
      });
    });
  }

  #makeDirectory(): void {
    this.#disk.makeDirectory(this.#directory, (error) => {
      if (error !== null) return this.#fail(error);
      this.#disk.syncDirectory(directoryOf(this.#directory), (syncError) => {
        if (syncError !== null) return this.#fail(syncError);
        this.#tidy();
      });
    });
  }

  /** Removes what was never finished, except for the newest download. */
  #tidy(): void {
    const { temporaries, partialIds } = this.#files;
    const id = partialIds.at(-1);
    const others = partialIds.slice(0, -1).map((other) => snapshotName(other) + PARTIAL);
    removeFiles(this.#disk, this.#directory, [...temporaries, ...others], (error) => {
      if (error !== null) return this.#fail(error);
      if (id === undefined) return this.#verifySnapshots();
      const path = this.#path(snapshotName(id) + PARTIAL);
      this.#disk.open(path, 'existing', (openError, file) => {
        if (file === null) return this.#fail(openError);
        file.size((sizeError, bytes) => {
          file.close(() => {
            if (sizeError !== null) return this.#fail(sizeError);
            this.#partial = { id, bytes };
            this.#verifySnapshots();
          });
        });
      });
    });
  }

  #verifySnapshots(): void {
    verifySnapshots(this.#disk, this.#directory, this.#files.snapshotIds, (error, found) => {
      if (error !== null) return this.#fail(error);
      this.#snapshots = found;
      this.#openHardState();
    });
  }

  #openHardState(): void {
    const path = this.#path(HARD_STATE_NAME);
    const { sequences, snapshotIds } = this.#files;
    HardStateFile.open(this.#disk, path, (error, file, content, repaired) => {
      if (error !== null) return this.#fail(error);
      if (repaired !== null) this.#repaired.push(repaired);
      if (file !== null) return this.#openLog(file, content);
      if (this.#o.mustExist || sequences.length > 0 || snapshotIds.length > 0)
        return this.#damaged('HARD_STATE_MISSING', path, 'the file of term and vote is gone');
      HardStateFile.create(this.#disk, path, (createError, created, fresh) => {
        if (created === null) return this.#fail(createError);
        this.#openLog(created, fresh);
      });
    });
  }

  #openLog(hardStateFile: HardStateFile, content: HardStateContent): void {
    const { sequences } = this.#files;
    if (sequences.length === 0) {
      this.#createLog(hardStateFile, content);
      return;
    }
    recoverLog({
      disk: this.#disk,
      directory: this.#directory,
      group: this.#o.group,
      sequences,
      mark: content.mark,
      done: (error, log) => {
        if (log === null) return this.#fail(error);
        const fault = this.#faultOf(log, content.hardState);
        if (fault !== null) return this.#fail(fault);
        this.#dropSuperfluous(hardStateFile, content, log);
      },
    });
  }

  /** The first segment comes right after the hard state; a crash between the two is no damage. */
  #createLog(hardStateFile: HardStateFile, content: HardStateContent): void {
    const { hardState, mark } = content;
    const isNew = hardState.term === 0 && hardState.votedFor === null && mark.sequence === 0;
    const lost = irreplaceable(this.#snapshots, null);
    if (lost !== null) {
      this.#fail(lost);
      return;
    }
    if (this.#o.mustExist || !isNew || this.#snapshot !== null) {
      this.#damaged('LOG_MISSING', this.#directory, 'the log was created, and has no segment left');
      return;
    }
    const segments = this.#segments([]);
    segments.create(NOTHING, true, (error) => {
      if (error !== null) return this.#fail(error);
      this.#build(hardStateFile, content, segments, new EntryTable(NOTHING), 0);
    });
  }

  #faultOf(log: RecoveredLog, hardState: HardState): StorageError | null {
    const { base, last } = log.table;
    const path = log.segments[0]?.file.path ?? this.#directory;
    const lost = irreplaceable(this.#snapshots, log.table);
    if (lost !== null) return lost;
    const snapshotIndex = this.#snapshot?.meta.last.index ?? 0;
    if (base.index > snapshotIndex) {
      const text = `begins after entry ${base.index}, but the snapshot ends at ${snapshotIndex}`;
      return new StorageError('LOG_GAP', { path, text });
    }
    if (last.term > hardState.term) {
      // Terms are saved before the entries that carry them: this file lost what it knew.
      const text = `knows term ${hardState.term}, but the log holds an entry of term ${last.term}`;
      return new StorageError('HARD_STATE_DAMAGED', { path: this.#path(HARD_STATE_NAME), text });
    }
    return null;
  }

  #dropSuperfluous(file: HardStateFile, content: HardStateContent, log: RecoveredLog): void {
    const older = this.#files.snapshotIds
      .filter((id) => id !== this.#snapshot?.meta.id)
      .map(snapshotName);
    for (const { error } of this.#snapshots.damaged) this.#repaired.push(error);
    const names = [...this.#files.strays, ...log.superseded, ...older];
    removeFiles(this.#disk, this.#directory, names, (error) => {
      if (error !== null) return this.#fail(error);
      this.#build(file, content, this.#segments(log.segments), log.table, log.tornBytes);
    });
  }

  #segments(segments: ConstructorParameters<typeof Segments>[3]): Segments {
    return new Segments(this.#disk, this.#directory, this.#o.group, segments);
  }

  #build(
    hardStateFile: HardStateFile,
    { hardState, mark }: HardStateContent,
    segments: Segments,
    table: EntryTable,
    tornBytes: number,
  ): void {
    const { segmentBytes, cacheBytes, onFailure } = this.#o;
    const store = new SegmentedLog({
      disk: this.#disk,
      segments,
      table,
      hardStateFile,
      hardState,
      mark,
      segmentBytes,
      cacheBytes,
      onFailure,
    });
    const snapshots = new Snapshots({
      disk: this.#disk,
      directory: this.#directory,
      latest: this.#snapshot,
      partial: this.#partial,
      onFailure: (error) => store.giveUp(error),
    });
    const last = this.#snapshot?.meta.last;
    const known = this.#termsKnown(hardState);
    const finish = (error?: Error): void => {
      if (error !== undefined) {
        this.#fail(store.failure);
        return;
      }
      this.#replay(store, store.base, () => {
        const { base } = store;
        const snapshot = this.#snapshot?.meta ?? null;
        const extra = this.#snapshot?.extra ?? null;
        const heads = headsOf(table);
        this.#done({
          ok: true,
          store,
          snapshots,
          hardState: known,
          base,
          heads,
          snapshot,
          extra,
          tornBytes,
          repaired: this.#repaired,
        });
      });
    };
    // Ahead of everything else in the store's queue; if it fails, all that follows fails too.
    if (known !== hardState) store.saveHardState(known, () => undefined);
    const isAhead = last !== undefined && table.termAt(last.index) !== last.term;
    // Installed only by half when the power went, or fetched and not installed at all.
    if (isAhead && this.#snapshot !== null)
      store.installSnapshot(this.#snapshot.meta, false, (error) => {
        if (error === undefined) store.mark(finish);
        else finish(error);
      });
    else store.mark(finish);
  }

  /**
   * A snapshot is finished beside the queue that saves terms, so the power can go between the two.
   * Whoever had not saved a term has promised nothing in it: taking it over is as good as hearing
   * of it, and the vote in it is free.
   */
  #termsKnown(hardState: HardState): HardState {
    const snapshotTerm = this.#snapshot?.meta.last.term ?? hardState.term;
    if (snapshotTerm <= hardState.term) return hardState;
    return { term: snapshotTerm, votedFor: null };
  }

  #replay(store: SegmentedLog, after: EntryId, done: () => void): void {
    const onEntry = this.#onEntry;
    if (onEntry === null || after.index === store.last.index) {
      done();
      return;
    }
    store.read(after, store.last, REPLAY_BYTES, (entries) => {
      const last = entries?.at(-1);
      if (entries === null || last === undefined) return this.#fail(store.failure);
      for (const entry of entries) onEntry(entry);
      this.#replay(store, last, done);
    });
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  #damaged(code: StorageErrorCode, path: string, text: string): void {
    this.#fail(new StorageError(code, { path, text }));
  }

  #fail(error: StorageError | null): void {
    const path = this.#directory;
    const unknown = { path, text: 'the group cannot be opened' };
    const named = error ?? new StorageError('DISK_FAILED', unknown);
    this.#done({ ok: false, error: named, repaired: this.#repaired });
  }
}

function headsOf(table: EntryTable): EntryHead[] {
  const heads: EntryHead[] = [];
  for (let index = table.base.index + 1; index <= table.lastIndex; index++) {
    const entryTerm = table.termAt(index);
    if (entryTerm === null) break;
    heads.push({ index: logIndex(index), term: entryTerm, bytes: table.payloadBytesAt(index) });
  }
  return heads;
}
