/** One sabotage on its copy, until the check that is meant for it has caught it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Copy, ROOT, sabotagedCopy } from './copy.ts';
import { PatchError, type Sabotage } from './patch.ts';
import type { SeedLine } from './seeds.ts';

/** One that survives this many shows a hole in the simulator. */
export const SEEDS_MAX = 200;
/** A seed takes about a second; one that takes this long hangs in one event. */
const SEED_MS_MAX = 60_000;
const TEST_MS_MAX = 180_000;
/** Other failures that are shown: enough to see what else a sabotage does. */
const OTHERS_MAX = 8;
/** The patch is wrong, and not what it breaks. */
const OWN_FAULT = /^(SyntaxError|ReferenceError|TypeError|RangeError)\b/;

export interface Trial {
  readonly name: string;
  readonly what: string;
  readonly breaks: string;
  readonly isCaught: boolean;
  /** Run so far, the one that caught it included; 0 when a test file shows it. */
  readonly seeds: number;
  /** The failure that caught it. */
  readonly failure: string | null;
  /** Failures that were not meant, and how many there were of each. */
  readonly others: Readonly<Record<string, number>>;
  /** What is wrong with the patch itself. */
  readonly fault: string | null;
  readonly virtualSeconds: number;
  readonly wallSeconds: number;
}

export interface TrialOptions {
  readonly from: number;
  readonly seedsMax: number;
}

export async function tryOut(sabotage: Sabotage, options: TrialOptions): Promise<Trial> {
  const begun = process.hrtime.bigint();
  const tally = new Tally(sabotage);
  await onCopy(sabotage, tally, async (copy) => {
    if (sabotage.shownBy === null) await runSeeds(sabotage, copy, options, tally);
    else await runTest(sabotage.shownBy, copy, tally);
  });
  return tally.trial(Number(process.hrtime.bigint() - begun) / 1e9);
}

/** Whether the sabotage's unit test fails, and which of its tests does. */
export async function tryUnit(sabotage: Sabotage, unit: string): Promise<Trial> {
  const begun = process.hrtime.bigint();
  const tally = new Tally({ ...sabotage, caughtBy: /^/ });
  await onCopy(sabotage, tally, (copy) => runTest(unit, copy, tally));
  return tally.trial(Number(process.hrtime.bigint() - begun) / 1e9);
}

/** The sources as they are: a check that catches these too catches nothing. */
export async function tryControl(options: TrialOptions): Promise<Trial> {
  const whole: Sabotage = {
    name: 'control',
    what: 'Nothing is broken.',
    breaks: 'nothing',
    caughtBy: /^/,
    world: 'data',
    steps: null,
    shownBy: null,
    unit: null,
    files: [],
  };
  return await tryOut(whole, options);
}

async function onCopy(
  sabotage: Sabotage,
  tally: Tally,
  act: (copy: string) => Promise<void>,
): Promise<void> {
  let copy: Copy | null = null;
  try {
    copy = sabotagedCopy(sabotage.files.length === 0 ? null : sabotage);
    await act(copy.directory);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    tally.fault = error.message;
  } finally {
    copy?.remove();
  }
}

class Tally {
  readonly #sabotage: Sabotage;
  #seeds = 0;
  #virtualUs = 0;
  #caught: string | null = null;
  readonly #others = new Map<string, number>();
  fault: string | null = null;

  constructor(sabotage: Sabotage) {
    this.#sabotage = sabotage;
  }

  get isOver(): boolean {
    return this.#caught !== null || this.fault !== null;
  }

  seed(line: SeedLine): void {
    this.#seeds += 1;
    this.#virtualUs += line.virtualUs;
    if (line.failure !== null) this.failed(line.failure);
  }

