/**
 * A disk in memory that keeps the `Disk` contract and nothing more: what was not synced may be
 * kept, lost or torn when the power goes, completions come when the scheduler says, it can be full,
 * fail, and what lies on it can rot (`rot.ts`). Deterministic: chance and time are arguments.
 *
 * Tears at sectors of 512 bytes; see `src/io/storage/segment.ts` for what relies on that.
 * Directories themselves are durable at once, unlike the names in them.
 */
import { crc32 } from 'node:zlib';
import { StorageError, type StorageErrorCode } from '../src/io/storage/errors.ts';
import {
  type Checksum,
  type Disk,
  type DiskDone,
  type DiskFile,
  directoryOf,
} from '../src/io/storage/ports.ts';
import { type Entropy, Inode, Names } from './disk-files.ts';

export interface DiskOperation {
  readonly kind:
    | 'open'
    | 'write'
    | 'read'
    | 'sync'
    | 'truncate'
    | 'size'
    | 'close'
    | 'rename'
    | 'unlink'
    | 'list'
    | 'makeDirectory'
    | 'syncDirectory'
    | 'defer';
  readonly path: string;
}

/** Which requests fail with DISK_FAILED. After a failed sync, what it was for is lost. */
export type Failing = 'nothing' | 'reads' | 'writes' | 'syncs' | 'writes and syncs';

export interface SimDiskOptions {
  /** Runs a completion later, never inside the call. A slow sync is a late one. */
  readonly schedule: (run: () => void, operation: DiskOperation) => void;
  /** Uniform 32-bit numbers. */
  readonly entropy: Entropy;
}

export class SimDisk implements Disk {
  readonly checksum: Checksum = crc32;
  readonly #o: SimDiskOptions;
  readonly #names = new Names();
  readonly #directories = new Set<string>(['', '/', '.']);
  /** Completions of an earlier life never arrive. */
  #life = 0;
  #capacity = Number.POSITIVE_INFINITY;
  #failing: Failing = 'nothing';
  #operations = 0;

  constructor(options: SimDiskOptions) {
    this.#o = options;
  }

  /** Requests so far, for tests that crash at each of them. */
  get operations(): number {
    return this.#operations;
  }

  /** The power goes. Open files are dead, their completions never come. */
  crash(): void {
    this.#life += 1;
    this.#names.crash(this.#o.entropy);
  }

  /** Only the process dies: what it wrote stays as it is, synced or not. */
  kill(): void {
    this.#life += 1;
    this.#names.completeAll();
  }

  /** Writes that need more bytes in all fail with DISK_FULL. */
  limit(bytes: number): void {
    this.#capacity = bytes;
  }

  /** From now on. */
  setFailing(failing: Failing): void {
    this.#failing = failing;
  }

  flipBit(path: string, position: number, bit = 0): void {
    const inode = this.#inode(path);
    for (const bytes of [inode.live, inode.durable]) {
      const byte = bytes.view()[position];
      if (byte !== undefined) bytes.view()[position] = byte ^ (1 << bit);
    }
  }

  /** Other bytes than were written, as from a misdirected write. Never makes a file longer. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    const inode = this.#inode(path);
    for (const each of [inode.live, inode.durable]) {
      const room = Math.max(0, each.length - position);
      if (room > 0) each.view().set(bytes.subarray(0, room), position);
    }
  }

  /** The end of a file is gone. */
  shorten(path: string, bytes: number): void {
    const inode = this.#inode(path);
    for (const each of [inode.live, inode.durable]) each.resize(Math.min(bytes, each.length));
  }

  /** All files, sorted. */
  paths(): readonly string[] {
    return this.#names.all();
  }

