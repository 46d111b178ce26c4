/** What the disk can do to us. Callers branch on `code`, people read `text`. */

export type StorageErrorCode =
  /** A record that was acknowledged is damaged: this node must not start from it. */
  | 'SEGMENT_CHECKSUM'
  /** The header of a segment is damaged, or the segment belongs to another group. */
  | 'SEGMENT_HEADER'
  /** Entries are missing between two segments, or between the snapshot and the log. */
  | 'LOG_GAP'
  /** The log was created once, and its files are gone. */
  | 'LOG_MISSING'
  | 'HARD_STATE_MISSING'
  | 'HARD_STATE_DAMAGED'
  | 'SNAPSHOT_CHECKSUM'
  | 'IDENTITY_DAMAGED'
  | 'DIRECTORY_LOCKED'
  /** Written by a newer version of this program. */
  | 'FORMAT_UNKNOWN'
  | 'FILE_MISSING'
  | 'DISK_FULL'
  | 'DISK_FAILED'
  /** Asked after `close`, or of something that was given up. */
  | 'CLOSED';

/** The facts of a failure: the file, where in it, and what was being done. */
export interface StorageFailure {
  readonly path: string;
  readonly position?: number;
  readonly text: string;
}

/** The disk or what is on it let us down. Expected in production. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  readonly path: string;
  readonly position: number | null;
  readonly text: string;

  constructor(code: StorageErrorCode, failure: StorageFailure, options?: ErrorOptions) {
    const place = failure.position === undefined ? '' : ` at byte ${failure.position}`;
    super(`${code}: ${failure.text} (${failure.path}${place})`, options);
    this.code = code;
    this.path = failure.path;
    this.position = failure.position ?? null;
    this.text = failure.text;
  }
}
