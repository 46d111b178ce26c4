/**
 * The finished snapshots of one group: the newest, and the one that a peer is being given.
 *
 * Room on disk: at most two finished files (`prune`), one being written, one being fetched.
 *
 * What is read of them is compared with the checksums that they had when they became finished, so
 * neither a server nor a peer ever gets a byte that changed since. Damage ends the node, as it does
 * in the log: the next start decides whether the log can do without the snapshot.
 */
import { assert } from '../../assert.ts';
import type { StorageError } from './errors.ts';
import type { Disk, DiskDone, DiskFile } from './ports.ts';
import { readSound, type SummedFile } from './snapshot-blocks.ts';
import {
  isSnapshotId,
  type SnapshotContent,
  type SnapshotExtra,
  type SnapshotStart,
  snapshotName,
} from './snapshot-file.ts';
import { FileSnapshotSink, type Partial } from './snapshot-sink.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import { removeFiles } from './whole-file.ts';

export interface SnapshotsOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly latest: SnapshotContent | null;
  readonly partial: Partial | null;
  /** A finished snapshot is damaged, or cannot be read. The node must end. */
  readonly onFailure: (error: StorageError) => void;
}

export type BytesDone = (error: StorageError | null, bytes: Uint8Array) => void;

/** The body of a snapshot, read in pieces. Stays readable when the file is pruned meanwhile. */
export interface SnapshotReader extends SnapshotContent {
  /** From `position` of the body on; fewer than `bytesMax` only at its end. */
  read(position: number, bytesMax: number, done: BytesDone): void;
  close(): void;
}

/** A snapshot being given to peers: its file stays open until another one is asked for. */
interface Served extends SummedFile {
  readonly id: string;
  readsInFlight: number;
  isOver: boolean;
  /** Since the last `prune`: otherwise the peer has gone, or has got all of it. */
  wasRead: boolean;
}

export class Snapshots {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #onFailure: (error: StorageError) => void;
  /** Finished files, oldest first. */
  #finished: SnapshotContent[];
  #served: Served | null = null;
  /** Snapshots fetched from peers arrive here. */
  readonly sink: FileSnapshotSink;

  constructor(options: SnapshotsOptions) {
    const { disk, directory, latest, partial } = options;
    this.#disk = disk;
    this.#directory = directory;
    this.#onFailure = options.onFailure;
    this.#finished = latest === null ? [] : [latest];
    const onFinished = (content: SnapshotContent, done: DiskDone): void => {
      this.#adopt(content, done);
    };
    this.sink = new FileSnapshotSink({ disk, directory, partial, onFinished });
  }

  get latest(): SnapshotContent | null {
    return this.#finished.at(-1) ?? null;
  }

  /** Of all finished files. */
  get bytes(): number {
    return this.#finished.reduce((sum, { meta }) => sum + meta.bytes, 0);
  }

