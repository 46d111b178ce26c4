/**
 * Writes one snapshot. Nobody sees it before `finish`: it has a temporary name until every byte
 * is synced.
 *
 * Order for the caller: one append at a time, then `finish` or `abort`. A failure is the writer's
 * own and leaves the log alone: the caller aborts, which gives the room on disk back.
 */
import { assert } from '../../assert.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import { StorageError } from './errors.ts';
import { type Disk, type DiskDone, type DiskFile, directoryOf } from './ports.ts';
import { BlockSums } from './snapshot-blocks.ts';
import {
  encodeDescription,
  encodeHead,
  SNAPSHOT_HEAD_BYTES,
  type SnapshotContent,
  type SnapshotExtra,
  type SnapshotStart,
} from './snapshot-file.ts';
import { publish, TEMPORARY } from './whole-file.ts';

/**
 * A large body is synced in steps: one flush of a gigabyte would hold up the log's own syncs,
 * which share the disk, for longer than an election timeout.
 */
export const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

export interface SnapshotWriterOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly start: SnapshotStart;
  readonly extra: SnapshotExtra;
  /** The file is in place: adopt it. */
  readonly onFinished: (content: SnapshotContent, done: DiskDone) => void;
}

export class SnapshotWriter {
  readonly #o: SnapshotWriterOptions;
  readonly #file: DiskFile;
  readonly #description: Buffer;
  #bodyBytes = 0;
  #bodyChecksum = 0;
  readonly #blocks: BlockSums;
  #unsyncedBytes = 0;
  #state: 'idle' | 'writing' | 'ended' = 'idle';

  constructor(options: SnapshotWriterOptions, file: DiskFile, description: Buffer) {
    this.#o = options;
    this.#file = file;
    this.#description = description;
    this.#blocks = new BlockSums(options.disk.checksum);
  }

  static begin(
    options: SnapshotWriterOptions,
    done: (error: StorageError | null, writer: SnapshotWriter | null) => void,
  ): void {
    const { disk, path, start, extra } = options;
    disk.open(path + TEMPORARY, 'new', (openError, file) => {
      if (file === null) return done(openError, null);
      const description = encodeDescription(start, extra);
      file.write(0, [Buffer.alloc(SNAPSHOT_HEAD_BYTES), description], (error) => {
        const writer = new SnapshotWriter(options, file, description);
        if (error !== null) return writer.abort(() => done(error, null));
        done(null, writer);
      });
    });
  }

  /** Of the body so far. */
  get bytes(): number {
    return this.#bodyBytes;
  }

  append(bytes: Uint8Array, done: DiskDone): void {
    if (this.#state === 'ended') {
      this.#o.disk.defer(() => done(this.#endedError()));
      return;
    }
    assert(this.#state === 'idle', 'one append at a time');
    this.#state = 'writing';
    const at = SNAPSHOT_HEAD_BYTES + this.#description.length + this.#bodyBytes;
    this.#bodyBytes += bytes.length;
    this.#unsyncedBytes += bytes.length;
    this.#bodyChecksum = this.#o.disk.checksum(bytes, this.#bodyChecksum);
    this.#blocks.push(bytes);
    this.#file.write(at, [bytes], (error) => {
      if (error !== null || this.#unsyncedBytes < SYNC_EVERY_BYTES) {
        this.#idleAgain();
        return done(error);
      }
      this.#unsyncedBytes = 0;
      this.#file.sync((syncError) => {
        this.#idleAgain();
        done(syncError);
      });
    });
  }

  /**
   * The entry that the snapshot names must be committed by now: what is found on disk at the next
   * start is taken for the truth.
   */
  finish(done: (error: StorageError | null, meta: SnapshotMeta | null) => void): void {
    if (this.#state === 'ended') {
      this.#o.disk.defer(() => done(this.#endedError(), null));
      return;
    }
    assert(this.#state === 'idle', 'finish comes after the last append is done');
    this.#state = 'ended';
    const { disk, path, start, extra } = this.#o;
    const { checksum } = disk;
    const bodyAt = SNAPSHOT_HEAD_BYTES + this.#description.length;
    const head = encodeHead(this.#description, this.#bodyBytes, this.#bodyChecksum, checksum);
    const meta: SnapshotMeta = { ...start, bytes: bodyAt + this.#bodyBytes };
    const begin = checksum(this.#description, checksum(head));
    const sums = { begin, blocks: this.#blocks.finish() };
    const content = { meta, extra, bodyAt, bodyBytes: this.#bodyBytes, sums };
    const fail = (error: StorageError): void => this.#remove(() => done(error, null));
    this.#file.write(0, [head], (writeError) => {
      if (writeError !== null) return fail(writeError);
      publish(disk, this.#file, path, (publishError) => {
        if (publishError !== null) return fail(publishError);
        this.#file.close(() => {
          this.#o.onFinished(content, (error) => done(error, error === null ? meta : null));
        });
      });
    });
  }

  /** Allowed at any time before `finish`; an append under way fails or is for nothing. */
  abort(done: DiskDone): void {
    if (this.#state === 'ended') {
      this.#o.disk.defer(() => done(null));
      return;
    }
    this.#state = 'ended';
    this.#remove(done);
  }

  #idleAgain(): void {
    if (this.#state === 'writing') this.#state = 'idle';
  }

  #remove(done: DiskDone): void {
    const { disk, path } = this.#o;
    this.#file.close(() => {
      disk.unlink(path + TEMPORARY, (error) => {
        if (error !== null && error.code !== 'FILE_MISSING') return done(error);
        disk.syncDirectory(directoryOf(path), done);
      });
    });
  }

  #endedError(): StorageError {
    return new StorageError('CLOSED', { path: this.#o.path, text: 'the snapshot was ended' });
  }
}
