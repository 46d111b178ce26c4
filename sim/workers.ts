/**
 * Seeds on every core: each worker is a process of its own that runs what it is sent. Seeds have
 * nothing in common, so who runs one changes nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { outcomeOf, type Run } from './simulate.ts';
import type { AnyOutcome } from './verdict.ts';

/** Fewer are not worth the start of a process. */
export const SEEDS_ALONE_MAX = 20;
/** Sent to a worker at a time: enough that it never waits, few enough that all end together. */
const BATCH = 8;

interface Work {
  readonly runs: readonly Run[];
  readonly steps: number | null;
}

/** Runs all, and tells of each in the order given. */
export async function simulateAll(
  runs: readonly Run[],
  steps: number | null,
  tell: (outcome: AnyOutcome) => void,
): Promise<void> {
  if (runs.length <= SEEDS_ALONE_MAX) {
    for (const run of runs) tell(outcomeOf(run, steps));
    return;
  }
  const told = inOrder(runs, tell);
  const waiting = [...runs];
  const workers = Array.from({ length: availableParallelism() }, () => drive(waiting, steps, told));
  await Promise.all(workers);
}

function inOrder(
  runs: readonly Run[],
  tell: (outcome: AnyOutcome) => void,
): (outcome: AnyOutcome) => void {
  const early = new Map<string, AnyOutcome[]>();
  const keyOf = ({ world, seed }: Run): string => `${world} ${seed}`;
  let next = 0;
  return (outcome) => {
    const key = keyOf(outcome);
    early.set(key, [...(early.get(key) ?? []), outcome]);
    for (;;) {
      const due = runs[next];
      const ready = due === undefined ? undefined : early.get(keyOf(due))?.shift();
      if (ready === undefined) return;
      next += 1;
      tell(ready);
    }
  };
}

/** One worker, from its first batch to its last. */
function drive(
  waiting: Run[],
  steps: number | null,
  tell: (outcome: AnyOutcome) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = fork(new URL('./workers.ts', import.meta.url), ['worker']);
    let open = 0;
    const send = (): void => {
      const runs = waiting.splice(0, BATCH);
      open = runs.length;
      if (open === 0) child.disconnect();
      else child.send({ runs, steps } satisfies Work);
    };
    child.on('message', (outcome: AnyOutcome) => {
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
  process.on('message', ({ runs, steps }: Work) => {
    for (const run of runs) {
      // Without its log, and whatever else it holds.
      const { stack: _, report: __, ...outcome } = outcomeOf(run, steps);
      process.send?.(outcome);
    }
  });
}

if (import.meta.main && process.argv[2] === 'worker') work();
