/**
 * Takes a peer's snapshot file in chunks, resumes after a break or a restart, and makes it one of
 * ours when every checksum in it is right.
 *
 * One download at a time: another snapshot id drops the file of the one before. What a crash
 * leaves of a partial file may have holes; only the verification at the end counts.
 */
import { assert } from '../../assert.ts';
import { isSameConfiguration } from '../../core/raft/configuration.ts';
import type { Done } from '../../core/raft/ports.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import { StorageError } from './errors.ts';
import type { Disk, DiskDone, DiskFile } from './ports.ts';
import {
  isSnapshotId,
  type SnapshotContent,
  snapshotName,
  verifySnapshot,
} from './snapshot-file.ts';
import { SYNC_EVERY_BYTES } from './snapshot-writer.ts';
import { publish, removeFiles } from './whole-file.ts';

export const PARTIAL = '.partial';
const BUSY = 'the request before this one is not done';

/** Where a download stands, for the puller of `core/raft/fetch.ts`. */
export interface Partial {
  readonly id: string;
  readonly bytes: number;
}

export interface SnapshotSinkOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Found at the start. */
  readonly partial: Partial | null;
  readonly onFinished: (content: SnapshotContent, done: DiskDone) => void;
}

export class FileSnapshotSink {
  readonly #o: SnapshotSinkOptions;
  #partial: Partial | null;
  #wanted: SnapshotMeta | null = null;
  #file: DiskFile | null = null;
  #unsyncedBytes = 0;
  #isBusy = false;

  constructor(options: SnapshotSinkOptions) {
    this.#o = options;
    this.#partial = options.partial;
  }

  /** Chooses the snapshot that the next writes belong to; yields from where it is wanted. */
  resumeAt(meta: SnapshotMeta): number {
    this.#wanted = meta;
    return this.#haveOf(meta);
  }

  /** One write at a time, each from where the one before ended; 0 starts over. */
  write(position: number, bytes: Uint8Array, done: Done): void {
    const meta = this.#wanted;
    assert(meta !== null, 'resumeAt comes before the first write');
    if (this.#isBusy) {
      this.#refuse(meta, BUSY, done);
      return;
    }
    if (!isSnapshotId(meta.id)) {
      this.#refuse(meta, 'the id of the snapshot is not valid', done);
      return;
    }
    const want = this.#haveOf(meta);
    if (position !== want && position !== 0) {
      this.#refuse(meta, `bytes from ${position} on, wanted from ${want} on`, done);
      return;
    }
    if (position + bytes.length > meta.bytes) {
      this.#refuse(meta, 'more bytes than the snapshot has', done);
      return;
    }
    this.#isBusy = true;
    const finished = (error: StorageError | null): void => this.#finished(error, done);
    this.#openFor(meta, position, (openError, file) => {
      if (file === null) return finished(openError);
      file.write(position, [bytes], (error) => {
        if (error !== null) return finished(error);
        this.#partial = { id: meta.id, bytes: position + bytes.length };
        this.#unsyncedBytes += bytes.length;
        if (this.#unsyncedBytes < SYNC_EVERY_BYTES) return finished(null);
        this.#unsyncedBytes = 0;
        file.sync(finished);
      });
    });
  }

  /** Verifies the whole file before it gets its name; removes it when something is wrong. */
  finish(meta: SnapshotMeta, done: Done): void {
    if (this.#isBusy) {
      this.#refuse(meta, BUSY, done);
      return;
    }
    this.#isBusy = true;
    const finished = (error: StorageError | null): void => this.#finished(error, done);
    this.#openFor(meta, this.#haveOf(meta), (openError, file) => {
      if (file === null) return finished(openError);
      verifySnapshot(this.#o.disk, file, (error, content) => {
        const fault = error ?? mismatch(file.path, content, meta);
        if (fault !== null || content === null) return finished(fault);
        const path = `${this.#o.directory}/${snapshotName(meta.id)}`;
        publish(this.#o.disk, file, path, (publishError) => {
          if (publishError !== null) return finished(publishError);
          this.#file = null;
          this.#partial = null;
          file.close(() => this.#o.onFinished(content, finished));
        });
      });
    });
  }

  /** What failed starts over, and its room on disk is free until then: the disk may be full. */
  #finished(error: StorageError | null, done: Done): void {
    if (error === null) {
      this.#isBusy = false;
      done();
      return;
    }
    this.#discard(() => {
      this.#isBusy = false;
      done(error);
    });
  }

  #discard(done: DiskDone): void {
    const { disk, directory } = this.#o;
    const file = this.#file;
    const names = this.#partial === null ? [] : [snapshotName(this.#partial.id) + PARTIAL];
    this.#file = null;
    this.#partial = null;
    this.#unsyncedBytes = 0;
    const remove = (): void => {
      if (names.length === 0) disk.defer(() => done(null));
      else removeFiles(disk, directory, names, done);
    };
    if (file === null) remove();
    else file.close(remove);
  }

  #haveOf(meta: SnapshotMeta): number {
    return this.#partial?.id === meta.id ? Math.min(this.#partial.bytes, meta.bytes) : 0;
  }

  #openFor(
    meta: SnapshotMeta,
    position: number,
    done: (error: StorageError | null, file: DiskFile | null) => void,
  ): void {
    const { disk, directory } = this.#o;
    const path = `${directory}/${snapshotName(meta.id)}${PARTIAL}`;
    if (this.#file !== null && this.#partial?.id === meta.id && position > 0) {
      done(null, this.#file);
      return;
    }
    const opened = (error: StorageError | null, file: DiskFile | null): void => {
      this.#file = file;
      if (file !== null && this.#partial === null) this.#partial = { id: meta.id, bytes: 0 };
      done(error, file);
    };
    if (position > 0) disk.open(path, 'existing', opened);
    else this.#discard(() => disk.open(path, 'new', opened));
  }

  #refuse(meta: SnapshotMeta, text: string, done: Done): void {
    const path = `${this.#o.directory}/${snapshotName(meta.id)}`;
    this.#o.disk.defer(() => done(new StorageError('SNAPSHOT_CHECKSUM', { path, text })));
  }
}

function mismatch(
  path: string,
  content: SnapshotContent | null,
  meta: SnapshotMeta,
): StorageError | null {
  const got = content?.meta;
  const isSame =
    got?.id === meta.id &&
    got.bytes === meta.bytes &&
    got.last.index === meta.last.index &&
    got.last.term === meta.last.term &&
    isSameConfiguration(got.configuration, meta.configuration);
  if (isSame) return null;
  const text = 'the file is another snapshot than the one that was offered';
  return new StorageError('SNAPSHOT_CHECKSUM', { path, text });
}
