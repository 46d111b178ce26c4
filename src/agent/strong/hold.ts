/**
 * The commit barrier: client replies wait here until nothing they depend on can be lost.
 *
 * A reply may leave when, in the reign in which it was read,
 *   1. the committed offset has reached its fence: an offset that the server told (`ROLE`) after
 *      the reply was read, and so covers every effect the reply could depend on, reads included
 *      (`facts/engine.md` §6.4);
 *   2. leadership was confirmed by a round begun after its command arrived (thesis §6.4), or a
 *      lease is valid when it leaves.
 *
 * Replies come in two streams, each released in its order. Those of sessions' own connections wait
 * for the fence that is asked on a connection of its own: one `ROLE` is outstanding at a time and
 * serves every reply that was read before it was sent. Those of lanes bring their fence along: a
 * `ROLE` that ran behind their commands on the same connection covers them too. Where it does not
 * come in time, the other fence takes its place.
 *
 * A session changes between the two only while nothing of it is held, so that its order holds.
 * One Hold lives as long as one reign. When the reign ends everything in it is dropped, before any
 * later commit is looked at (`facts/holes.md` H1).
 *
 * Bound: `heldBytesMax`. Beyond it the relay stops reading from the server (never drops).
 */
import { assert } from '../../assert.ts';
import type { ReplOffset } from '../../core/scalars.ts';

export interface HeldSession {
  release(bytes: Buffer): void;
}

/** `Lease`, or what another thread knows of one. */
export interface HoldLease {
  readonly isValid: boolean;
  note(): void;
  confirmed(round: number): void;
}

export interface HoldPorts {
  /** Sends one `ROLE` soon, once for all calls until it is sent; then calls `fenceSent`. */
  requestFence(): void;
  /** Wants leadership confirmed by a round numbered `round` or later. */
  requestRound(round: number): void;
  /** True when bytes that were executed are not committed yet: their append confirms the round. */
  hasUncommitted(): boolean;
  /** Null: every reply waits for its round. */
  readonly lease?: HoldLease | null;
}

export interface HeldReply {
  readonly session: HeldSession;
  readonly bytes: Buffer;
}

interface Batch {
  readonly replies: HeldReply[];
  /** Of lanes, read before the same fence was sent. */
  readonly unfenced: Batch[];
  bytes: number;
  /** The highest round that any of its replies waits for. */
  round: number;
  fence: number;
}

export class Hold {
  readonly #ports: HoldPorts;
  readonly #heldBytesMax: number;
  /** Read from the server, no fence sent yet. */
  #gathering: Batch = newBatch();
  /** The fence that was sent after these were read is not answered yet. */
  #asked: Batch | null = null;
  /** Fenced; oldest first, fences never fall. */
  readonly #own = new BatchQueue();
  /** Read from lanes; oldest first. A fence that is not known yet is beyond any commit. */
  readonly #lanes = new BatchQueue();
  #committed = 0;
  #confirmed = 0;
  #heldBytes = 0;
  #isEnded = false;
  /** Whether the last fence found nothing written since the one before. */
  #isReading = true;
  #lastFence = 0;
  #drains: (() => void)[] = [];

  constructor(ports: HoldPorts, heldBytesMax: number) {
    this.#ports = ports;
    this.#heldBytesMax = heldBytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.#heldBytesMax;
  }

  get isEmpty(): boolean {
    return this.#heldBytes === 0;
  }

  onDrain(callback: () => void): void {
    this.#drains.push(callback);
  }

