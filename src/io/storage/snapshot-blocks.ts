/**
 * Checksums of a snapshot file in blocks, kept in memory from the moment in which every byte of it
 * was written or verified. So a part of the file can be read later and be known to be sound before
 * a server or a peer gets it, without reading all of the file again.
 *
 * Blocks: the head and the description together; then the body, `BLOCK_BYTES` at a time.
 */
import { StorageError } from './errors.ts';
import type { Checksum, DiskFile } from './ports.ts';

/** What is read beyond what was asked for is less than two of these; 10 GiB make 160,000 sums. */
export const BLOCK_BYTES = 64 * 1024;

export interface SnapshotSums {
  /** Of everything before the body. */
  readonly begin: number;
  readonly blocks: readonly number[];
}

/** Sums of a body that comes in pieces. */
export class BlockSums {
  readonly #checksum: Checksum;
  readonly #blocks: number[] = [];
  #bytes = 0;
  #sum = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - (this.#bytes % BLOCK_BYTES));
      this.#sum = this.#checksum(part, this.#sum);
      this.#bytes += part.length;
      at += part.length;
      if (this.#bytes % BLOCK_BYTES === 0) this.#endBlock();
    }
  }

  /** Nothing may be pushed later. */
  finish(): readonly number[] {
    if (this.#bytes % BLOCK_BYTES !== 0) this.#endBlock();
    return this.#blocks;
  }

  #endBlock(): void {
    this.#blocks.push(this.#sum);
    this.#sum = 0;
  }
}

export interface SummedFile {
  readonly file: DiskFile;
  readonly checksum: Checksum;
  readonly sums: SnapshotSums;
  readonly bodyAt: number;
  /** Of the whole file. */
  readonly bytes: number;
}

/** Bytes [position, end) of the file, when all blocks that they lie in are as they were. */
export function readSound(
  source: SummedFile,
  position: number,
  end: number,
  done: (error: StorageError | null, bytes: Uint8Array) => void,
): void {
  const { file, bodyAt, bytes } = source;
  const none = new Uint8Array(0);
  const from = position < bodyAt ? 0 : bodyAt + floorToBlock(position - bodyAt);
  const to = end <= bodyAt ? bodyAt : Math.min(bytes, bodyAt + ceilToBlock(end - bodyAt));
  file.read(from, to - from, (error, found) => {
    if (error !== null) return done(error, none);
    const badAt = found.length < to - from ? from + found.length : firstBad(source, from, found);
    if (badAt === null) return done(null, found.subarray(position - from, end - from));
    const text = 'the snapshot was sound once and reads back damaged';
    done(new StorageError('SNAPSHOT_CHECKSUM', { path: file.path, position: badAt, text }), none);
  });
}

/** Where the first block begins that is not as it was; `from` begins a block. */
function firstBad(source: SummedFile, from: number, found: Uint8Array): number | null {
  const { bodyAt, sums, checksum } = source;
  let at = from;
  while (at < from + found.length) {
    const isBegin = at < bodyAt;
    const end = isBegin ? bodyAt : at + BLOCK_BYTES;
    const sum = isBegin ? sums.begin : sums.blocks[(at - bodyAt) / BLOCK_BYTES];
    if (checksum(found.subarray(at - from, end - from)) !== sum) return at;
    at = end;
  }
  return null;
}

function floorToBlock(bytes: number): number {
  return Math.floor(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function ceilToBlock(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
