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

const BEGIN_ANEW =
  'Do not mend the files by hand: move the data directory of this node away, keep it, and start ' +
  'the node with an empty one. It comes back as a copy and fetches everything from the others';

/** What whoever runs the node can do about it. */
const WAYS_OUT: Readonly<Partial<Record<StorageErrorCode, string>>> = {
  SEGMENT_CHECKSUM: BEGIN_ANEW,
  SEGMENT_HEADER: BEGIN_ANEW,
  LOG_GAP: BEGIN_ANEW,
  LOG_MISSING: BEGIN_ANEW,
  HARD_STATE_MISSING: BEGIN_ANEW,
  HARD_STATE_DAMAGED: BEGIN_ANEW,
  SNAPSHOT_CHECKSUM: BEGIN_ANEW,
  IDENTITY_DAMAGED: BEGIN_ANEW,
  FORMAT_UNKNOWN: 'Start the newer version of the program',
  DISK_FULL: 'Make room on the disk and start the node again',
  DISK_FAILED: 'Look at the disk and at the log of the kernel, then start the node on a sound disk',
};

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
    const wayOut = WAYS_OUT[code];
    const advice = wayOut === undefined ? '' : `. ${wayOut}.`;
    super(`${code}: ${failure.text} (${failure.path}${place})${advice}`, options);
    this.code = code;
    this.path = failure.path;
    this.position = failure.position ?? null;
    this.text = failure.text;
  }
}
