/** How many sessions there are in all threads together: a bound that is not divided among them. */

export class Seats {
  readonly #word: Int32Array;
  readonly #max: number;

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, max: number) {
    this.#word = new Int32Array(memory);
    this.#max = max;
  }

  /** False when all are taken. */
  take(): boolean {
    if (Atomics.add(this.#word, 0, 1) < this.#max) return true;
    this.leave();
    return false;
  }

  leave(): void {
    Atomics.sub(this.#word, 0, 1);
  }
}
