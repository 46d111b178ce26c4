/**
 * Term and vote on disk (Raft fig. 2), and beside them the durable mark of the log.
 *
 * Two slots in two sectors. A save writes and syncs first the one, then the other, and is done
 * when both are: so a power cut leaves one slot valid, and one that is damaged later is repaired
 * from the other, which is never older than what was acknowledged. Newest valid slot wins. A start
 * writes both again: after a failed fdatasync the kernel's cache may hold a slot that the disk
 * never got, and an older vote must not wait behind it.
 *
 * The mark says up to where which segment was synced. Records carry the same evidence about those
 * before them; the mark carries it about the last one, once the log has been quiet for a moment.
 */
import { asBuffer, readUint64, writeUint64 } from '../../core/bytes.ts';
import type { HardState } from '../../core/raft/protocol.ts';
import { isNodeId, type NodeId, term } from '../../core/scalars.ts';
import { StorageError } from './errors.ts';
import type { Checksum, Disk, DiskDone, DiskFile } from './ports.ts';
import { createFile } from './whole-file.ts';

/** Up to `position`, the segment `sequence` is synced. Sequence 0: nothing is known. */
export interface SyncMark {
  readonly sequence: number;
  readonly position: number;
}

export interface HardStateContent {
  readonly hardState: HardState;
  readonly mark: SyncMark;
}

const SLOT_BYTES = 512;
/** The slots are far enough apart for any disk to write the one without the other. */
const SECOND_SLOT_AT = 16 * 1024;
const FORMAT_VERSION = 1;
const MAGIC = Buffer.from('althvote', 'latin1');
const VOTE_BYTES_MAX = 80;
const CHECKSUM_AT = SLOT_BYTES - 4;

const UNMARKED: SyncMark = { sequence: 0, position: 0 };
const NEW: HardStateContent = { hardState: { term: term(0), votedFor: null }, mark: UNMARKED };

export type HardStateOpened = (
  error: StorageError | null,
  file: HardStateFile | null,
  content: HardStateContent,
  /** One slot was damaged, and is now like the other. */
  repaired: StorageError | null,
) => void;

export class HardStateFile {
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  #generation: number;

  private constructor(file: DiskFile, checksum: Checksum, generation: number) {
    this.#file = file;
    this.#checksum = checksum;
    this.#generation = generation;
  }

  static create(disk: Disk, path: string, done: HardStateOpened): void {
    const slot = encodeSlot(NEW, 1, disk.checksum);
    const gap = Buffer.alloc(SECOND_SLOT_AT - SLOT_BYTES);
    createFile(disk, path, [slot, gap, slot], (error, file) => {
      if (file === null) return done(error, null, NEW, null);
      done(null, new HardStateFile(file, disk.checksum, 1), NEW, null);
    });
  }

  /** Yields no file and no error when there is none. */
  static open(disk: Disk, path: string, done: HardStateOpened): void {
    disk.open(path, 'existing', (openError, file) => {
      if (file === null)
        return done(openError?.code === 'FILE_MISSING' ? null : openError, null, NEW, null);
      file.read(0, SECOND_SLOT_AT + SLOT_BYTES, (readError, source) => {
        if (readError !== null) return done(readError, null, NEW, null);
        const bytes = asBuffer(source);
        const first = decodeSlot(bytes.subarray(0, SLOT_BYTES), disk.checksum);
        const second = decodeSlot(bytes.subarray(SECOND_SLOT_AT), disk.checksum);
        const newest = newer(first, second);
        if (newest === null) {
          const text = 'neither slot of the term and vote file is valid';
          const code = hasNewerVersion(bytes) ? 'FORMAT_UNKNOWN' : 'HARD_STATE_DAMAGED';
          return done(new StorageError(code, { path, position: 0, text }), null, NEW, null);
        }
        const opened = new HardStateFile(file, disk.checksum, newest.generation);
        const repaired = damagedSlot(path, first, second);
        const slot = [encodeSlot(newest.content, newest.generation, disk.checksum)];
        // The other one first: at every moment one of them is valid and the newest.
        opened.#writeBoth(slot, newest === first ? SECOND_SLOT_AT : 0, (error) => {
          if (error !== null) return done(error, null, NEW, null);
          done(null, opened, newest.content, repaired);
        });
      });
    });
  }

  save(content: HardStateContent, done: DiskDone): void {
    this.#generation += 1;
    const slot = [encodeSlot(content, this.#generation, this.#checksum)];
    this.#writeBoth(slot, 0, done);
  }

  close(done: DiskDone): void {
    this.#file.close(done);
  }

  #writeBoth(slot: readonly Uint8Array[], firstAt: number, done: DiskDone): void {
    this.#writeSlot(firstAt, slot, (error) => {
      if (error !== null) return done(error);
      this.#writeSlot(firstAt === 0 ? SECOND_SLOT_AT : 0, slot, done);
    });
  }

  #writeSlot(at: number, slot: readonly Uint8Array[], done: DiskDone): void {
    this.#file.write(at, slot, (error) => {
      if (error !== null) return done(error);
      this.#file.sync(done);
    });
  }
}

