/**
 * What the thread with Raft knows of the present reign, for the threads that serve clients.
 *
 * An offset or a round means nothing without its reign (`facts/holes.md` H1), so they are published
 * together with its number, and read together:
 *
 * - The number becomes 0 in the call that ends the reign, before Raft says anything further; later
 *   commits are those of another reign, whose number is another one.
 * - What is said of an open reign stays true for ever: what it has committed stays committed, and
 *   who was leader after a moment was it. So a reader may act on what it has read however late.
 *   What a reader must not do is to take a number of one reign for another's: it compares.
 * - `began` is published between the step that begins a round and the first message of that round.
 *   So a round of the number read here, or a higher one, begins after the reading.
 */
import type { ReplOffset } from '../../core/scalars.ts';
import type { ReignWatch } from '../strong/ports.ts';
import { TwinPages } from './twin-pages.ts';

const REIGN = 0;
const COMMITTED = 1;
const CONFIRMED = 2;
const NEXT_ROUND = 3;
const EXECUTED = 4;
const LEASED_UNTIL_US = 5;
const REPLICAS_HOLDING = 6;
const COUNT = 7;
const US_PER_MS = 1000;

/** The round that is never confirmed: of a command that came when no reign was known. */
export const NEVER = Number.MAX_SAFE_INTEGER;

export function reignMemory(): SharedArrayBuffer {
  return TwinPages.memory(COUNT);
}

/** Of the thread with Raft. */
export class ReignWriter implements ReignWatch {
  readonly #pages: TwinPages;
  readonly #news: () => void;
  readonly #facts: number[] = Array.from({ length: COUNT }, () => 0);

  /** `news` is called when a reply may leave that could not before. */
  constructor(memory: SharedArrayBuffer, news: () => void) {
    this.#pages = new TwinPages(memory, COUNT);
    this.#news = news;
  }

  get reign(): number {
    return this.#facts[REIGN] as number;
  }

  /** What was said since the last reign ended is of this one. */
  open(reign: number): void {
    this.#facts[REIGN] = reign;
    this.#pages.publish(this.#facts);
  }

  /** The reign is over for ever. */
  end(): void {
    this.#facts.fill(0);
    this.#pages.publish(this.#facts);
  }

  began(next: number): void {
    this.#set(NEXT_ROUND, next);
  }

  executed(offset: ReplOffset): void {
    this.#set(EXECUTED, offset);
  }

  committed(offset: ReplOffset): void {
    if (this.#set(COMMITTED, offset)) this.#news();
  }

  confirmed(round: number): void {
    if (this.#set(CONFIRMED, round)) this.#news();
  }

  leased(untilMs: number): void {
    if (this.#set(LEASED_UNTIL_US, Math.floor(untilMs * US_PER_MS))) this.#news();
  }

  replicasHolding(count: number): void {
    this.#set(REPLICAS_HOLDING, count);
  }

  /** True when it was published. */
  #set(fact: number, value: number): boolean {
    if (this.#facts[fact] === value) return false;
    this.#facts[fact] = value;
    if (this.reign === 0) return false;
    this.#pages.publish(this.#facts);
    return true;
  }
}

/** Of a thread that serves clients. Facts are those of the last `look`, all of one moment. */
export class ReignReader {
  readonly #pages: TwinPages;
  readonly #facts: number[] = Array.from({ length: COUNT }, () => 0);

  constructor(memory: SharedArrayBuffer) {
    this.#pages = new TwinPages(memory, COUNT);
  }

  look(): void {
    this.#pages.read(this.#facts);
  }

  /** 0: none is open. */
  get reign(): number {
    return this.#facts[REIGN] as number;
  }

  get committed(): ReplOffset {
    return this.#facts[COMMITTED] as ReplOffset;
  }

  get confirmed(): number {
    return this.#facts[CONFIRMED] as number;
  }

  /** 0: nobody leads. */
  get nextRound(): number {
    return this.#facts[NEXT_ROUND] as number;
  }

  get hasUncommitted(): boolean {
    return (this.#facts[EXECUTED] as number) > (this.#facts[COMMITTED] as number);
  }

  get leasedUntilMs(): number {
    return (this.#facts[LEASED_UNTIL_US] as number) / US_PER_MS;
  }

  /** What `WAIT` is answered; 0 while none is open. */
  get replicasHolding(): number {
    return this.#facts[REPLICAS_HOLDING] as number;
  }
}
