/**
 * The child's part: runs the simulator of a copy, seed after seed, and writes one line of JSON per
 * seed. It ends when a failure is the one that was meant.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What one seed came to. */
export interface SeedLine {
  readonly seed: number;
  readonly failure: string | null;
  readonly virtualUs: number;
}

interface Simulator {
  readonly STEPS_DEFAULT: number;
  simulate(options: { readonly seed: number; readonly steps: number }): {
    readonly failure: string | null;
    readonly figures: { readonly virtualUs: number };
  };
}

async function main([copy = '', from = '', to = '', steps = '', caughtBy = '']: string[]) {
  const url = pathToFileURL(join(copy, 'sim', 'simulate.ts')).href;
  const { simulate, STEPS_DEFAULT } = (await import(url)) as Simulator;
  const meant = new RegExp(caughtBy);
  for (let seed = Number(from); seed <= Number(to); seed += 1) {
    const { failure, figures } = simulate({ seed, steps: Number(steps) || STEPS_DEFAULT });
    const line: SeedLine = { seed, failure, virtualUs: figures.virtualUs };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    if (failure !== null && meant.test(failure)) return;
  }
}

if (import.meta.main) await main(process.argv.slice(2));