  contentOf(path: string): Uint8Array {
    return Uint8Array.from(this.#inode(path).live.view());
  }

  /** Names and bytes that a power cut cannot take. */
  synced(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#names.synced()].map(([path, inode]) => [path, inode.durable.view()]));
  }

  /** Puts a file there, durably, whatever was there before. */
  plant(path: string, content: Uint8Array): void {
    this.#directories.add(directoryOf(path));
    const change = [{ path, inode: new Inode(content) }];
    this.#names.change(directoryOf(path), change)();
    this.#names.beginSync(directoryOf(path))();
  }

  /** Takes a file away, durably. */
  lose(path: string): void {
    this.#names.change(directoryOf(path), [{ path, inode: null }])();
    this.#names.beginSync(directoryOf(path))();
  }

  open(
    path: string,
    how: 'existing' | 'new',
    done: (error: StorageError | null, file: DiskFile | null) => void,
  ): void {
    const found = this.#names.get(path);
    let complete = (): void => undefined;
    let error: StorageError | null = null;
    if (how === 'existing' && found === undefined) error = missing('open', path);
    else if (how === 'new' && !this.#directories.has(directoryOf(path)))
      error = missing('open', path);
    else if (found === undefined)
      complete = this.#names.change(directoryOf(path), [{ path, inode: new Inode() }]);
    else if (how === 'new') complete = found.truncate(0);
    const inode = this.#names.get(path);
    this.#later('open', path, () => {
      complete();
      if (error !== null || inode === undefined) done(error ?? missing('open', path), null);
      else done(null, this.#fileOf(path, inode));
    });
  }

  unlink(path: string, done: DiskDone): void {
    if (this.#names.get(path) === undefined) {
      this.#later('unlink', path, () => done(missing('unlink', path)));
      return;
    }
    const complete = this.#names.change(directoryOf(path), [{ path, inode: null }]);
    this.#later('unlink', path, () => {
      complete();
      done(null);
    });
  }

  list(
    directory: string,
    done: (error: StorageError | null, names: readonly string[]) => void,
  ): void {
    const isThere = this.#directories.has(directory);
    const names = this.#names
      .all()
      .filter((path) => directoryOf(path) === directory)
      .map((path) => path.slice(directory.length + 1));
    this.#later('list', directory, () => {
      if (isThere) done(null, names);
      else done(missing('list', directory), []);
    });
  }

  makeDirectory(path: string, done: DiskDone): void {
    for (let at = path; !this.#directories.has(at); at = directoryOf(at)) this.#directories.add(at);
    this.#later('makeDirectory', path, () => done(null));
  }

  syncDirectory(path: string, done: DiskDone): void {
    const finish = this.#names.beginSync(path);
    this.#later('syncDirectory', path, () => {
      if (this.#failing.endsWith('syncs')) {
        done(failure('DISK_FAILED', 'sync directory', path));
        return;
      }
      finish();
      done(null);
    });
  }

  defer(run: () => void): void {
    this.#later('defer', '', run);
  }

  #fileOf(name: string, inode: Inode): DiskFile {
    const life = this.#life;
    let path = name;
    const later = (kind: DiskOperation['kind'], run: () => void): void => {
      if (life === this.#life) this.#later(kind, path, run);
    };
    return {
      get path() {
        return path;
      },
      write: (position, pieces, done) => {
        if (life !== this.#life) return;
        const bytes = joined(pieces);
        const room = this.#roomFor(inode, position + bytes.length);
        const isFailing = this.#failing.startsWith('writes');
        const fault = isFailing ? 'DISK_FAILED' : room < bytes.length ? 'DISK_FULL' : null;
        const complete = inode.write(position, fault === null ? bytes : bytes.subarray(0, room));
        later('write', () => {
          complete();
          done(fault === null ? null : failure(fault, 'write', path, position));
        });
      },
      read: (position, count, done) => {
        const bytes = Uint8Array.from(inode.live.view().subarray(position, position + count));
        const isFailing = this.#failing === 'reads';
        later('read', () => {
          if (isFailing) done(failure('DISK_FAILED', 'read', path, position), new Uint8Array(0));
          else done(null, bytes);
        });
      },
      sync: (done) => {
        const finish = inode.beginSync();
        later('sync', () => {
          const isFailing = this.#failing.endsWith('syncs');
          if (isFailing) inode.failSync();
          else finish();
          done(isFailing ? failure('DISK_FAILED', 'fdatasync', path) : null);
        });
      },
      truncate: (bytes, done) => {
        if (life !== this.#life) return;
        const complete = inode.truncate(bytes);
        later('truncate', () => {
          complete();
          done(null);
        });
      },
      size: (done) => later('size', () => done(null, inode.live.length)),
      rename: (to, done) => {
        if (life !== this.#life) return;
        const complete = this.#rename(inode, path, to);
        later('rename', () => {
          complete?.();
          if (complete !== null) path = to;
          done(complete === null ? missing('rename', path) : null);
        });
      },
      close: (done) => later('close', () => done(null)),
    };
  }

  /** What completes it; null when that file has no such name any more. */
  #rename(inode: Inode, from: string, to: string): (() => void) | null {
    if (this.#names.get(from) !== inode) return null;
    const change = [
      { path: from, inode: null },
      { path: to, inode },
    ];
    return this.#names.change(directoryOf(to), change);
  }

  /** How many of the bytes up to `end` of a file find room. */
  #roomFor(inode: Inode, end: number): number {
    if (this.#capacity === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const used = this.#names
      .all()
      .reduce((sum, path) => sum + (this.#names.get(path)?.live.length ?? 0), 0);
    const growth = Math.max(0, end - inode.live.length);
    const free = Math.max(0, this.#capacity - used);
    return growth <= free ? Number.POSITIVE_INFINITY : free;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new Error(`no file ${path}`);
    return inode;
  }

  #later(kind: DiskOperation['kind'], path: string, run: () => void): void {
    const life = this.#life;
    this.#operations += 1;
    this.#o.schedule(
      () => {
        if (life === this.#life) run();
      },
      { kind, path },
    );
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(pieces);
}

function missing(doing: string, path: string): StorageError {
  return failure('FILE_MISSING', doing, path);
}

function failure(
  code: StorageErrorCode,
  doing: string,
  path: string,
  position?: number,
): StorageError {
  const text = `${doing} failed in the simulated disk`;
  return new StorageError(code, position === undefined ? { path, text } : { path, position, text });
}
