/**
 * The format of a snapshot file, and its verification.
 *
 *   64 bytes: magic, version, length and checksum of the JSON and of the body, own checksum
 *   JSON:     id, last entry, configuration, and whatever the application wants beside the body
 *   body:     opaque here; the server's own RDB in a data group
 *
 * The first 64 bytes are zeros until the body is complete, so an unfinished file is never valid.
 * A peer gets the file as it is, so that its checksums travel with it.
 */
import { asBuffer, readUint64, writeUint64 } from '../../core/bytes.ts';
import { configurationFrom } from '../../core/raft/configuration.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import { logIndex, term } from '../../core/scalars.ts';
import { StorageError } from './errors.ts';
import type { Checksum, Disk, DiskFile } from './ports.ts';
import { BlockSums, type SnapshotSums } from './snapshot-blocks.ts';

export const SNAPSHOT_HEAD_BYTES = 64;
/** 2: the configuration has learners and a decision too. Files of version 1 are read. */
const FORMAT_VERSION = 2;
const MAGIC = Buffer.from('althsnap', 'latin1');
const CHECKSUM_AT = SNAPSHOT_HEAD_BYTES - 4;
/** A few reigns and offsets are some hundred bytes; more than this is not a description. */
export const DESCRIPTION_BYTES_MAX = 1024 * 1024;
/** Read at once while verifying. */
const WINDOW_BYTES = 1024 * 1024;

/** What the application keeps beside the body. It must survive JSON. */
export type SnapshotExtra = Readonly<Record<string, unknown>>;

/** What is known before the body. */
export interface SnapshotStart {
  readonly id: string;
  readonly last: EntryId;
  readonly configuration: Configuration;
}

/** A verified snapshot. */
export interface SnapshotContent {
  readonly meta: SnapshotMeta;
  readonly extra: SnapshotExtra;
  readonly bodyAt: number;
  readonly bodyBytes: number;
  readonly sums: SnapshotSums;
}

export function encodeDescription(start: SnapshotStart, extra: SnapshotExtra): Buffer {
  const { id, last, configuration } = start;
  return Buffer.from(JSON.stringify({ id, last, configuration, extra }), 'utf8');
}

