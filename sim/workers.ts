/**
 * Seeds on every core: each worker is a process of its own that runs what it is sent. Seeds have
 * nothing in common, so who runs one changes nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { simulate } from './simulate.ts';
import type { Outcome } from './verdict.ts';

/** Fewer are not worth the start of a process. */
export const SEEDS_ALONE_MAX = 20;
/** Sent to a worker at a time: enough that it never waits, few enough that all end together. */
const BATCH = 8;

interface Work {
  readonly seeds: readonly number[];
  readonly steps: number;
}

/** Runs all, and tells of each in the order given. */
export async function simulateAll(
  seeds: readonly number[],
  steps: number,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  if (seeds.length <= SEEDS_ALONE_MAX) {
    for (const seed of seeds) tell(outcomeOf(seed, steps));
    return;
  }
  const told = inOrder(seeds, tell);
  const waiting = [...seeds];
  const workers = Array.from({ length: availableParallelism() }, () => drive(waiting, steps, told));
  await Promise.all(workers);
}

function outcomeOf(seed: number, steps: number): Outcome {
  const { failure, figures } = simulate({ seed, steps });
  return { seed, failure, figures };
}

function inOrder(
  seeds: readonly number[],
  tell: (outcome: Outcome) => void,
): (outcome: Outcome) => void {
  const early = new Map<number, Outcome[]>();
  let next = 0;
  return (outcome) => {
    early.set(outcome.seed, [...(early.get(outcome.seed) ?? []), outcome]);
    for (;;) {
      const ready = early.get(seeds[next] ?? -1)?.shift();
      if (ready === undefined) return;
      next += 1;
      tell(ready);
    }
  };
}

/** One worker, from its first batch to its last. */
function drive(waiting: number[], steps: number, tell: (outcome: Outcome) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(new URL('./workers.ts', import.meta.url), ['worker']);
    let open = 0;
    const send = (): void => {
      const seeds = waiting.splice(0, BATCH);
      open = seeds.length;
      if (open === 0) child.disconnect();
      else child.send({ seeds, steps } satisfies Work);
    };
    child.on('message', (outcome: Outcome) => {
      tell(outcome);
      open -= 1;
      if (open === 0) send();
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && open === 0) resolve();
      else reject(new Error(`a worker ended with ${code}, and ${open} seeds unanswered`));
    });
    send();
  });
}

function work(): void {
  process.on('message', ({ seeds, steps }: Work) => {
    for (const seed of seeds) process.send?.(outcomeOf(seed, steps));
  });
}

if (import.meta.main && process.argv[2] === 'worker') work();
