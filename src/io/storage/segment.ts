/**
 * The format of a segment file: one header, then records to the end.
 *
 *   header  96 bytes: magic, version, flags, sequence, base (index, term), group, checksum
 *   record  40 bytes of header, the payload, one trailer byte
 *
 * A segment is a journal, not an image of the log: a record either appends the next entry, or cuts
 * the log back to the entry it names. So replacing a conflicting suffix is an append like any
 * other, and nothing that was synced is ever overwritten.
 *
 * Evidence. Each record header carries `syncedTo`: up to where this file was known to be synced
 * when the record was written. Any bad byte below a `syncedTo` was acknowledged: corruption. Its
 * checksum is seeded with the segment's own checksum and the record's position, so that bytes of
 * another segment, or of a payload that happens to hold a segment, are never taken for a record.
 *
 * Torn or flipped. A disk writes sectors of 512 bytes whole or not at all, and what was never
 * written to a fresh part of a file reads as zeros or lies beyond its end. Headers begin and end
 * with a byte that is not zero, and so does every record, so a record that was torn has a sector
 * that is all zeros, and a flipped one does not, unless its payload has such a sector of its own.
 */
import { assert } from '../../assert.ts';
import { asBuffer, readUint64, writeUint64 } from '../../core/bytes.ts';
import type { EntryId } from '../../core/raft/protocol.ts';
import { type GroupId, logIndex, term } from '../../core/scalars.ts';
import type { Checksum } from './ports.ts';

export const SEGMENT_HEADER_BYTES = 96;
export const RECORD_HEADER_BYTES = 40;
export const RECORD_TRAILER_BYTES = 1;
export const RECORD_OVERHEAD_BYTES = RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES;
/** What a disk writes whole or not at all. Disks with larger sectors tear at multiples of it. */
export const SECTOR_BYTES = 512;
/** Marks where a record header begins and ends, and the trailer. Not zero, see above. */
export const RECORD_MARK = 0xa7;
const FORMAT_VERSION = 1;
const MAGIC = Buffer.from('althlog\n', 'latin1');
const GROUP_BYTES_MAX = 31;
const FLAG_RESET = 1;
/** Payloads up to here are copied beside their header: cheaper than a vector element each. */
const COPIED_BYTES_MAX = 512;

export interface SegmentHeader {
  readonly group: GroupId;
  /** Counts the segments of a group from 1, without gaps. */
  readonly sequence: number;
  /** The entry before the first record, when the segment was made. */
  readonly base: EntryId;
  /** Nothing in earlier segments counts: the base is a snapshot's last entry, or 0. */
  readonly reset: boolean;
}

export type HeaderFault = 'damaged' | 'unknown version';

/** Yields the checksum too: it seeds those of the records. */
export function encodeSegmentHeader(
  header: SegmentHeader,
  checksum: Checksum,
): { bytes: Buffer; seed: number } {
  assert(header.group.length <= GROUP_BYTES_MAX, 'a group id fits the segment header');
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32BE(FORMAT_VERSION, 8);
  bytes.writeUInt32BE(header.reset ? FLAG_RESET : 0, 12);
  writeUint64(bytes, header.sequence, 16);
  writeUint64(bytes, header.base.index, 24);
  writeUint64(bytes, header.base.term, 32);
  bytes.writeUInt8(header.group.length, 40);
  bytes.write(header.group, 41, 'latin1');
  const seed = checksum(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4));
  bytes.writeUInt32BE(seed, SEGMENT_HEADER_BYTES - 4);
  return { bytes, seed };
}

export function decodeSegmentHeader(
  source: Uint8Array,
  checksum: Checksum,
): { header: SegmentHeader; seed: number } | HeaderFault {
  if (source.length < SEGMENT_HEADER_BYTES) return 'damaged';
  const bytes = asBuffer(source);
  const seed = checksum(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4));
  if (seed !== bytes.readUInt32BE(SEGMENT_HEADER_BYTES - 4)) return 'damaged';
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return 'damaged';
  if (bytes.readUInt32BE(8) !== FORMAT_VERSION) return 'unknown version';
  const group = bytes.toString('latin1', 41, 41 + bytes.readUInt8(40)) as GroupId;
  return {
    header: {
      group,
      sequence: readUint64(bytes, 16),
      base: { index: logIndex(readUint64(bytes, 24)), term: term(readUint64(bytes, 32)) },
      reset: (bytes.readUInt32BE(12) & FLAG_RESET) !== 0,
    },
    seed,
  };
}

