/** The own generator from outside: its process, and what to do around the measured part. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Job, Outcome, Told } from './job.ts';

export class GeneratorError extends Error {
  override readonly name = 'GeneratorError';
}

const PROGRAM = join(import.meta.dirname, 'generator-main.ts');
/** Beside what the phase itself takes: connecting, warming up, draining, on a loaded machine. */
const PATIENCE_MS = 120_000;

export interface Around {
  /** Everything is connected and warm; the load begins when this resolves. */
  readonly begin: () => Promise<void> | void;
  /** The last answer is in. */
  readonly end: () => Promise<void> | void;
}

export async function generate(job: Job, around: Around, signal: AbortSignal): Promise<Outcome> {
  const ms = job.phase.kind === 'fill' ? 0 : job.phase.ms;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ms + job.warmUpMs + PATIENCE_MS)]);
  const args = ['--disable-warning=ExperimentalWarning', PROGRAM];
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal: limit,
  });
  let failure: Error | null = null;
  child.on('error', (error) => {
    failure = error;
  });
  child.stdin.on('error', () => {});
  child.stdin.write(`${JSON.stringify(job)}\n`);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const told = JSON.parse(line) as Told;
      if (told.kind === 'failed') throw new GeneratorError(`port ${job.port}: ${told.why}`);
      if (told.kind === 'ready') {
        await around.begin();
        child.stdin.write('go\n');
      } else {
        await around.end();
        return checked(told.outcome, job);
      }
    }
    throw failure ?? new GeneratorError('the generator ended without an outcome');
  } finally {
    child.kill('SIGKILL');
  }
}

/** A refusal is quick, and not what is measured. */
function checked(outcome: Outcome, job: Job): Outcome {
  if (outcome.refused > 0)
    throw new GeneratorError(`port ${job.port} refused: ${outcome.firstRefusal}`);
  return outcome;
}