  failed(failure: string): void {
    if (this.isOver) return;
    if (this.#sabotage.caughtBy.test(failure)) this.#caught = failure;
    else if (OWN_FAULT.test(failure)) this.fault = `the patch crashes: ${failure}`;
    else {
      const rule = ruleOf(failure);
      if (this.#others.size < OTHERS_MAX || this.#others.has(rule))
        this.#others.set(rule, (this.#others.get(rule) ?? 0) + 1);
    }
  }

  trial(wallSeconds: number): Trial {
    const { name, what, breaks } = this.#sabotage;
    return {
      name,
      what,
      breaks,
      isCaught: this.#caught !== null && this.fault === null,
      seeds: this.#seeds,
      failure: this.#caught,
      others: Object.fromEntries(this.#others),
      fault: this.fault,
      virtualSeconds: this.#virtualUs / 1e6,
      wallSeconds,
    };
  }
}

/** `Violation: the rule: the details` */
export function ruleOf(failure: string): string {
  return failure.replace(/^(Violation|\w*Error): /, '').replace(/: .*/s, '');
}

async function runSeeds(
  sabotage: Sabotage,
  copy: string,
  { from, seedsMax }: TrialOptions,
  tally: Tally,
): Promise<void> {
  let next = from;
  const end = from + seedsMax - 1;
  while (next <= end && !tally.isOver) {
    const { caughtBy, world, steps } = sabotage;
    const file = join(ROOT, 'sabotage', 'seeds.ts');
    const args = [file, copy, world, `${next}`, `${end}`, `${steps ?? ''}`, caughtBy.source];
    const child = spawnBounded(args, ROOT);
    let isHung = false;
    const bound = new Bound(child, SEED_MS_MAX, () => {
      isHung = true;
    });
    const ended = endOf(child);
    for await (const line of createInterface({ input: child.stdout })) {
      bound.again();
      const seed = JSON.parse(line) as SeedLine;
      next = seed.seed + 1;
      tally.seed(seed);
    }
    const { code, told } = await ended;
    bound.clear();
    if (isHung) {
      tally.seed({ seed: next, failure: `hangs for ${SEED_MS_MAX / 1000} s`, virtualUs: 0 });
      next += 1;
    } else if (code !== 0 && !tally.isOver) {
      tally.fault = `the copy does not run: ${told.trim().split('\n').slice(-6).join(' ')}`;
    }
  }
}

const NOT_OK = /^\s*not ok \d+ - (.*)$/;

async function runTest(file: string, copy: string, tally: Tally): Promise<void> {
  const args = ['--test', '--test-isolation=none', '--test-reporter=tap', file];
  const child = spawnBounded(args, copy);
  const bound = new Bound(child, TEST_MS_MAX, () => tally.failed(`${file} hangs`));
  const ended = endOf(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const failed = NOT_OK.exec(line)?.[1];
    if (failed !== undefined) tally.failed(failed);
  }
  await ended;
  bound.clear();
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** One process without children of its own, which ends with this one. */
function spawnBounded(args: readonly string[], cwd: string): Child {
  // A test runner inside a test runner would not run anything; nobody comes back to compiled copies.
  const { NODE_TEST_CONTEXT: _, NODE_COMPILE_CACHE: __, ...rest } = process.env;
  const env = { ...rest, ALTHING_SABOTAGE_RUNNER: `${process.pid}` };
  const all = ['--import', join(ROOT, 'sabotage', 'bounded.ts'), ...args];
  const child = spawn(process.execPath, all, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (): void => {
    child.kill('SIGKILL');
  };
  process.on('exit', end);
  child.on('close', () => process.off('exit', end));
  return child;
}

/** Ends a child that says nothing for too long. */
class Bound {
  readonly #timer: NodeJS.Timeout;

  constructor(child: Child, ms: number, onOver: () => void) {
    this.#timer = setTimeout(() => {
      onOver();
      child.kill('SIGKILL');
    }, ms);
  }

  again(): void {
    this.#timer.refresh();
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

function endOf(child: Child): Promise<{ code: number | null; told: string }> {
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told = (told + text).slice(-4_000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, told }));
  });
}
