/** The last lines of what the server printed, for error messages. Each line is told, too. */

/** Enough for a bad directive or a refused start with its surroundings. */
const LINES_MAX = 40;
/** The server's lines are short; a longer one (a crash report) is cut. */
const LINE_CHARACTERS_MAX = 1_000;

export class OutputTail {
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  #partial = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(text: string): void {
    const parts = (this.#partial + text).split('\n');
    this.#partial = (parts.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    for (const part of parts) this.#add(part.trimEnd().slice(0, LINE_CHARACTERS_MAX));
  }

  /** The last lines, the newest last, without what only decorates. */
  lines(countMax: number): string[] {
    const rest = this.#partial.trim() === '' ? [] : [this.#partial.trim()];
    return [...this.#lines, ...rest].slice(-countMax);
  }

  #add(line: string): void {
    if (line.trim() === '') return;
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
    this.#onLine(line);
  }
}
