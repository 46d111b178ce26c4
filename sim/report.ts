/**
 * The event log of a run: one line per event, its columns explained in docs/SIMULATOR.md.
 *
 * Off, it costs a comparison per event: a failing seed is run again with the log on, which gives
 * the same events.
 */

/** The last lines that a failure shows. */
export const TAIL_LINES = 60;

export class Report {
  readonly on: boolean;
  readonly #lines: string[] = [];
  readonly #print: ((line: string) => void) | null;

  constructor(on: boolean, print: ((line: string) => void) | null) {
    this.on = on;
    this.#print = print;
  }

  line(nowUs: number, sequence: number, who: string, what: string): void {
    if (!this.on) return;
    const whole = Math.floor(nowUs / 1_000_000);
    const seconds = `${whole}.${String(nowUs % 1_000_000).padStart(6, '0')}`.padStart(11);
    const line = `${seconds} ${String(sequence).padStart(7)} ${who.padEnd(12)} ${what}`;
    this.#lines.push(line);
    this.#print?.(line);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  tail(): readonly string[] {
    return this.#lines.slice(-TAIL_LINES);
  }
}