  begin(
    start: SnapshotStart,
    extra: SnapshotExtra,
    done: (error: StorageError | null, writer: SnapshotWriter | null) => void,
  ): void {
    assert(isSnapshotId(start.id), 'a snapshot id can stand in a file name');
    const path = this.#pathOf(start.id);
    const onFinished = (content: SnapshotContent, adopted: DiskDone): void => {
      this.#adopt(content, adopted);
    };
    SnapshotWriter.begin({ disk: this.#disk, path, start, extra, onFinished }, done);
  }

  /** Yields null when there is none. */
  openLatest(done: (error: StorageError | null, reader: SnapshotReader | null) => void): void {
    const content = this.latest;
    if (content === null) {
      this.#disk.defer(() => done(null, null));
      return;
    }
    this.#disk.open(this.#pathOf(content.meta.id), 'existing', (error, file) => {
      if (file === null) {
        // A newer one took its place, and it was removed before it could be opened.
        if (this.latest !== content) return this.openLatest(done);
        if (error !== null) this.#onFailure(error);
        return done(error, null);
      }
      done(null, this.#readerOf(content, file));
    });
  }

  /**
   * The bytes of the file as it is, header included, for a peer. Yields null when there is no
   * such snapshot any more: the leader will offer a newer one.
   */
  read(
    id: string,
    position: number,
    bytesMax: number,
    done: (bytes: Uint8Array | null, total: number) => void,
  ): void {
    this.#serve(id, (served) => {
      if (served === null || position > served.bytes) return done(null, 0);
      served.readsInFlight += 1;
      served.wasRead = true;
      const end = Math.min(served.bytes, position + bytesMax);
      readSound(served, position, end, (error, bytes) => {
        served.readsInFlight -= 1;
        closeIfOver(served);
        if (error === null) return done(bytes, served.bytes);
        this.#onFailure(error);
        done(null, 0);
      });
    });
  }

  /** Removes all but the newest and the one that was served since the last time. */
  prune(done: DiskDone): void {
    const keep = this.latest;
    const served = this.#served;
    if (served !== null) {
      if (!served.wasRead) this.#stopServing();
      served.wasRead = false;
    }
    const servedId = this.#served?.id ?? null;
    const isKept = (content: SnapshotContent): boolean =>
      content === keep || content.meta.id === servedId;
    const names = this.#finished
      .filter((content) => !isKept(content))
      .map(({ meta }) => snapshotName(meta.id));
    this.#finished = this.#finished.filter(isKept);
    if (names.length === 0) this.#disk.defer(() => done(null));
    else removeFiles(this.#disk, this.#directory, names, done);
  }

  #adopt(content: SnapshotContent, done: DiskDone): void {
    this.#finished = [...this.#finished.filter(({ meta }) => meta.id !== content.meta.id), content];
    this.#finished.sort((a, b) => a.meta.last.index - b.meta.last.index);
    this.prune(done);
  }

  #serve(id: string, done: (served: Served | null) => void): void {
    if (this.#served?.id === id) {
      done(this.#served);
      return;
    }
    const content = this.#finished.find(({ meta }) => meta.id === id);
    if (content === undefined) {
      this.#disk.defer(() => done(null));
      return;
    }
    this.#disk.open(this.#pathOf(id), 'existing', (error, file) => {
      if (file === null) {
        // Unless it was removed meanwhile, for a newer one.
        if (error !== null && this.#finished.includes(content)) this.#onFailure(error);
        return done(null);
      }
      const flags = { readsInFlight: 0, isOver: false, wasRead: false };
      const served: Served = { id, ...this.#summed(content, file), ...flags };
      this.#stopServing();
      this.#served = served;
      done(served);
    });
  }

  #stopServing(): void {
    const served = this.#served;
    if (served === null) return;
    this.#served = null;
    served.isOver = true;
    closeIfOver(served);
  }

  #summed({ meta, bodyAt, sums }: SnapshotContent, file: DiskFile): SummedFile {
    return { file, checksum: this.#disk.checksum, sums, bodyAt, bytes: meta.bytes };
  }

  #readerOf(content: SnapshotContent, file: DiskFile): SnapshotReader {
    const { bodyAt, bodyBytes } = content;
    const summed = this.#summed(content, file);
    return {
      ...content,
      read: (position, bytesMax, done) => {
        const end = Math.min(bodyBytes, position + bytesMax);
        readSound(summed, bodyAt + position, bodyAt + Math.max(position, end), (error, bytes) => {
          if (error !== null) this.#onFailure(error);
          done(error, bytes);
        });
      },
      close: () => file.close(() => undefined),
    };
  }

  #pathOf(id: string): string {
    return `${this.#directory}/${snapshotName(id)}`;
  }
}

function closeIfOver(served: Served): void {
  // Nothing is lost when closing a file that was only read fails.
  if (served.isOver && served.readsInFlight === 0) served.file.close(() => undefined);
}
