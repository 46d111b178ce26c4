/**
 * Virtual time and seeded chance.
 *
 * Time is a count of microseconds that only the queue moves. Events run one by one, ordered by
 * (time, sequence): two events of the same microsecond run in the order in which they were made.
 * Chance comes from named streams of one seed, so that one subsystem which draws more often does
 * not change what the others see.
 */
import { assert } from '../src/assert.ts';

interface Planned {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
}

/** More events waiting than this means that something feeds itself. */
const WAITING_MAX = 200_000;

function earlier(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** The one queue of events: a binary heap. */
export class Timeline {
  #nowUs = 0;
  #sequence = 0;
  #ran = 0;
  readonly #heap: Planned[] = [];

  get nowUs(): number {
    return this.#nowUs;
  }

  /** How many events have run. */
  get ran(): number {
    return this.#ran;
  }

  get waiting(): number {
    return this.#heap.length;
  }

  after(delayUs: number, run: () => void): void {
    assert(Number.isSafeInteger(delayUs) && delayUs >= 0, 'a delay is a whole number of us');
    assert(this.#heap.length < WAITING_MAX, 'too many events are waiting');
    this.#sequence += 1;
    this.#push({ at: this.#nowUs + delayUs, sequence: this.#sequence, run });
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const next = this.#pop();
    if (next === undefined) return false;
    this.#nowUs = next.at;
    this.#ran += 1;
    next.run();
    return true;
  }

  #push(event: Planned): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Planned;
      if (!earlier(event, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = event;
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && earlier(heap[right] as Planned, heap[child] as Planned)) {
        child = right;
      }
      if (!earlier(heap[child] as Planned, last)) break;
      heap[place] = heap[child] as Planned;
      place = child;
    }
    heap[place] = last;
    return top;
  }
}

/** One stream of chance: sfc32 (Doty-Humphrey, PractRand), keyed by seed and name. */
export class Chance {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number, name: string) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a whole number');
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.#c = fnv1a(name);
    for (let warm = 0; warm < 12; warm += 1) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 <= x < bound. The bias of the modulus does not matter here. */
  below(bound: number): number {
    assert(bound > 0, 'a bound is positive');
    return this.uint32() % bound;
  }

  /** Both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  permille(share: number): boolean {
    return this.below(1000) < share;
  }

  pick<T>(among: readonly T[]): T {
    return among[this.below(among.length)] as T;
  }

  /** Fisher and Yates; the argument stays as it is. */
  shuffled<T>(among: readonly T[]): T[] {
    const copy = [...among];
    for (let left = copy.length; left > 1; left -= 1) {
      const other = this.below(left);
      const kept = copy[left - 1] as T;
      copy[left - 1] = copy[other] as T;
      copy[other] = kept;
    }
    return copy;
  }
}

/** FNV-1a over the text's UTF-16 units: for fingerprints inside one run, nothing else. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
