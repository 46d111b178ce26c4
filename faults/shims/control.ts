/**
 * What the shim of one node does, from now on: numbers in a file that its processes have mapped.
 * A change is seen by the next call that they make.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';

/** The order is that of `struct control` in unreliable.c; each is a signed 64-bit integer. */
const FIELDS = [
  'syncDelayMs',
  'writeDelayMs',
  'writeErrno',
  'syncErrno',
  'clockOffsetNs',
  'clockPpm',
  'clockSinceNs',
  'monotonicPpm',
  'journal',
  'journalOverflowed',
] as const;
type Field = (typeof FIELDS)[number];

const FIELD_BYTES = 8;
/** Up to here no clock that runs slower is ever seen to go back; see unreliable.c. */
const PPM_MAX = 1_000;

export type DiskError = 'ENOSPC' | 'EIO';

export interface ClockFault {
  /** CLOCK_REALTIME is that much ahead. */
  readonly offsetMs: number;
  /** And runs that much faster. */
  readonly ppm: number;
  /** CLOCK_MONOTONIC runs that much faster: timeouts, not the time of day. */
  readonly monotonicPpm: number;
}

export const RIGHT_CLOCK: ClockFault = { offsetMs: 0, ppm: 0, monotonicPpm: 0 };

export class ShimControl {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    const file = openSync(path, 'w', 0o600);
    writeSync(file, Buffer.alloc(FIELDS.length * FIELD_BYTES));
    closeSync(file);
  }

  /** Files only: `syncMs` before each fsync or fdatasync, `writeMs` before each write. */
  slowDisk(syncMs: number, writeMs = 0): void {
    this.#set('syncDelayMs', BigInt(Math.round(syncMs)));
    this.#set('writeDelayMs', BigInt(Math.round(writeMs)));
  }

  /** Null: it works. */
  failDisk(writes: DiskError | null, syncs: DiskError | null): void {
    this.#set('writeErrno', errnoOf(writes));
    this.#set('syncErrno', errnoOf(syncs));
  }

  setClock({ offsetMs, ppm, monotonicPpm }: ClockFault): void {
    if (Math.max(Math.abs(ppm), Math.abs(monotonicPpm)) > PPM_MAX)
      throw new RangeError(`a clock drifts by at most ${PPM_MAX} ppm`);
    // A rate counts from here on: what ran up before is dropped, as when a clock is set.
    this.#set('clockPpm', 0n);
    this.#set('monotonicPpm', 0n);
    this.#set('clockSinceNs', process.hrtime.bigint());
    this.#set('clockOffsetNs', BigInt(Math.round(offsetMs)) * 1_000_000n);
    this.#set('clockPpm', BigInt(ppm));
    this.#set('monotonicPpm', BigInt(monotonicPpm));
  }

  /** Whether changes are noted, so that those which no sync covers can be taken back. */
  journal(isOn: boolean): void {
    this.#set('journal', isOn ? 1n : 0n);
  }

  get hasJournalOverflowed(): boolean {
    return this.#get('journalOverflowed') !== 0n;
  }

  #set(field: Field, value: bigint): void {
    const bytes = Buffer.alloc(FIELD_BYTES);
    bytes.writeBigInt64LE(value);
    const file = openSync(this.path, 'r+');
    writeSync(file, bytes, 0, FIELD_BYTES, FIELDS.indexOf(field) * FIELD_BYTES);
    closeSync(file);
  }

  #get(field: Field): bigint {
    const bytes = Buffer.alloc(FIELD_BYTES);
    const file = openSync(this.path, 'r');
    readSync(file, bytes, 0, FIELD_BYTES, FIELDS.indexOf(field) * FIELD_BYTES);
    closeSync(file);
    return bytes.readBigInt64LE();
  }
}

function errnoOf(error: DiskError | null): bigint {
  return error === null ? 0n : BigInt(constants.errno[error]);
}
