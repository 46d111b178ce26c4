/**
 * One direction of one connection: bytes come out later, in order, and cut anywhere. Each has a
 * pace of its own, so that of two connections to one server either may be ahead.
 */
import type { Chance, Timeline } from './time.ts';

export interface ChannelOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly delayMaxUs: number;
  readonly receive: (bytes: Buffer) => void;
  /** The other side closed, and all that it had written has come. */
  readonly onEnd: () => void;
  /** What was written apart may be read together, as from a socket. */
  readonly joins?: boolean;
  /** How often what is written at once comes in two. */
  readonly cutPermille?: number;
  /** At most `fullBytes` are under way again, after `write` said no. */
  readonly onDrain?: () => void;
}

/** A pipe's worth, shrunk like everything else. */
const FULL_BYTES = 2_048;
/** What comes out at once. */
export const PIECE_BYTES_MAX = 4_096;
const CUT_PERMILLE = 150;
const JOIN_PERMILLE = 500;
/** After the second piece, so often one more. */
const JOIN_ON_PERMILLE = 600;

export class Channel {
  readonly #o: ChannelOptions;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** What has come while nobody reads. */
  #arrived: Buffer[] = [];
  #lastUs = 0;
  #isPaused = false;
  #isEnded = false;
  #hasEnded = false;
  #isDropped = false;
  #isFull = false;

  constructor(options: ChannelOptions) {
    this.#o = options;
  }

  /** Written, and not received yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** False when much is under way: `onDrain` follows. */
  write(bytes: Uint8Array): boolean {
    if (this.#isDropped || this.#isEnded) return true;
    const { chance, cutPermille = CUT_PERMILLE } = this.#o;
    // Whoever wrote it may use its buffer again.
    const copy = Buffer.from(bytes);
    for (let at = 0; at < copy.length; ) {
      const rest = Math.min(copy.length - at, PIECE_BYTES_MAX);
      const isCut = rest > 1 && chance.permille(cutPermille);
      const size = isCut ? chance.between(1, rest - 1) : rest;
      this.#launch(copy.subarray(at, at + size));
      at += size;
    }
    this.#isFull ||= this.#waitingBytes > FULL_BYTES;
    return !this.#isFull;
  }

  end(): void {
    if (this.#isEnded || this.#isDropped) return;
    this.#isEnded = true;
    this.#o.timeline.after(this.#delayUs(), () => {
      this.#hasEnded = true;
      this.#pass();
    });
  }

  /** It breaks: the end of what is under way is lost. */
  breakOff(): void {
    const kept = this.#o.chance.below(this.#waiting.length + 1);
    for (const lost of this.#waiting.splice(kept)) this.#waitingBytes -= lost.length;
    this.end();
  }

  /** Nothing more comes out. */
  drop(): void {
    this.#isDropped = true;
    this.#waiting = [];
    this.#arrived = [];
  }

  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    // Not inside the call: whoever starts to read again is in the middle of something.
    if (!isPaused) this.#o.timeline.after(1, () => this.#pass());
  }

  #launch(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#o.timeline.after(this.#delayUs(), () => this.#arrive());
  }

  #delayUs(): number {
    const { timeline, chance, delayMaxUs } = this.#o;
    const at = Math.max(this.#lastUs, timeline.nowUs + chance.between(1, delayMaxUs));
    this.#lastUs = at;
    return at - timeline.nowUs;
  }

  #arrive(): void {
    const bytes = this.#waiting.shift();
    if (bytes === undefined) return;
    this.#arrived.push(bytes);
    this.#join();
    this.#pass();
  }

  /** The last that arrived takes along what comes right behind it. */
  #join(): void {
    if (this.#o.joins !== true || !this.#o.chance.permille(JOIN_PERMILLE)) return;
    const parts = [this.#arrived.pop() as Buffer];
    let size = parts[0]?.length ?? 0;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || size + next.length > PIECE_BYTES_MAX) break;
      if (parts.length > 1 && !this.#o.chance.permille(JOIN_ON_PERMILLE)) break;
      this.#waiting.shift();
      parts.push(next);
      size += next.length;
    }
    this.#arrived.push(Buffer.concat(parts));
  }

  #pass(): void {
    while (!this.#isPaused && !this.#isDropped) {
      const bytes = this.#arrived.shift();
      if (bytes === undefined) break;
      this.#waitingBytes -= bytes.length;
      this.#o.receive(bytes);
    }
    if (this.#isDropped) return;
    if (this.#isFull && this.#waitingBytes <= FULL_BYTES / 2) {
      this.#isFull = false;
      this.#o.onDrain?.();
    }
    if (!this.#hasEnded || this.#isPaused || this.#arrived.length > 0) return;
    this.#isDropped = true;
    this.#o.onEnd();
  }
}
