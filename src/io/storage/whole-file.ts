/**
 * Small files that are read and replaced as a whole: temporary file, sync, rename, sync directory
 * (design §4). At every moment either the old content is there or the new one.
 */
import { StorageError } from './errors.ts';
import { type Disk, type DiskDone, type DiskFile, directoryOf } from './ports.ts';

/** Ending of files that are not finished. Removed at the next start. */
export const TEMPORARY = '.temp';

/** Yields the renamed file, open. */
export function createFile(
  disk: Disk,
  path: string,
  pieces: readonly Uint8Array[],
  done: (error: StorageError | null, file: DiskFile | null) => void,
): void {
  const temporary = path + TEMPORARY;
  disk.open(temporary, 'new', (openError, file) => {
    if (file === null) return done(openError, null);
    const fail = (error: StorageError): void => {
      // The first failure is the one to tell; the file is left for the next start to remove.
      file.close(() => done(error, null));
    };
    file.write(0, pieces, (writeError) => {
      if (writeError !== null) return fail(writeError);
      publish(disk, file, path, (error) => {
        if (error !== null) return fail(error);
        done(null, file);
      });
    });
  });
}

/** Gives a finished temporary file its name, durably. */
export function publish(disk: Disk, file: DiskFile, path: string, done: DiskDone): void {
  file.sync((syncError) => {
    if (syncError !== null) return done(syncError);
    file.rename(path, (renameError) => {
      if (renameError !== null) return done(renameError);
      disk.syncDirectory(directoryOf(path), done);
    });
  });
}

/** Yields null for a file that does not exist. */
export function readFile(
  disk: Disk,
  path: string,
  bytesMax: number,
  done: (error: StorageError | null, bytes: Uint8Array | null) => void,
): void {
  disk.open(path, 'existing', (openError, file) => {
    if (file === null) {
      if (openError?.code === 'FILE_MISSING') return done(null, null);
      return done(openError, null);
    }
    file.read(0, bytesMax + 1, (readError, bytes) => {
      file.close((closeError) => {
        const error = readError ?? closeError;
        if (error !== null) return done(error, null);
        if (bytes.length > bytesMax) {
          const text = `larger than the ${bytesMax} bytes that it may have`;
          return done(new StorageError('DISK_FAILED', { path, text }), null);
        }
        done(null, bytes);
      });
    });
  });
}

/** Removes files one after the other, then syncs the directory. Missing ones are fine. */
export function removeFiles(
  disk: Disk,
  directory: string,
  names: readonly string[],
  done: DiskDone,
): void {
  if (names.length === 0) {
    done(null);
    return;
  }
  const removeFrom = (i: number): void => {
    const name = names[i];
    if (name === undefined) {
      disk.syncDirectory(directory, done);
      return;
    }
    disk.unlink(`${directory}/${name}`, (error) => {
      if (error !== null && error.code !== 'FILE_MISSING') return done(error);
      removeFrom(i + 1);
    });
  };
  removeFrom(0);
}