function encodeSlot(content: HardStateContent, generation: number, checksum: Checksum): Buffer {
  const { hardState, mark } = content;
  const slot = Buffer.alloc(SLOT_BYTES);
  MAGIC.copy(slot, 0);
  slot.writeUInt32BE(FORMAT_VERSION, 8);
  writeUint64(slot, generation, 12);
  writeUint64(slot, hardState.term, 20);
  writeUint64(slot, mark.sequence, 28);
  writeUint64(slot, mark.position, 36);
  const vote = hardState.votedFor ?? '';
  slot.writeUInt8(vote.length, 44);
  slot.write(vote, 45, VOTE_BYTES_MAX, 'latin1');
  slot.writeUInt32BE(checksum(slot.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
  return slot;
}

interface Slot {
  readonly generation: number;
  readonly content: HardStateContent;
}

function newer(first: Slot | null, second: Slot | null): Slot | null {
  if (first === null || second === null) return first ?? second;
  return second.generation > first.generation ? second : first;
}

function damagedSlot(path: string, first: Slot | null, second: Slot | null): StorageError | null {
  if (first !== null && second !== null) return null;
  const position = first === null ? 0 : SECOND_SLOT_AT;
  const text = 'one slot of the term and vote file was not valid, and is again like the other';
  return new StorageError('HARD_STATE_DAMAGED', { path, position, text });
}

/** The durable mark in the bytes of a file; null when no slot is valid. */
export function markIn(source: Uint8Array, checksum: Checksum): SyncMark | null {
  const bytes = asBuffer(source);
  const first = decodeSlot(bytes.subarray(0, SLOT_BYTES), checksum);
  return newer(first, decodeSlot(bytes.subarray(SECOND_SLOT_AT), checksum))?.content.mark ?? null;
}

function decodeSlot(slot: Buffer, checksum: Checksum): Slot | null {
  if (slot.length < SLOT_BYTES) return null;
  if (checksum(slot.subarray(0, CHECKSUM_AT)) !== slot.readUInt32BE(CHECKSUM_AT)) return null;
  if (!slot.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  if (slot.readUInt32BE(8) !== FORMAT_VERSION) return null;
  const vote = slot.toString('latin1', 45, 45 + slot.readUInt8(44));
  if (vote !== '' && !isNodeId(vote)) return null;
  const votedFor: NodeId | null = vote === '' ? null : (vote as NodeId);
  return {
    generation: readUint64(slot, 12),
    content: {
      hardState: { term: term(readUint64(slot, 20)), votedFor },
      mark: { sequence: readUint64(slot, 28), position: readUint64(slot, 36) },
    },
  };
}

function hasNewerVersion(bytes: Buffer): boolean {
  if (bytes.length < SLOT_BYTES) return false;
  return bytes.subarray(0, MAGIC.length).equals(MAGIC) && bytes.readUInt32BE(8) > FORMAT_VERSION;
}
