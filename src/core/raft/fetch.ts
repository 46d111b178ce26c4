/**
 * Pulls a snapshot file from a peer, in chunks, and goes on where it broke off.
 *
 * One file at a time; a few chunks are asked for ahead, so that the disk and the network work
 * together; bytes are written in order, so that what the sink holds is always a prefix. Lost
 * questions and answers are repeated by ticks. Giving up costs nothing: the leader offers again,
 * and the sink remembers how far it got.
 */
import { assert, unreachable } from '../../assert.ts';
import type { NodeId } from '../scalars.ts';
import type { SnapshotFetcher } from './ports.ts';
import type { SnapshotMeta } from './protocol.ts';

/** Between peers, beside the Raft messages. Positions are bytes in the file. */
export type TransferMessage =
  | {
      readonly kind: 'chunkWanted';
      readonly id: string;
      readonly position: number;
      readonly bytesMax: number;
    }
  /** As many bytes as were wanted, or all that the file has from there; `total` is its size. */
  | {
      readonly kind: 'chunk';
      readonly id: string;
      readonly position: number;
      readonly bytes: Uint8Array;
      readonly total: number;
    }
  /** The sender has no such file any more. */
  | { readonly kind: 'chunkGone'; readonly id: string };

/** Where a fetched snapshot goes. `done` may be called inside the call or later, once. */
export interface SnapshotSink {
  /** How many bytes of this very file it holds; a file of another snapshot may be dropped. */
  resumeAt(snapshot: SnapshotMeta): number;
  /** Positions come in order, the next one after `done`. `bytes` stay untouched until then. */
  write(position: number, bytes: Uint8Array, done: (error?: Error) => void): void;
  /** Verifies and makes durable. After an error the file must start over: `resumeAt` gives 0. */
  finish(snapshot: SnapshotMeta, done: (error?: Error) => void): void;
}

export interface FetchLimits {
  readonly chunkBytes: number;
  /** Chunks asked for and not written yet; bounds the memory of a fetch. */
  readonly chunksAhead: number;
  /** Ticks without progress before open questions are asked again. */
  readonly retryTicks: number;
  /** Ticks without progress before the fetch is given up. */
  readonly giveUpTicks: number;
}

/** For ticks of 25 ms: 4 MiB ahead, asked again after 1 s, given up after 10 s. */
export const FETCH_LIMITS: FetchLimits = {
  chunkBytes: 1024 * 1024,
  chunksAhead: 4,
  retryTicks: 40,
  giveUpTicks: 400,
};

interface Pull {
  readonly from: NodeId;
  readonly snapshot: SnapshotMeta;
  readonly done: (fetched: SnapshotMeta | null) => void;
  phase: 'pulling' | 'finishing';
  /** Everything before it is in the sink. */
  written: number;
  /** Everything before it was asked for. */
  asked: number;
  isWriting: boolean;
  readonly arrived: Map<number, Uint8Array>;
  idleTicks: number;
}

export interface PullerOptions {
  readonly sink: SnapshotSink;
  readonly send: (to: NodeId, message: TransferMessage) => void;
  readonly limits: FetchLimits;
}

export class SnapshotPuller implements SnapshotFetcher {
  readonly #o: PullerOptions;
  #pull: Pull | null = null;

  constructor(options: PullerOptions) {
    this.#o = options;
  }

  /** What is being fetched and how far it is, for status. */
  get progress(): { readonly snapshot: SnapshotMeta; readonly position: number } | null {
    const pull = this.#pull;
    return pull === null ? null : { snapshot: pull.snapshot, position: pull.written };
  }

