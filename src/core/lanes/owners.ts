/**
 * Who has a connection of its own to the local server, the oldest first. Beyond a number of them
 * one that could do without gives its own back for each that is opened.
 */
export interface Owner {
  /** Gives up that connection if it can do so now. */
  giveBack(): boolean;
}

/** How many are asked when one more is opened. */
const LOOKS = 8;

export class Owners<S extends Owner> {
  readonly #owning = new Set<S>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#owning.size;
  }

  opened(session: S): void {
    this.#owning.add(session);
    if (this.#owning.size <= this.#most) return;
    let looks = 0;
    for (const owner of this.#owning) {
      looks += 1;
      if (looks > LOOKS || owner.giveBack()) return;
    }
  }

  closed(session: S): void {
    this.#owning.delete(session);
  }
}
