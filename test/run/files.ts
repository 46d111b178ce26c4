/** Runs test files with node's own runner; one line per file, and the whole of each failure. */
import { run } from 'node:test';
import { inspect } from 'node:util';
import type { Leftovers } from './leftovers.ts';

export interface Counts {
  readonly tests: number;
  readonly suites: number;
  readonly pass: number;
  readonly fail: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
  /** Things left behind, and time that ran out. */
  readonly complaints: number;
}

export interface RunOptions {
  readonly cwd: string;
  readonly concurrency: number;
  readonly fileMs: number;
  /** When everything has to be over, as `Date.now()` tells time. */
  readonly end: number;
  readonly leftovers: Leftovers;
  readonly print: (line: string) => void;
}

const NONE: Counts = {
  tests: 0,
  suites: 0,
  pass: 0,
  fail: 0,
  cancelled: 0,
  skipped: 0,
  todo: 0,
  complaints: 0,
};
/** Of a failing file's own output; the end says the most. */
const OUTPUT_CHARACTERS = 8_000;
/** What a test measured, on one line: told also when all is well. */
const FIGURES = 'FIGURES ';
/** The longest that a timer takes; more would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Runs each file in a process of its own, `concurrency` at a time. */
export async function runFiles(files: readonly string[], options: RunOptions): Promise<Counts> {
  const waiting = [...files];
  const counts: Counts[] = [];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      counts.push(await runFile(file, options));
  };
  await Promise.all(Array.from({ length: options.concurrency }, lane));
  if (files.length === 0) return NONE;
  // While others run, a process without its parent may be anybody's.
  const culprits = files.length === 1 ? files[0] : `one of ${files.length} files`;
  const left = await options.leftovers.complaints(culprits ?? '');
  for (const each of left) options.print(`FAIL ${each}`);
  return sumOf([...counts, { ...NONE, complaints: left.length }]);
}

async function runFile(file: string, options: RunOptions): Promise<Counts> {
  const { cwd, print, end, fileMs } = options;
  const patience = Math.min(fileMs, end - Date.now(), TIMER_MS_MAX);
  if (patience <= 0) {
    print(`FAIL ${file}: not run, the time is over`);
    return { ...NONE, complaints: 1 };
  }
  const report = new Report(options);
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), patience);
  const stream = run({ cwd, files: [`${cwd}/${file}`], signal: over.signal });
  stream.on('test:stdout', ({ message }) => report.output(message));
  stream.on('test:stderr', ({ message }) => report.output(message));
  stream.on('test:fail', (event) => report.failed(event));
  stream.on('test:summary', (event) => report.summary(event));
  for await (const _ of stream);
  clearTimeout(timer);
  if (over.signal.aborted) report.complain(`${file}: ended after ${patience} ms`);
  return report.counts();
}

export function sumOf(all: readonly Counts[]): Counts {
  const keys = Object.keys(NONE) as (keyof Counts)[];
  const total = keys.map((key) => [key, all.reduce((sum, counts) => sum + counts[key], 0)]);
  return Object.fromEntries(total) as unknown as Counts;
}

/** As node's own runner ends, so that those who read its last lines find them. */
export function summaryLines(total: Counts, durationMs: number): string[] {
  const { complaints, ...counts } = total;
  const lines = Object.entries(counts).map(([name, n]) => `ℹ ${name} ${n}`);
  if (complaints > 0) lines.unshift(`FAIL: ${complaints} complaints about the tests, above`);
  return [...lines, `ℹ duration_ms ${durationMs}`];
}

interface Failure {
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly details: { readonly error: Error & { cause?: unknown; failureType?: unknown } };
}

interface Summary {
  readonly file?: string | undefined;
  readonly success: boolean;
  readonly duration_ms: number;
  readonly counts: Readonly<Record<string, number>>;
}

class Report {
  readonly #options: RunOptions;
  #output = '';
  #total: Counts = NONE;
  #complaints = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  output(message: string): void {
    this.#output = (this.#output + message).slice(-OUTPUT_CHARACTERS);
  }

  failed({ name, file, line, details }: Failure): void {
    const { error } = details;
    // A suite or a file that fails because of a test in it: the test itself was told.
    if (error.failureType === 'subtestsFailed') return;
    const cause = error.cause ?? error;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
    this.#options.print(`FAIL ${this.#short(file)}:${line ?? 0} ${name}\n${indented(text)}`);
  }

  summary({ file, success, duration_ms, counts }: Summary): void {
    if (file === undefined) {
      this.#total = { ...NONE, ...picked(counts), complaints: 0 };
      return;
    }
    const name = this.#short(file);
    const seconds = (duration_ms / 1000).toFixed(1);
    const tests = `${counts['tests']} tests, ${seconds} s`;
    this.#options.print(`${success ? 'ok  ' : 'FAIL'} ${name} (${tests})`);
    const measured = this.#output.split('\n').filter((line) => line.startsWith(FIGURES));
    if (!success && this.#output !== '') this.#options.print(indented(this.#output.trimEnd()));
    else for (const line of measured) this.#options.print(`    ${line}`);
  }

  complain(text: string): void {
    this.#complaints += 1;
    this.#options.print(`FAIL ${text}`);
  }

  counts(): Counts {
    return { ...this.#total, complaints: this.#complaints };
  }

  #short(file: string | undefined): string {
    return (file ?? '').replace(`${this.#options.cwd}/`, '');
  }
}

function picked(counts: Readonly<Record<string, number>>): Omit<Counts, 'complaints'> {
  return {
    tests: counts['tests'] ?? 0,
    suites: counts['suites'] ?? 0,
    pass: counts['passed'] ?? 0,
    fail: counts['failed'] ?? 0,
    cancelled: counts['cancelled'] ?? 0,
    skipped: counts['skipped'] ?? 0,
    todo: counts['todo'] ?? 0,
  };
}

function indented(text: string): string {
  return text.replace(/^/gm, '    ');
}
