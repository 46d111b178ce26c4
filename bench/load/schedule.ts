/**
 * When the requests of an open loop are due: at a fixed rate, and in bursts of one tick where the
 * rate is too high for a tick each.
 *
 * A request is due by the schedule, not by when the generator came round to it: what the generator,
 * the target or the machine delays is counted as latency (no coordinated omission).
 */

/** Finer ticks cost the generator CPU that the targets need, two cores serving all. */
export const TICK_MS_MIN = 0.5;

export function tickMsOf(perSecond: number): number {
  return Math.max(TICK_MS_MIN, 1_000 / perSecond);
}

export class Schedule {
  readonly #beginMs: number;
  readonly #endMs: number;
  readonly #tickMs: number;
  readonly #perMs: number;
  #tick = 0;
  #given = 0;

  constructor({ beginMs, ms, perSecond }: { beginMs: number; ms: number; perSecond: number }) {
    this.#beginMs = beginMs;
    this.#endMs = beginMs + ms;
    this.#tickMs = tickMsOf(perSecond);
    this.#perMs = perSecond / 1_000;
  }

  /** Calls `due` for each request that is due by now and was not given before, in order. */
  takeDue(nowMs: number, due: (dueMs: number) => void): void {
    for (;;) {
      const dueMs = this.#beginMs + this.#tick * this.#tickMs;
      if (dueMs > nowMs || dueMs >= this.#endMs) return;
      this.#tick += 1;
      // Half a request above keeps a rate of one per tick from losing one to rounding.
      const wanted = Math.floor(this.#tick * this.#tickMs * this.#perMs + 0.5);
      for (; this.#given < wanted; this.#given++) due(dueMs);
    }
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#endMs;
  }
}
