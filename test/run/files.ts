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

export interface TestFile {
  readonly path: string;
  /** A test that hangs is named, and the others still run. */
  readonly fileMs: number;
}

/** Whoever has time takes the next one from the front. */
export type Queue = TestFile[];

export interface RunOptions {
  readonly cwd: string;
  /** Each runs one file at a time, in a process of its own: all of its first queue, then on. */
  readonly lanes: readonly (readonly Queue[])[];
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

export async function runFiles(options: RunOptions): Promise<Counts> {
  const counts: Counts[] = [];
  const run = async (lane: readonly Queue[]): Promise<void> => {
    for (const queue of lane)
      for (let file = queue.shift(); file !== undefined; file = queue.shift())
        counts.push(await runFile(file, options));
  };
  await Promise.all(options.lanes.map(run));
  return sumOf(counts);
}

async function runFile({ path, fileMs }: TestFile, options: RunOptions): Promise<Counts> {
  const { cwd, print, end } = options;
  const patience = Math.min(fileMs, end - Date.now(), TIMER_MS_MAX);
  if (patience <= 0) {
    print(`FAIL ${path}: not run, the time is over`);
    return { ...NONE, complaints: 1 };
  }
  const report = new Report(options);
  const leftovers = options.leftovers.ofFile(path);
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), patience);
  const env = { ...process.env, ...leftovers.environment };
  const stream = run({ cwd, files: [`${cwd}/${path}`], signal: over.signal, env });
  stream.on('test:stdout', ({ message }) => report.output(message));
  stream.on('test:stderr', ({ message }) => report.output(message));
  stream.on('test:fail', (event) => report.failed(event));
  stream.on('test:summary', (event) => report.summary(event));
  for await (const _ of stream);
  clearTimeout(timer);
  if (over.signal.aborted) report.complain(`${path}: ended after ${patience} ms`);
  for (const each of await leftovers.complaints()) report.complain(each);
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
