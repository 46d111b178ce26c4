/** How far a move of slots is: a line now and then, with the rate and the time that is left. */

import type { Moved } from '../../cluster.ts';
import { durationText } from '../../durations.ts';
import type { Terminal } from '../terminal.ts';

const LINE_MS = 1_000;

export class Progress {
  readonly #slotsAll: number;
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #beginMs: number;
  #shownMs: number;
  #slots = 0;
  #keys = 0;
  #state = '';

  constructor(slotsAll: number, terminal: Terminal, now: () => number = () => performance.now()) {
    this.#slotsAll = slotsAll;
    this.#terminal = terminal;
    this.#now = now;
    this.#beginMs = now();
    this.#shownMs = this.#beginMs;
  }

  add({ slots, keys, state = '' }: Moved): void {
    this.#slots += slots;
    this.#keys += keys;
    this.#state = state;
    const now = this.#now();
    if (now - this.#shownMs < LINE_MS) return;
    this.#shownMs = now;
    this.#line();
  }

  end(): void {
    this.#state = '';
    if (this.#slotsAll > 0) this.#line();
  }

  #line(): void {
    const seconds = Math.max(0.001, (this.#now() - this.#beginMs) / 1_000);
    const left = this.#slotsAll - this.#slots;
    const secondsLeft = Math.ceil((left * seconds) / this.#slots);
    const rest =
      left === 0
        ? `in ${seconds.toFixed(1)} s`
        : Number.isFinite(secondsLeft)
          ? `about ${durationText(secondsLeft * 1_000)} left`
          : 'time left unknown';
    const state = this.#state === '' ? '' : ` (${this.#state})`;
    this.#terminal.out(
      `moved ${this.#slots} of ${this.#slotsAll} slots, ${this.#keys} keys, ` +
        `${Math.round(this.#keys / seconds)} keys/s, ${rest}${state}\n`,
    );
  }
}