  /** Takes a reply that was just read from the server; `round`: see `RaftView.nextRound`. */
  add(session: HeldSession, bytes: Buffer, round: number): void {
    if (this.#isEnded) return;
    const batch = this.#gathering;
    batch.replies.push({ session, bytes });
    batch.bytes += bytes.length;
    if (round > batch.round) batch.round = round;
    this.#heldBytes += bytes.length;
    if (this.#asked === null) this.#ports.requestFence();
  }

  /**
   * Commands are on their way down a lane, with their fence: while clients only read, the round
   * goes out beside them.
   */
  laneSent(round: number): void {
    this.#askBeside(round);
  }

  /**
   * Takes replies that were just read from a lane. `fence`: what a `ROLE` behind their commands on
   * that lane said; null when there was none.
   */
  addLane(replies: HeldReply[], round: number, fence: ReplOffset | null): void {
    if (this.#isEnded) return;
    let bytes = 0;
    for (const reply of replies) bytes += reply.bytes.length;
    const batch = { ...newBatch(), replies, bytes, round };
    this.#heldBytes += bytes;
    this.#lanes.push(batch);
    if (fence === null) {
      this.#gathering.unfenced.push(batch);
      if (this.#asked === null) this.#ports.requestFence();
      return;
    }
    batch.fence = fence;
    this.#isReading = fence === this.#lastFence;
    this.#lastFence = fence;
    this.#releaseAll();
  }

  /** A `ROLE` is on its way to the server: it covers all that was read up to now. */
  fenceSent(): void {
    assert(this.#asked === null, 'one fence is outstanding at a time');
    this.#asked = this.#gathering;
    this.#gathering = newBatch();
    let round = this.#asked.round;
    for (const batch of this.#asked.unfenced) round = Math.max(round, batch.round);
    this.#askBeside(round);
  }

  /**
   * While clients only read, the round goes out beside the fence. Where they write, the append that
   * carries their bytes confirms it, and asking now would only double the messages.
   */
  #askBeside(round: number): void {
    if (!this.#isReading || this.#ports.hasUncommitted() || this.#isConfirmed(round)) return;
    this.#ports.requestRound(round);
  }

  get isFenceWanted(): boolean {
    return this.#asked === null && isAnyIn(this.#gathering);
  }

  fenceAnswered(offset: ReplOffset): void {
    const batch = this.#asked;
    assert(batch !== null, 'a fence is answered once');
    this.#asked = null;
    batch.fence = offset;
    for (const unfenced of batch.unfenced) unfenced.fence = offset;
    this.#isReading = offset === this.#lastFence;
    this.#lastFence = offset;
    if (batch.bytes > 0) this.#own.push(batch);
    if (isAnyIn(this.#gathering)) this.#ports.requestFence();
    this.#releaseAll();
  }

  committed(offset: ReplOffset): void {
    assert(offset >= this.#committed, 'the committed offset of a reign only grows');
    this.#committed = offset;
    this.#releaseAll();
  }

  confirmed(round: number): void {
    this.#ports.lease?.confirmed(round);
    if (round <= this.#confirmed) return;
    this.#confirmed = round;
    this.#releaseAll();
  }

  tick(): void {
    this.#ports.lease?.note();
  }

  /** The reign is over: forgets everything. Whoever owned the sessions closes them. */
  end(): void {
    this.#isEnded = true;
    this.#gathering = newBatch();
    this.#asked = null;
    this.#own.clear();
    this.#lanes.clear();
    this.#heldBytes = 0;
    this.#drainAll();
  }

  #releaseAll(): void {
    this.#releaseFrom(this.#own);
    this.#releaseFrom(this.#lanes);
    if (!this.isFull && this.#drains.length > 0) this.#drainAll();
  }

  #releaseFrom(queue: BatchQueue): void {
    while (!this.#isEnded) {
      const batch = queue.first;
      if (batch === undefined || batch.fence > this.#committed) break;
      if (!this.#isConfirmed(batch.round)) {
        this.#ports.requestRound(batch.round);
        // A group of one confirms inside the call, and has released by now.
        if (queue.first === batch) break;
        continue;
      }
      queue.shift();
      this.#heldBytes -= batch.bytes;
      for (const { session, bytes } of batch.replies) session.release(bytes);
    }
  }

  #isConfirmed(round: number): boolean {
    return round <= this.#confirmed || this.#ports.lease?.isValid === true;
  }

  #drainAll(): void {
    for (const callback of this.#drains.splice(0)) callback();
  }
}

/** Keeps its array short without moving it once per batch. */
class BatchQueue {
  #batches: Batch[] = [];
  #from = 0;

  get first(): Batch | undefined {
    return this.#batches[this.#from];
  }

  push(batch: Batch): void {
    this.#batches.push(batch);
  }

  shift(): void {
    this.#from += 1;
    if (this.#from === this.#batches.length) this.clear();
    else if (this.#from > 1024) {
      this.#batches.splice(0, this.#from);
      this.#from = 0;
    }
  }

  clear(): void {
    this.#batches.length = 0;
    this.#from = 0;
  }
}

function isAnyIn(batch: Batch): boolean {
  return batch.bytes > 0 || batch.unfenced.length > 0;
}

function newBatch(): Batch {
  return { replies: [], unfenced: [], bytes: 0, round: 0, fence: Number.MAX_SAFE_INTEGER };
}
