/**
 * The lives of this node's server, counted from 1, and when the next one begins.
 *
 * A server that dies is started again at once; one that keeps dying, after pauses that grow, so
 * that a crash loop stays cheap and visible.
 */
const PAUSE_TICKS_MAX = 80;

export class Lives {
  #life = 0;
  #waitTicks = 0;
  #pauseTicks = 0;
  #soundTicks = 0;

  get life(): number {
    return this.#life;
  }

  begin(): number {
    this.#life += 1;
    this.#soundTicks = 0;
    return this.#life;
  }

  ended(): void {
    this.#waitTicks = this.#pauseTicks;
    this.#pauseTicks = Math.min(PAUSE_TICKS_MAX, this.#pauseTicks * 2 + 4);
  }

  /** One tick between two lives: true when the next one is due. */
  isDue(): boolean {
    if (this.#waitTicks > 0) this.#waitTicks -= 1;
    return this.#waitTicks === 0;
  }

  /** One tick in which the server did what it should. */
  sound(): void {
    this.#soundTicks += 1;
    if (this.#soundTicks > PAUSE_TICKS_MAX) this.#pauseTicks = 0;
  }
}
