/** How far keys are: a line now and then, with the rate and the time that is left. */
import { formatBytes } from '../bytes.ts';
import type { RestoreProgress } from '../dataset.ts';
import { durationText } from '../durations.ts';
import { printable, type Terminal } from './terminal.ts';

const LINE_MS = 1_000;
const WORDS = { put: 'put', compare: 'compared' } as const;

export class KeyProgress {
  readonly #keysAll: number;
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #phase: RestoreProgress['phase'] = 'put';
  #beginMs: number;
  #shownMs: number;
  /** Of this phase, since it began; a backup of several shards takes turns. */
  #keys = { put: 0, compare: 0 };
  #bytes = 0;
  #atBegin = 0;

  constructor(keysAll: number, terminal: Terminal, now: () => number = () => performance.now()) {
    this.#keysAll = keysAll;
    this.#terminal = terminal;
    this.#now = now;
    this.#beginMs = now();
    this.#shownMs = this.#beginMs;
  }

  add({ phase, keys, bytes }: RestoreProgress): void {
    if (phase !== this.#phase) this.#turn(phase);
    this.#keys[phase] += keys;
    this.#bytes += bytes;
    const now = this.#now();
    if (now - this.#shownMs < LINE_MS) return;
    this.#shownMs = now;
    this.#line();
  }

  end(): void {
    this.#line();
  }

  #turn(phase: RestoreProgress['phase']): void {
    this.#line();
    this.#phase = phase;
    this.#atBegin = this.#keys[phase];
    this.#bytes = 0;
    this.#beginMs = this.#now();
    this.#shownMs = this.#beginMs;
  }

  #line(): void {
    const done = this.#keys[this.#phase];
    if (done === 0) return;
    const seconds = Math.max(0.001, (this.#now() - this.#beginMs) / 1_000);
    const rate = (done - this.#atBegin) / seconds;
    const left = Math.max(0, this.#keysAll - done);
    const secondsLeft = Math.ceil(left / rate);
    const rest =
      left === 0
        ? `in ${seconds.toFixed(1)} s`
        : Number.isFinite(secondsLeft)
          ? `about ${durationText(secondsLeft * 1_000)} left`
          : 'time left unknown';
    const bytes = this.#bytes === 0 ? '' : `, ${formatBytes(Math.round(this.#bytes / seconds))}/s`;
    this.#terminal.out(
      `${WORDS[this.#phase]} ${done} of ${this.#keysAll} keys, ` +
        `${Math.round(rate)} keys/s${bytes}, ${rest}\n`,
    );
  }
}

export class LoadProgress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #shownMs: number;

  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#now = now;
    this.#shownMs = now();
  }

  at(path: string, percent: number): void {
    const now = this.#now();
    if (now - this.#shownMs < LINE_MS) return;
    this.#shownMs = now;
    this.#terminal.out(`loading ${printable(path)}: ${percent.toFixed(0)}%\n`);
  }
}
