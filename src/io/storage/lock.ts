/**
 * One process per data directory, for its whole life (`facts/holes.md` H9).
 *
 * Node cannot ask for a lock itself, so `flock` of util-linux takes it on a file descriptor that it
 * inherits: the lock belongs to the open file, which stays ours when that program has ended, and
 * the kernel frees it however we end. Where there is no `flock`, the file names the holder by pid
 * and start time; two starts within the same moment could then both pass, and the caller says so.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { StorageError } from './errors.ts';

export interface DirectoryLock {
  /** `pid`: there is no `flock` here, so the lock is weaker; see above. */
  readonly how: 'flock' | 'pid';
  release(): void;
}

export type LockResult =
  | { readonly ok: true; readonly lock: DirectoryLock }
  | { readonly ok: false; readonly error: StorageError };

export interface LockOptions {
  /** The program to take the lock with. */
  readonly flock: string;
  /** How long that program may take; it never waits for the lock. */
  readonly flockMsMax: number;
}

export const LOCK_OPTIONS: LockOptions = { flock: 'flock', flockMsMax: 5_000 };
const LOCK_NAME = 'lock';
const FILE_MODE = 0o600;
/** What `flock -n` exits with when somebody else holds the lock. */
const HELD_STATUS = 1;

/** Synchronous: nothing else may happen before. The directory must exist. */
export function lockDirectory(directory: string, options: LockOptions = LOCK_OPTIONS): LockResult {
  const path = `${directory}/${LOCK_NAME}`;
  let fd: number;
  let holder: string;
  try {
    fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, FILE_MODE);
  } catch (cause) {
    return failed(path, 'opened', cause as NodeJS.ErrnoException);
  }
  try {
    holder = fs.readFileSync(path, 'utf8').trim();
  } catch (cause) {
    fs.closeSync(fd);
    return failed(path, 'read', cause as NodeJS.ErrnoException);
  }
  const { flock, flockMsMax } = options;
  const { status, error } = spawnSync(flock, ['-n', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    timeout: flockMsMax,
  });
  // Anything but yes and no: no such program, or a file system that cannot lock.
  const how = error === undefined && (status === 0 || status === HELD_STATUS) ? 'flock' : 'pid';
  if (how === 'flock' ? status === HELD_STATUS : isRunning(holder)) {
    fs.closeSync(fd);
    const [pid = ''] = holder.split(' ');
    const text = `in use by process ${pid === '' ? 'unknown' : pid}`;
    return { ok: false, error: new StorageError('DIRECTORY_LOCKED', { path: directory, text }) };
  }
  try {
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, `${process.pid} ${startOf(process.pid) ?? 0}\n`, 0);
  } catch (cause) {
    fs.closeSync(fd);
    return failed(path, 'written', cause as NodeJS.ErrnoException);
  }
  return { ok: true, lock: { how, release: () => release(fd) } };
}

function failed(path: string, what: string, cause: NodeJS.ErrnoException): LockResult {
  const code = cause.code === 'ENOSPC' ? 'DISK_FULL' : 'DISK_FAILED';
  const text = `the lock file cannot be ${what}: ${cause.message}`;
  return { ok: false, error: new StorageError(code, { path, text }, { cause }) };
}

/** The file stays: removing it would let a third process lock another file of the same name. */
function release(fd: number): void {
  try {
    fs.ftruncateSync(fd, 0);
  } catch {
    // On a disk that fails the name of a process stays that ends now: nobody takes it for alive.
  }
  fs.closeSync(fd);
}

/** Whether the process that wrote `holder` still runs; a pid alone may have a new owner. */
function isRunning(holder: string): boolean {
  const [pid = '', start = ''] = holder.split(' ');
  if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
  return startOf(Number(pid)) === start;
}

/** In clock ticks since the machine came up: field 22 of /proc/PID/stat. Null when it is gone. */
function startOf(pid: number): string | null {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name, in parentheses, and may hold anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
