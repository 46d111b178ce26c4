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
  outcomeOf(
    run: { readonly world: string; readonly seed: number },
    steps: number | null,
  ): {
    readonly failure: string | null;
    readonly figures: { readonly virtualUs: number };
  };
}

async function main([copy = '', world = '', from = '', to = '', steps = '', by = '']: string[]) {
  const url = pathToFileURL(join(copy, 'sim', 'simulate.ts')).href;
  const { outcomeOf } = (await import(url)) as Simulator;
  const meant = new RegExp(by);
  for (let seed = Number(from); seed <= Number(to); seed += 1) {
    const { failure, figures } = outcomeOf({ world, seed }, Number(steps) || null);
    const line: SeedLine = { seed, failure, virtualUs: figures.virtualUs };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    if (failure !== null && meant.test(failure)) return;
  }
}

if (import.meta.main) await main(process.argv.slice(2));
