/**
 * A seed's run from its beginning to its verdict. Everything follows from the seed: called twice it
 * gives the same log, byte for byte.
 */
import { EventualWorld } from './eventual/world.ts';
import { FoundingWorld } from './founding/world.ts';
import type { AnyVerdict, EventualVerdict, FoundingVerdict, Verdict } from './verdict.ts';
import { World, type WorldOptions } from './world.ts';

/** Events in the phase of faults. */
export const STEPS_DEFAULT = 12_000;
export const FOUNDING_STEPS_DEFAULT = 8_000;
export const EVENTUAL_STEPS_DEFAULT = 25_000;

/**
 * data: one strong deployment and its clients. founding: machines that are none yet. eventual: who
 * takes the writes of servers that replicate by themselves.
 */
export const WORLD_NAMES = ['data', 'founding', 'eventual'] as const;
export type WorldName = (typeof WORLD_NAMES)[number];

/** A seed means another run in each world. */
export interface Run {
  readonly world: WorldName;
  readonly seed: number;
}

export interface SimulateOptions extends WorldOptions {
  readonly steps: number;
}

export function simulate(options: SimulateOptions): Verdict {
  const world = new World(options);
  const broken = run(world, options.steps);
  return { seed: options.seed, ...broken, figures: world.figures(), report: world.report };
}

/** The same seed in the other world: what comes before there is any data. */
export function simulateFounding(options: SimulateOptions): FoundingVerdict {
  const world = new FoundingWorld(options);
  const broken = run(world, options.steps);
  return { seed: options.seed, ...broken, figures: world.figures(), report: world.report };
}

/** And in the third. */
export function simulateEventual(options: SimulateOptions): EventualVerdict {
  const world = new EventualWorld(options);
  const broken = run(world, options.steps);
  return { seed: options.seed, ...broken, figures: world.figures(), report: world.report };
}

/** `steps` null: as many as that world has by default. */
export function outcomeOf(
  { world, seed }: Run,
  steps: number | null,
  watch: Omit<WorldOptions, 'seed'> = {},
): AnyVerdict {
  if (world === 'data')
    return { world, ...simulate({ seed, steps: steps ?? STEPS_DEFAULT, ...watch }) };
  if (world === 'eventual')
    return {
      world,
      ...simulateEventual({ seed, steps: steps ?? EVENTUAL_STEPS_DEFAULT, ...watch }),
    };
  return { world, ...simulateFounding({ seed, steps: steps ?? FOUNDING_STEPS_DEFAULT, ...watch }) };
}

function run(world: { run(steps: number): void }, steps: number) {
  try {
    world.run(steps);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { failure: `${error.name}: ${error.message}`, stack: error.stack ?? null };
  }
  return { failure: null, stack: null };
}
