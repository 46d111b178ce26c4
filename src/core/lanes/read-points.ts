/**
 * From when on the own server, which follows, may answer a read: points that it reaches.
 *
 * Points are numbered as they begin. One that is reached says: the server has applied all that had
 * been acknowledged to anybody, anywhere, when the point began. So a read that must see what its
 * connection has seen, or what anybody has, waits for a point that begins later: `next`.
 *
 * One point is under way at a time, and what is wanted meanwhile shares the next one. What was
 * reached stays reached: this node answers no read from a server that is behind what it has shown.
 */

/** Who waits for a point. It looks for itself whether it is far enough. */
export interface PointWaiter {
  onReadPoint(): void;
}

export class ReadPoints {
  readonly #begin: (reached: () => void) => void;
  #begun = 0;
  #reached = 0;
  #wanted = 0;
  #isUnderWay = false;
  /** Counts what was given up: word of it is late. */
  #round = 0;
  #waiting = new Set<PointWaiter>();

  /** `begin` calls `reached` once, later, or never where `giveUp` follows. */
  constructor(begin: (reached: () => void) => void) {
    this.#begin = begin;
  }

  /** A point numbered so, or higher, begins after now. */
  get next(): number {
    return this.#begun + 1;
  }

  isReached(point: number): boolean {
    return point <= this.#reached;
  }

  /** `waiter` is told when `point`, which is no later than `next`, may be reached. */
  want(point: number, waiter: PointWaiter): void {
    this.#waiting.add(waiter);
    this.#wanted = Math.max(this.#wanted, point);
    this.#go();
  }

  /** The server follows no more. Who still wants a point wants it again. */
  giveUp(): void {
    this.#round += 1;
    this.#isUnderWay = false;
    this.#wanted = 0;
    this.#waiting = new Set();
  }

  #go(): void {
    if (this.#isUnderWay || this.#wanted <= this.#reached) return;
    this.#isUnderWay = true;
    this.#begun += 1;
    const point = this.#begun;
    const round = this.#round;
    this.#begin(() => {
      if (round === this.#round) this.#arrived(point);
    });
  }

  #arrived(point: number): void {
    this.#isUnderWay = false;
    this.#reached = point;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const waiter of waiting) waiter.onReadPoint();
    this.#go();
  }
}
