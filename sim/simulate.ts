/**
 * A seed's run from its beginning to its verdict. Everything follows from the seed: called twice it
 * gives the same log, byte for byte.
 */
import type { Verdict } from './verdict.ts';
import { World, type WorldOptions } from './world.ts';

/** Events in the phase of faults. */
export const STEPS_DEFAULT = 12_000;

export interface SimulateOptions extends WorldOptions {
  readonly steps: number;
}

export function simulate(options: SimulateOptions): Verdict {
  const world = new World(options);
  let failure: string | null = null;
  let stack: string | null = null;
  try {
    world.run(options.steps);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    failure = `${error.name}: ${error.message}`;
    stack = error.stack ?? null;
  }
  return { seed: options.seed, failure, stack, figures: world.figures(), report: world.report };
}