export function encodeHead(
  description: Buffer,
  bodyBytes: number,
  bodyChecksum: number,
  checksum: Checksum,
): Buffer {
  const head = Buffer.alloc(SNAPSHOT_HEAD_BYTES);
  MAGIC.copy(head, 0);
  head.writeUInt32BE(FORMAT_VERSION, 8);
  head.writeUInt32BE(description.length, 12);
  writeUint64(head, bodyBytes, 16);
  head.writeUInt32BE(bodyChecksum, 24);
  head.writeUInt32BE(checksum(description), 28);
  head.writeUInt32BE(checksum(head.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return head;
}

/** `described`: what the file says of itself, when that much of it is sound. */
export type VerifyDone = (
  error: StorageError | null,
  content: SnapshotContent | null,
  described: SnapshotMeta | null,
) => void;

/** Reads the whole file and checks every byte of it. */
export function verifySnapshot(disk: Disk, file: DiskFile, done: VerifyDone): void {
  const fail = (position: number, text: string, described: SnapshotMeta | null = null): void => {
    const error = new StorageError('SNAPSHOT_CHECKSUM', { path: file.path, position, text });
    done(error, null, described);
  };
  file.size((sizeError, size) => {
    if (sizeError !== null) return done(sizeError, null, null);
    file.read(0, SNAPSHOT_HEAD_BYTES + DESCRIPTION_BYTES_MAX, (readError, bytes) => {
      if (readError !== null) return done(readError, null, null);
      const begin = decodeBegin(asBuffer(bytes), disk.checksum);
      if (begin === 'unknown version') {
        const text = 'written by a newer version of this program';
        return done(new StorageError('FORMAT_UNKNOWN', { path: file.path, text }), null, null);
      }
      if (begin === 'damaged') return fail(0, 'the header of the snapshot is damaged');
      const { meta, bodyAt, bodyBytes } = begin;
      if (size !== bodyAt + bodyBytes) {
        const text = `the snapshot has ${size} bytes instead of ${bodyAt + bodyBytes}`;
        return fail(Math.min(size, bodyAt + bodyBytes), text, meta);
      }
      checksumRange(disk, file, bodyAt, size, (error, sum, blocks) => {
        if (error !== null) return done(error, null, meta);
        if (sum !== begin.bodyChecksum)
          return fail(bodyAt, 'the body does not match its checksum', meta);
        const sums = { begin: begin.sum, blocks };
        done(null, { meta, extra: begin.extra, bodyAt, bodyBytes, sums }, meta);
      });
    });
  });
}

interface Begin extends Omit<SnapshotContent, 'sums'> {
  readonly bodyChecksum: number;
  /** Of everything before the body. */
  readonly sum: number;
}

function decodeBegin(bytes: Buffer, checksum: Checksum): Begin | 'damaged' | 'unknown version' {
  if (bytes.length < SNAPSHOT_HEAD_BYTES) return 'damaged';
  if (checksum(bytes.subarray(0, CHECKSUM_AT)) !== bytes.readUInt32BE(CHECKSUM_AT))
    return 'damaged';
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return 'damaged';
  const version = bytes.readUInt32BE(8);
  if (version < 1 || version > FORMAT_VERSION) return 'unknown version';
  const bodyAt = SNAPSHOT_HEAD_BYTES + bytes.readUInt32BE(12);
  const bodyBytes = readUint64(bytes, 16);
  if (bodyAt > bytes.length) return 'damaged';
  const description = bytes.subarray(SNAPSHOT_HEAD_BYTES, bodyAt);
  if (checksum(description) !== bytes.readUInt32BE(28)) return 'damaged';
  const described = decodeDescription(description.toString('utf8'));
  if (described === null) return 'damaged';
  const { start, extra } = described;
  const meta = { ...start, bytes: bodyAt + bodyBytes };
  const sum = checksum(bytes.subarray(0, bodyAt));
  return { meta, extra, bodyAt, bodyBytes, bodyChecksum: bytes.readUInt32BE(24), sum };
}

function decodeDescription(text: string): { start: SnapshotStart; extra: SnapshotExtra } | null {
  // The checksum has vouched for these bytes: what does not parse was written by a broken peer.
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) return null;
    throw cause;
  }
  const { id, last, configuration, extra } = value as {
    id?: unknown;
    last?: { index?: unknown; term?: unknown };
    configuration?: unknown;
    extra?: unknown;
  };
  const members = configurationFrom(configuration);
  if (typeof id !== 'string' || !isSnapshotId(id)) return null;
  if (!Number.isSafeInteger(last?.index) || !Number.isSafeInteger(last?.term)) return null;
  if (members === null || typeof extra !== 'object' || extra === null) return null;
  return {
    start: {
      id,
      last: { index: logIndex(last?.index as number), term: term(last?.term as number) },
      configuration: members,
    },
    extra: extra as SnapshotExtra,
  };
}

function checksumRange(
  disk: Disk,
  file: DiskFile,
  from: number,
  end: number,
  done: (error: StorageError | null, sum: number, blocks: readonly number[]) => void,
): void {
  const blocks = new BlockSums(disk.checksum);
  const step = (at: number, sum: number): void => {
    if (at >= end) {
      done(null, sum, blocks.finish());
      return;
    }
    file.read(at, Math.min(WINDOW_BYTES, end - at), (error, bytes) => {
      if (error !== null) return done(error, 0, []);
      if (bytes.length === 0) {
        const text = 'the snapshot became shorter while it was read';
        const place = { path: file.path, position: at, text };
        return done(new StorageError('SNAPSHOT_CHECKSUM', place), 0, []);
      }
      blocks.push(bytes);
      step(at + bytes.length, disk.checksum(bytes, sum));
    });
  };
  step(from, 0);
}

/** Ids stand in file names: no separators, no leading dot. */
const ID = /^[A-Za-z0-9][A-Za-z0-9@._-]{0,119}$/;
const PREFIX = 'snapshot-';

/** Ids that end like our unfinished files would be taken for them. */
export function isSnapshotId(id: string): boolean {
  return ID.test(id) && !id.endsWith('.temp') && !id.endsWith('.partial');
}

export function snapshotName(id: string): string {
  return `${PREFIX}${id}`;
}

export function snapshotIdOf(name: string): string | null {
  if (!name.startsWith(PREFIX)) return null;
  const id = name.slice(PREFIX.length);
  return isSnapshotId(id) ? id : null;
}
