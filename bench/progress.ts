/** Tells people how far it is, and how long it will be. */

export class Progress {
  readonly #say: (line: string) => void;
  readonly #nowMs: () => number;
  readonly #beganMs: number;
  #done = 0;
  #steps = 0;

  constructor(say: (line: string) => void, nowMs: () => number) {
    this.#say = say;
    this.#nowMs = nowMs;
    this.#beganMs = nowMs();
  }

  /** There is more to do than was known before. */
  expect(steps: number): void {
    this.#steps += steps;
  }

  say(line: string): void {
    this.#say(line);
  }

  /** A step is done, or `steps` that are not going to be. */
  step(line: string, steps = 1): void {
    this.#done += steps;
    const elapsedMs = this.#nowMs() - this.#beganMs;
    const left = Math.max(0, this.#steps - this.#done);
    const leftMs = (elapsedMs / Math.max(1, this.#done)) * left;
    const width = String(this.#steps).length;
    const how = `${String(this.#done).padStart(width)}/${this.#steps}`;
    const time = `${clock(elapsedMs)}, ${left === 0 ? 'last' : `${clock(leftMs)} left`}`;
    this.#say(`[${how}  ${time}]  ${line}`);
  }
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((n) =>
    String(n).padStart(2, '0'),
  );
  const hours = Math.floor(seconds / 3_600);
  return hours === 0 ? parts.join(':') : `${hours}:${parts.join(':')}`;
}
