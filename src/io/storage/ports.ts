/**
 * What storage needs of a disk. Kept by `disk.ts` over the real one, and by the simulator over one
 * that tears writes, forgets what was not synced and flips bits.
 *
 * Contract: every completion is called once, and never inside the call that took it. Calls on one
 * file may be made without waiting, but only completed ones are ordered. Nothing survives a power
 * cut before `sync` (bytes of a file) or `syncDirectory` (names) has completed.
 */
import type { StorageError } from './errors.ts';

export type DiskDone = (error: StorageError | null) => void;

/** CRC-32 (IEEE) of `bytes`, continued from `seed`. */
export type Checksum = (bytes: Uint8Array, seed?: number) => number;

export interface DiskFile {
  /** Its present name, which is the one that an error tells. */
  readonly path: string;
  /**
   * Writes all pieces one after the other from `position` on, as one request to the disk.
   * The bytes must not change before `done`.
   */
  write(position: number, pieces: readonly Uint8Array[], done: DiskDone): void;
  /** Yields fewer than `bytes` only where the file ends. The yielded bytes are the caller's. */
  read(
    position: number,
    bytes: number,
    done: (error: StorageError | null, bytes: Uint8Array) => void,
  ): void;
  /** The bytes and the size of the file survive a power cut (fdatasync). */
  sync(done: DiskDone): void;
  truncate(bytes: number, done: DiskDone): void;
  size(done: (error: StorageError | null, bytes: number) => void): void;
  /** Gives it another name, in the same directory; replaces what is called so. */
  rename(path: string, done: DiskDone): void;
  close(done: DiskDone): void;
}

export interface Disk {
  readonly checksum: Checksum;
  /** `existing` fails with FILE_MISSING; `new` empties a file that is there. */
  open(
    path: string,
    how: 'existing' | 'new',
    done: (error: StorageError | null, file: DiskFile | null) => void,
  ): void;
  unlink(path: string, done: DiskDone): void;
  /** Names in `directory`, sorted. FILE_MISSING when there is no such directory. */
  list(
    directory: string,
    done: (error: StorageError | null, names: readonly string[]) => void,
  ): void;
  /** Makes parents too. Content when it exists. */
  makeDirectory(path: string, done: DiskDone): void;
  /** Creations, renames and removals in `path` survive a power cut. */
  syncDirectory(path: string, done: DiskDone): void;
  /** Runs `run` soon, but not inside this call. */
  defer(run: () => void): void;
}

/** The directory part of a path, for `syncDirectory` after a rename. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}
