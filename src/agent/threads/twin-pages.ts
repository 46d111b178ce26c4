/**
 * A few numbers in memory that threads share: one thread writes them, any other reads them as they
 * all were at one moment.
 *
 * There are two pages, and a count whose lowest bit names the one that is shown. The writer fills
 * the other one, then counts on. A reader takes the count, reads that page and looks at the count
 * again: if it is the same, the writer had not even begun to fill that page anew, for it does so
 * only after it has shown the other. So nobody waits for a writer that lost its core half way, and
 * a reader looks again only when something newer is there.
 *
 * Every access is atomic, and so in one order for all threads: plain loads may pass one another.
 * Limit: 2^32 publications during one look would be taken for none.
 */
import { assert } from '../../assert.ts';

const SHOWN = 0;
const HEAD_WORDS = 1;
/** A number is a safe integer of no sign: its low and its high half. */
const HALVES = 2;
const HALF = 2 ** 32;

export class TwinPages {
  readonly count: number;
  readonly #words: Int32Array;

  /** Memory for `count` numbers, all 0. */
  static memory(count: number): SharedArrayBuffer {
    const words = HEAD_WORDS + 2 * HALVES * count;
    return new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, count: number) {
    this.#words = new Int32Array(memory);
    this.count = count;
    assert(this.#words.length === HEAD_WORDS + 2 * HALVES * count, 'the memory fits its numbers');
  }

  /** Of the one thread that writes. */
  publish(numbers: readonly number[]): void {
    assert(numbers.length === this.count, 'all numbers are published together');
    const words = this.#words;
    const next = (Atomics.load(words, SHOWN) + 1) | 0;
    let at = this.#pageAt(next);
    for (const number of numbers) {
      assert(number >= 0 && Number.isSafeInteger(number), 'a shared number is a count');
      Atomics.store(words, at, (number % HALF) | 0);
      Atomics.store(words, at + 1, Math.floor(number / HALF));
      at += HALVES;
    }
    Atomics.store(words, SHOWN, next);
  }

  /** Fills `numbers` with what they all were at one moment during this call. */
  read(numbers: number[]): void {
    const words = this.#words;
    for (;;) {
      const shown = Atomics.load(words, SHOWN);
      const from = this.#pageAt(shown);
      for (let i = 0; i < this.count; i++) {
        const at = from + HALVES * i;
        numbers[i] = (Atomics.load(words, at) >>> 0) + HALF * Atomics.load(words, at + 1);
      }
      if (Atomics.load(words, SHOWN) === shown) return;
    }
  }

  #pageAt(count: number): number {
    return HEAD_WORDS + (count & 1) * HALVES * this.count;
  }
}