  /**
   * A newer offer of the same peer waits until the fetch under way ends: dropping it each time
   * the leader compacts would never end. An offer of another peer, a new leader, takes over.
   */
  fetch(from: NodeId, snapshot: SnapshotMeta, done: (fetched: SnapshotMeta | null) => void): void {
    const running = this.#pull;
    if (running !== null) {
      if (running.from === from || running.phase === 'finishing') return;
      this.#end(running, null);
    }
    const held = this.#o.sink.resumeAt(snapshot);
    assert(held >= 0 && held <= snapshot.bytes, 'the sink holds a part of the file');
    const pull: Pull = {
      from,
      snapshot,
      done,
      phase: 'pulling',
      written: held,
      asked: held,
      isWriting: false,
      arrived: new Map(),
      idleTicks: 0,
    };
    this.#pull = pull;
    this.#advance(pull);
  }

  /** Takes ownership of a chunk's bytes. */
  received(from: NodeId, message: TransferMessage): void {
    const pull = this.#pull;
    if (pull === null || pull.phase !== 'pulling') return;
    if (pull.from !== from || pull.snapshot.id !== message.id) return;
    switch (message.kind) {
      case 'chunk':
        this.#chunk(pull, message.position, message.bytes, message.total);
        return;
      case 'chunkGone':
        this.#end(pull, null);
        return;
      case 'chunkWanted':
        return;
      default:
        unreachable(message);
    }
  }

  tick(): void {
    const pull = this.#pull;
    // While the sink works, its disk sets the pace: it answers, or the node ends.
    if (pull === null || pull.phase === 'finishing' || pull.isWriting) return;
    pull.idleTicks++;
    if (pull.idleTicks >= this.#o.limits.giveUpTicks) {
      this.#end(pull, null);
    } else if (pull.idleTicks % this.#o.limits.retryTicks === 0) {
      pull.asked = pull.written;
      this.#ask(pull);
    }
  }

  #chunk(pull: Pull, position: number, bytes: Uint8Array, total: number): void {
    const isAskedFor = position >= pull.written && position < pull.asked;
    const isAligned = (position - pull.written) % this.#o.limits.chunkBytes === 0;
    if (!isAskedFor || !isAligned || pull.arrived.has(position)) return;
    if (pull.isWriting && position === pull.written) return;
    if (total !== pull.snapshot.bytes || bytes.length !== this.#lengthAt(pull, position)) {
      // Not the file that was offered.
      this.#end(pull, null);
      return;
    }
    pull.arrived.set(position, bytes);
    pull.idleTicks = 0;
    this.#advance(pull);
  }

  /** Writes what is next, or finishes, and keeps the window full. */
  #advance(pull: Pull): void {
    if (pull.isWriting) return;
    if (pull.written === pull.snapshot.bytes) {
      pull.phase = 'finishing';
      this.#o.sink.finish(pull.snapshot, (error) => {
        if (this.#pull === pull) this.#end(pull, error === undefined ? pull.snapshot : null);
      });
      return;
    }
    this.#ask(pull);
    const bytes = pull.arrived.get(pull.written);
    if (bytes === undefined) return;
    pull.arrived.delete(pull.written);
    pull.isWriting = true;
    this.#o.sink.write(pull.written, bytes, (error) => {
      pull.isWriting = false;
      if (this.#pull !== pull) return;
      if (error !== undefined) {
        this.#end(pull, null);
        return;
      }
      pull.written += bytes.length;
      pull.idleTicks = 0;
      this.#advance(pull);
    });
  }

  #ask(pull: Pull): void {
    const { chunkBytes, chunksAhead } = this.#o.limits;
    const end = Math.min(pull.snapshot.bytes, pull.written + chunkBytes * chunksAhead);
    while (pull.asked < end) {
      const position = pull.asked;
      const bytesMax = this.#lengthAt(pull, position);
      pull.asked = position + bytesMax;
      if (pull.arrived.has(position)) continue;
      this.#o.send(pull.from, { kind: 'chunkWanted', id: pull.snapshot.id, position, bytesMax });
    }
  }

  #lengthAt(pull: Pull, position: number): number {
    return Math.min(this.#o.limits.chunkBytes, pull.snapshot.bytes - position);
  }

  #end(pull: Pull, fetched: SnapshotMeta | null): void {
    this.#pull = null;
    pull.done(fetched);
  }
}
