/**
 * What a seed decides before the first event: the machines, how late they come, whom they find, the
 * weather, and which kinds of fault are on.
 */
import type { Weather } from '../network.ts';
import { weatherFor } from '../plan.ts';
import type { Chance } from '../time.ts';

export const FOUNDING_FAULTS = [
  'crash',
  'crashAtEffect',
  'crashAfterPromise',
  'crashAll',
  'pause',
  'isolate',
  'halves',
  'oneWay',
  'ring',
  'healLinks',
  'slowDisk',
  'fullDisk',
  'failingDisk',
  'wipe',
  'absent',
  'leave',
  'dismiss',
  'scale',
  'handOver',
  'weather',
] as const;
export type FoundingFault = (typeof FOUNDING_FAULTS)[number];

export interface FoundingPlan {
  /** Machines that may found. */
  readonly founders: number;
  /** The fewest that do. More than half of all that there may ever be, but in careless runs. */
  readonly expect: number;
  /** What each of them expects, `expect` or more. */
  readonly expects: readonly number[];
  /** Machines that start as witnesses. The first never is one. */
  readonly witnesses: readonly boolean[];
  /** Until the next machine is started with other flags, at most; null: none is. */
  readonly mindGapMaxUs: number | null;
  /** Machines that only join. */
  readonly joiners: number;
  /** One machine calls itself like another. */
  readonly isClashing: boolean;
  /** Directories are lost before there is a deployment, and after it without regard. */
  readonly isCareless: boolean;
  /** They keep no directory, and leave when they are stopped. */
  readonly ephemeral: readonly boolean[];
  readonly startMaxUs: number;
  /** Until a machine that has started finds all others. */
  readonly findMaxUs: number;
  readonly weather: Weather;
  readonly faults: readonly FoundingFault[];
  readonly gapMaxUs: number;
  readonly outageMaxUs: number;
  readonly syncMaxUs: number;
  readonly slowPermille: readonly number[];
  readonly forgetAfterMs: number | null;
}

const FOUNDERS_MAX = 6;
const KINDS_MIN = 2;
const KINDS_MAX = 6;
const CLASH_PERMILLE = 120;
const CARELESS_PERMILLE = 100;
const EPHEMERAL_PERMILLE = 150;
const DRIFT_PERMILLE = 100;
const FLAGS_PERMILLE = 400;
const WITNESS_PERMILLE = 250;

/** By chance of their own, so that the other seeds are what they were. */
export function withFlags(plan: FoundingPlan, chance: Chance): FoundingPlan {
  const { founders, joiners, isClashing, isCareless } = plan;
  // Of two with one name either may be stopped: also the one that is never a witness.
  if (founders < 2 || isClashing || !chance.permille(FLAGS_PERMILLE)) return plan;
  const expect = chance.between(isCareless ? 1 : (founders >> 1) + 1, founders);
  return {
    ...plan,
    expect,
    expects: Array.from({ length: founders }, () => chance.between(expect, founders)),
    witnesses: Array.from(
      { length: founders + joiners },
      (_, at) => at > 0 && chance.permille(WITNESS_PERMILLE),
    ),
    mindGapMaxUs: chance.pick([null, 300_000, 1_500_000]),
  };
}

export function foundingPlanFor(chance: Chance): FoundingPlan {
  const founders = chance.pick([1, 2, 3, 3, 3, 4, 5, 5, FOUNDERS_MAX]);
  const isCareless = chance.permille(CARELESS_PERMILLE);
  const least = isCareless ? 1 : (founders >> 1) + 1;
  const joiners = chance.pick([0, 0, 1, 2]);
  const machines = founders + joiners;
  const kinds = chance.between(KINDS_MIN, KINDS_MAX);
  const expect = chance.permille(500) ? founders : chance.between(least, founders);
  return {
    founders,
    expect,
    expects: Array.from({ length: founders }, () => expect),
    witnesses: [],
    mindGapMaxUs: null,
    joiners,
    isClashing: machines > 1 && chance.permille(CLASH_PERMILLE),
    isCareless,
    ephemeral: Array.from({ length: machines }, () => chance.permille(EPHEMERAL_PERMILLE)),
    startMaxUs: chance.pick([1_000, 1_000_000, 5_000_000]),
    findMaxUs: chance.pick([1_000, 500_000, 4_000_000]),
    weather: weatherFor(chance),
    faults: chance.shuffled(FOUNDING_FAULTS).slice(0, kinds),
    gapMaxUs: chance.pick([300_000, 1_000_000, 4_000_000]),
    outageMaxUs: chance.pick([200_000, 2_000_000, 6_000_000]),
    syncMaxUs: chance.pick([200, 3_000, 40_000]),
    slowPermille: Array.from({ length: machines }, () =>
      chance.between(-DRIFT_PERMILLE, DRIFT_PERMILLE),
    ),
    forgetAfterMs: chance.pick([null, 10_000, 600_000]),
  };
}
