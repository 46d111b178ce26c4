/** Everything that clients asked, in the few words that figures need. */
import type { Outcome } from '../sim/check/history.ts';

export interface Seen {
  /** The workload. */
  readonly what: string;
  readonly node: number;
  /** Milliseconds since the run began. */
  readonly call: number;
  readonly end: number;
  readonly outcome: Outcome;
  readonly isWrite: boolean;
  /** May wait for something on purpose: no latency of ours. */
  readonly isBlocking: boolean;
  /** Why it is not ok. */
  readonly why: string;
}

/** Words that nobody expected, each once, with how often. */
export class Oddities {
  readonly #counts = new Map<string, number>();

  add(text: string): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
  }

  list(): string[] {
    return [...this.#counts].map(([text, count]) => `${text} (${count} times)`);
  }
}
