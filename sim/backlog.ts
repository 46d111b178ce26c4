/**
 * What waits for somebody who does not run now, as one queue per connection. Whoever wakes up looks
 * at its connections in any order, but reads each from the front.
 */
import type { Chance } from './time.ts';

/** Taken from one queue at a time: now and then much of one kind comes before any other. */
const RUN_MAX = 20;

export class Backlog {
  readonly #chance: Chance;
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  lengthOf(source: string): number {
    return this.#queues.get(source)?.length ?? 0;
  }

  add(source: string, run: () => void): void {
    const queue = this.#queues.get(source);
    if (queue === undefined) this.#queues.set(source, [run]);
    else queue.push(run);
  }

  clear(): void {
    this.#queues.clear();
  }

  /** Takes everything that waits, run by run, while `perform` says true. */
  drain(perform: (run: () => void) => boolean): void {
    const sources = [...this.#queues];
    this.#queues.clear();
    while (sources.length > 0) {
      const at = this.#chance.below(sources.length);
      const queue = (sources[at] as (typeof sources)[number])[1];
      for (const run of queue.splice(0, this.#chance.between(1, RUN_MAX)))
        if (!perform(run)) return;
      if (queue.length === 0) sources.splice(at, 1);
    }
  }
}
