/**
 * Wakes another thread, and only when it asked to be woken: however much there is news, one wake-up
 * is under way at most.
 *
 * The sleeper calls `listen`, then looks at what is shared, then sleeps. The other side changes
 * what is shared, then calls `ring`. Whichever comes first, either the look sees the change or the
 * ring finds somebody who listens: all accesses are atomic, and so in one order for both.
 */

export class Bell {
  readonly #word: Int32Array;

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  /** Wants to be woken, once. */
  listen(): void {
    Atomics.store(this.#word, 0, 1);
  }

  /** True when somebody listens: whoever rings must wake him. */
  ring(): boolean {
    return Atomics.exchange(this.#word, 0, 0) === 1;
  }
}
