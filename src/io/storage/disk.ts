/**
 * The real disk, over node:fs and its thread pool. The only file of this room that knows an
 * operating system; everything above it also runs in the simulator.
 */
import * as fs from 'node:fs';
import { crc32 } from 'node:zlib';
import { StorageError, type StorageErrorCode } from './errors.ts';
import type { Checksum, Disk, DiskDone, DiskFile } from './ports.ts';

/** Only the owner reads what the deployment stores. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

function codeOf(cause: NodeJS.ErrnoException): StorageErrorCode {
  switch (cause.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'DISK_FULL';
    case 'ENOENT':
      return 'FILE_MISSING';
    default:
      return 'DISK_FAILED';
  }
}

function failure(cause: NodeJS.ErrnoException, doing: string, path: string, position?: number) {
  const text = `${doing}: ${cause.message}`;
  return new StorageError(
    codeOf(cause),
    position === undefined ? { path, text } : { path, position, text },
    { cause },
  );
}

/** Of all files together, since the start; only those that have succeeded. */
export interface SyncTimes {
  readonly count: number;
  readonly msTotal: number;
  readonly msMax: number;
}

class RealFile implements DiskFile {
  #path: string;
  readonly #fd: number;
  readonly #synced: (ms: number) => void;

  constructor(path: string, fd: number, synced: (ms: number) => void) {
    this.#path = path;
    this.#fd = fd;
    this.#synced = synced;
  }

  get path(): string {
    return this.#path;
  }

  write(position: number, pieces: readonly Uint8Array[], done: DiskDone): void {
    if (isSmall(pieces)) {
      // When this turn's messages have left: peers have the longer way to their disks.
      queueMicrotask(() => done(this.#writeNow(position, pieces)));
      return;
    }
    fs.writev(this.#fd, pieces, position, (cause, written) => {
      if (cause !== null) return done(failure(cause, 'write', this.path, position));
      const rest = after(pieces, written);
      if (rest.length === 0) return done(null);
      // A short write makes progress, or the next one says why not.
      this.write(position + written, rest, done);
    });
  }

  #writeNow(position: number, pieces: readonly Uint8Array[]): StorageError | null {
    let rest: readonly Uint8Array[] = pieces;
    let at = position;
    try {
      while (rest.length > 0) {
        const written = fs.writevSync(this.#fd, rest, at);
        at += written;
        rest = after(rest, written);
      }
    } catch (cause) {
      return failure(cause as NodeJS.ErrnoException, 'write', this.path, position);
    }
    return null;
  }

  read(
    position: number,
    bytes: number,
    done: (error: StorageError | null, bytes: Uint8Array) => void,
  ): void {
    const target = Buffer.allocUnsafe(bytes);
    const readFrom = (at: number): void => {
      fs.read(this.#fd, target, at, bytes - at, position + at, (cause, count) => {
        if (cause !== null)
          return done(failure(cause, 'read', this.path, position), target.subarray(0, 0));
        const have = at + count;
        if (count === 0 || have === bytes) return done(null, target.subarray(0, have));
        readFrom(have);
      });
    };
    readFrom(0);
  }

  sync(done: DiskDone): void {
    const begunMs = performance.now();
    fs.fdatasync(this.#fd, (cause) => {
      if (cause === null) this.#synced(performance.now() - begunMs);
      done(cause === null ? null : failure(cause, 'fdatasync', this.path));
    });
  }

  truncate(bytes: number, done: DiskDone): void {
    fs.ftruncate(this.#fd, bytes, (cause) => {
      done(cause === null ? null : failure(cause, 'truncate', this.path, bytes));
    });
  }

  size(done: (error: StorageError | null, bytes: number) => void): void {
    fs.fstat(this.#fd, (cause, stats) => {
      if (cause !== null) return done(failure(cause, 'stat', this.path), 0);
      done(null, stats.size);
    });
  }

  rename(path: string, done: DiskDone): void {
    const from = this.#path;
    fs.rename(from, path, (cause) => {
      if (cause !== null) return done(failure(cause, `rename to ${path}`, from));
      this.#path = path;
      done(null);
    });
  }

  close(done: DiskDone): void {
    fs.close(this.#fd, (cause) => {
      done(cause == null ? null : failure(cause, 'close', this.path));
    });
  }
}

/**
 * A write that small is a copy into the kernel's cache, some microseconds; handing it to a thread
 * and back costs several times that, on the path of every lone write. The sync, which waits for the
 * disk, always goes to a thread.
 */
const SMALL_WRITE_BYTES = 16 * 1024;

function isSmall(pieces: readonly Uint8Array[]): boolean {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes <= SMALL_WRITE_BYTES;
}

/** What remains of `pieces` once their first `written` bytes are gone. */
function after(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = written;
  for (const piece of pieces) {
    if (skip >= piece.length) skip -= piece.length;
    else {
      rest.push(skip === 0 ? piece : piece.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

export class RealDisk implements Disk {
  readonly checksum: Checksum = crc32;
  #syncs: SyncTimes = { count: 0, msTotal: 0, msMax: 0 };

  get syncs(): SyncTimes {
    return this.#syncs;
  }

  open(
    path: string,
    how: 'existing' | 'new',
    done: (error: StorageError | null, file: DiskFile | null) => void,
  ): void {
    fs.open(path, how === 'new' ? 'w+' : 'r+', FILE_MODE, (cause, fd) => {
      if (cause !== null) return done(failure(cause, 'open', path), null);
      done(null, new RealFile(path, fd, (ms) => this.#synced(ms)));
    });
  }

  unlink(path: string, done: DiskDone): void {
    fs.unlink(path, (cause) => {
      done(cause === null ? null : failure(cause, 'unlink', path));
    });
  }

  list(
    directory: string,
    done: (error: StorageError | null, names: readonly string[]) => void,
  ): void {
    fs.readdir(directory, (cause, names) => {
      if (cause !== null) return done(failure(cause, 'list', directory), []);
      done(null, names.sort());
    });
  }

  makeDirectory(path: string, done: DiskDone): void {
    fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE }, (cause) => {
      done(cause === null ? null : failure(cause, 'make directory', path));
    });
  }

  syncDirectory(path: string, done: DiskDone): void {
    fs.open(path, 'r', (cause, fd) => {
      if (cause !== null) return done(failure(cause, 'open directory', path));
      fs.fsync(fd, (syncCause) => {
        fs.close(fd, (closeCause) => {
          const bad = syncCause ?? closeCause ?? null;
          done(bad === null ? null : failure(bad, 'sync directory', path));
        });
      });
    });
  }

  defer(run: () => void): void {
    setImmediate(run);
  }

  #synced(ms: number): void {
    const { count, msTotal, msMax } = this.#syncs;
    this.#syncs = { count: count + 1, msTotal: msTotal + ms, msMax: Math.max(msMax, ms) };
  }
}
