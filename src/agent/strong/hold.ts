/**
 * The commit barrier: client replies wait here until nothing they depend on can be lost.
 *
 * A reply may leave when, in the reign in which it was read,
 *   1. the committed offset has reached its fence: an offset that the server told (`ROLE`) after
 *      the reply was read, and so covers every effect the reply could depend on, reads included
 *      (`facts/engine.md` §6.4);
 *   2. leadership was confirmed by a round begun after its command arrived (thesis §6.4).
 *
 * One `ROLE` is outstanding at a time and serves every reply that was read before it was sent.
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

export interface HoldPorts {
  /** Sends one `ROLE` soon, once for all calls until it is sent; then calls `fenceSent`. */
  requestFence(): void;
  /** Wants leadership confirmed by a round numbered `round` or later. */
  requestRound(round: number): void;
  /** True when bytes that were executed are not committed yet: their append confirms the round. */
  hasUncommitted(): boolean;
}

interface Batch {
  readonly sessions: HeldSession[];
  readonly replies: Buffer[];
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
  #waiting: Batch[] = [];
  #waitingFrom = 0;
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
    batch.sessions.push(session);
    batch.replies.push(bytes);
    batch.bytes += bytes.length;
    if (round > batch.round) batch.round = round;
    this.#heldBytes += bytes.length;
    if (this.#asked === null) this.#ports.requestFence();
  }

  /** A `ROLE` is on its way to the server: it covers all that was read up to now. */
  fenceSent(): void {
    assert(this.#asked === null, 'one fence is outstanding at a time');
    this.#asked = this.#gathering;
    this.#gathering = newBatch();
    // While clients only read, the round goes out beside the fence. Where they write, the append
    // that carries their bytes confirms it, and asking now would only double the messages.
    if (this.#isReading && !this.#ports.hasUncommitted() && this.#asked.round > this.#confirmed)
      this.#ports.requestRound(this.#asked.round);
  }

  get isFenceWanted(): boolean {
    return this.#asked === null && this.#gathering.bytes > 0;
  }

  fenceAnswered(offset: ReplOffset): void {
    const batch = this.#asked;
    assert(batch !== null, 'a fence is answered once');
    this.#asked = null;
    batch.fence = offset;
    this.#isReading = offset === this.#lastFence;
    this.#lastFence = offset;
    if (batch.bytes > 0) this.#waiting.push(batch);
    if (this.#gathering.bytes > 0) this.#ports.requestFence();
    this.#releaseAll();
  }

  committed(offset: ReplOffset): void {
    assert(offset >= this.#committed, 'the committed offset of a reign only grows');
    this.#committed = offset;
    this.#releaseAll();
  }

  confirmed(round: number): void {
    if (round <= this.#confirmed) return;
    this.#confirmed = round;
    this.#releaseAll();
  }

  /** The reign is over: forgets everything. Whoever owned the sessions closes them. */
  end(): void {
    this.#isEnded = true;
    this.#gathering = newBatch();
    this.#asked = null;
    this.#waiting = [];
    this.#waitingFrom = 0;
    this.#heldBytes = 0;
    this.#drainAll();
  }

  #releaseAll(): void {
    while (!this.#isEnded) {
      const batch = this.#waiting[this.#waitingFrom];
      if (batch === undefined || batch.fence > this.#committed) break;
      if (batch.round > this.#confirmed) {
        this.#ports.requestRound(batch.round);
        // A group of one confirms inside the call, and has released by now.
        if (this.#waiting[this.#waitingFrom] === batch) break;
        continue;
      }
      this.#waitingFrom += 1;
      this.#release(batch);
    }
    this.#forgetReleased();
    if (!this.isFull && this.#drains.length > 0) this.#drainAll();
  }

  #drainAll(): void {
    for (const callback of this.#drains.splice(0)) callback();
  }

  #release(batch: Batch): void {
    this.#heldBytes -= batch.bytes;
    for (let i = 0; i < batch.sessions.length; i++) {
      const reply = batch.replies[i];
      if (reply !== undefined) batch.sessions[i]?.release(reply);
    }
  }

  /** Keeps the queue's array short without moving it once per batch. */
  #forgetReleased(): void {
    if (this.#waitingFrom === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#waitingFrom = 0;
    } else if (this.#waitingFrom > 1024) {
      this.#waiting.splice(0, this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }
}

function newBatch(): Batch {
  return { sessions: [], replies: [], bytes: 0, round: 0, fence: Number.MAX_SAFE_INTEGER };
}