export const ENTRY_RECORD = 1;
export const CUT_RECORD = 2;
export type RecordKind = typeof ENTRY_RECORD | typeof CUT_RECORD;

export interface RecordHeader {
  readonly kind: RecordKind;
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
  /** An entry's own id, or the entry that a cut makes the last one. */
  readonly id: EntryId;
  readonly syncedTo: number;
}

/** What a batch writes: entries and cuts, in order. A cut has an empty payload. */
export interface LogRecord extends EntryId {
  readonly kind: RecordKind;
  readonly payload: Uint8Array;
}

export function recordBytes(payloadBytes: number): number {
  return payloadBytes + RECORD_OVERHEAD_BYTES;
}

/** Whether `encodeRecords` gives the payload a vector element of its own. */
export function isReferenced(payloadBytes: number): boolean {
  return payloadBytes > COPIED_BYTES_MAX;
}

function seedAt(segmentSeed: number, position: number): number {
  return (segmentSeed ^ position ^ Math.floor(position / 2 ** 32)) >>> 0;
}

/**
 * Records as they are written from `position` on, large payloads by reference. `syncedTo` is
 * `position` itself: a batch is written only when everything before it is synced.
 */
export function encodeRecords(
  records: readonly LogRecord[],
  segmentSeed: number,
  position: number,
  checksum: Checksum,
): Uint8Array[] {
  let ownBytes = 0;
  for (const { payload } of records)
    ownBytes += RECORD_OVERHEAD_BYTES + (isReferenced(payload.length) ? 0 : payload.length);
  // Every byte is written below.
  const own = Buffer.allocUnsafe(ownBytes);
  const pieces: Uint8Array[] = [];
  let from = 0;
  let to = 0;
  let at = position;
  for (const record of records) {
    const { payload } = record;
    encodeRecordHeader(own, to, record, position, seedAt(segmentSeed, at), checksum);
    to += RECORD_HEADER_BYTES;
    if (isReferenced(payload.length)) {
      pieces.push(own.subarray(from, to), payload);
      from = to;
    } else {
      own.set(payload, to);
      to += payload.length;
    }
    own[to] = RECORD_MARK;
    to += RECORD_TRAILER_BYTES;
    at += recordBytes(payload.length);
  }
  pieces.push(own.subarray(from, to));
  return pieces;
}

function encodeRecordHeader(
  target: Buffer,
  at: number,
  record: LogRecord,
  syncedTo: number,
  seed: number,
  checksum: Checksum,
): void {
  target[at] = RECORD_MARK;
  target[at + 5] = record.kind;
  target.writeUInt32BE(record.payload.length, at + 6);
  target.writeUInt32BE(checksum(record.payload), at + 10);
  writeUint64(target, record.index, at + 14);
  writeUint64(target, record.term, at + 22);
  writeUint64(target, syncedTo, at + 30);
  target[at + 38] = 0;
  target[at + 39] = RECORD_MARK;
  target.writeUInt32BE(checksum(target.subarray(at + 5, at + RECORD_HEADER_BYTES), seed), at + 1);
}

/** Null when no valid record header begins at `at`, which is `position` in the file. */
export function decodeRecordHeader(
  source: Buffer,
  at: number,
  segmentSeed: number,
  position: number,
  checksum: Checksum,
): RecordHeader | null {
  if (source[at] !== RECORD_MARK || at + RECORD_HEADER_BYTES > source.length) return null;
  const body = source.subarray(at + 5, at + RECORD_HEADER_BYTES);
  if (checksum(body, seedAt(segmentSeed, position)) !== source.readUInt32BE(at + 1)) return null;
  const kind = source[at + 5];
  if (kind !== ENTRY_RECORD && kind !== CUT_RECORD) return null;
  return {
    kind,
    payloadBytes: source.readUInt32BE(at + 6),
    payloadChecksum: source.readUInt32BE(at + 10),
    id: { index: logIndex(readUint64(source, at + 14)), term: term(readUint64(source, at + 22)) },
    syncedTo: readUint64(source, at + 30),
  };
}

const NAME = /^log-(\d{10})$/;

export function segmentName(sequence: number): string {
  return `log-${String(sequence).padStart(10, '0')}`;
}

/** Null for names of other files. */
export function sequenceOf(name: string): number | null {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}
