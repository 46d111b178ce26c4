/**
 * One life of one server, compared with the truth at the end of every unit that it executes.
 */
import type { Unit } from './server/engine.ts';
import type { Truth } from './truth.ts';
import { must } from './violation.ts';

interface Executed {
  readonly start: number;
  readonly bytes: Buffer;
  readonly digest: number;
}

export class ServerWatch {
  readonly #truth: Truth;
  readonly #who: string;
  /** Executed as primary and not committed yet: it may never be. */
  #ahead: Executed[] = [];
  /** Null until it is known. */
  #offset: number | null = null;
  /** What it executed from here on was not agreed on. */
  #strayedAt: number | null = null;
  #seenGrowths = 0;

  constructor(truth: Truth, who: string) {
    this.#truth = truth;
    this.#who = who;
  }

  /** An execution unit took effect. */
  executed(digest: number, { role, start, bytes }: Unit): void {
    const who = this.#who;
    if (this.#offset !== null)
      must(start === this.#offset, 'a server executes byte after byte', () => {
        return `${who} executes ${start} after ${this.#offset}`;
      });
    this.#offset = start + bytes.length;
    if (role === 'primary') this.#ahead.push({ start, bytes, digest });
    else this.#followed(start, bytes, digest);
  }

  /** A full sync has replaced all that it held. */
  loaded(digest: number, offset: number): void {
    must(offset <= this.#truth.length, 'a snapshot is of committed bytes', () => {
      return `${this.#who} was loaded at ${offset} of ${this.#truth.length}`;
    });
    this.#ahead = [];
    this.#strayedAt = null;
    this.#offset = offset;
    this.#truth.stateAt(this.#who, offset, digest);
  }

  #followed(start: number, bytes: Buffer, digest: number): void {
    const who = this.#who;
    const end = start + bytes.length;
    this.settle();
    const strayedAt = this.#ahead[0]?.start ?? this.#strayedAt;
    must(strayedAt === null, 'a deposed server goes on only if it stands exact', () => {
      return `${who} goes on at ${start}, it had strayed at ${strayedAt}`;
    });
    must(this.#truth.holds(start, bytes), 'nothing uncommitted on a follower', () => {
      return `${who} executes ${start}..${end} of ${this.#truth.length}`;
    });
    this.#truth.stateAt(who, end, digest);
  }

  /** True when all that it executed up to `offset` is what was agreed on. */
  isAgreed(offset: number): boolean {
    this.settle();
    const ahead = this.#ahead[0];
    return (ahead === undefined || ahead.start >= offset) && (this.#strayedAt ?? offset) >= offset;
  }

  /** Compares what was committed meanwhile. */
  settle(): void {
    if (this.#seenGrowths === this.#truth.growths) return;
    this.#seenGrowths = this.#truth.growths;
    while (this.#strayedAt === null) {
      const next = this.#ahead[0];
      if (next === undefined || next.start >= this.#truth.length) return;
      const end = next.start + next.bytes.length;
      // A unit of the server's may be two of the log's: SELECT goes before the first command.
      const known = Math.min(end, this.#truth.length) - next.start;
      if (!this.#truth.holds(next.start, next.bytes.subarray(0, known))) {
        this.#strayedAt = next.start;
        this.#ahead = [];
        return;
      }
      if (end > this.#truth.length) return;
      this.#ahead.shift();
      this.#truth.stateAt(this.#who, end, next.digest);
    }
  }
}
