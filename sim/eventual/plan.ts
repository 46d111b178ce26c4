/** What a seed decides before the first event of the eventual world. */
import type { Weather } from '../network.ts';
import { weatherFor } from '../plan.ts';
import type { Chance } from '../time.ts';

export const EVENTUAL_FAULTS = [
  'killServer',
  'killAgent',
  'killWarden',
  'killAll',
  'power',
  'powerAll',
  'stopAgent',
  'stopServer',
  'isolate',
  'halves',
  'oneWay',
  'ring',
  'healLinks',
  'wipe',
  'handOver',
  /** Somebody appoints another, whatever the primary is at. */
  'force',
  'handOverControl',
  'slowDisk',
  'weather',
] as const;
export type EventualFault = (typeof EVENTUAL_FAULTS)[number];

export interface EventualPlan {
  readonly machines: number;
  readonly weather: Weather;
  readonly faults: readonly EventualFault[];
  readonly gapMaxUs: number;
  readonly outageMaxUs: number;
  readonly syncMaxUs: number;
  /** Of the clocks: two differ by less than a tenth. */
  readonly slowPermille: readonly number[];
  readonly priorities: readonly number[];
  readonly writeMaxUs: number;
  /** How late a warden may be. */
  readonly wardenLateMaxUs: number;
  /** Of faults that are about a node: so many hit the one that takes the writes. */
  readonly primaryPermille: number;
}

/** What is wanted of the deployment beside what every one has. */
export interface EventualWishes {
  /** Which machine brings data in; null: it begins with nothing. */
  readonly importer: number | null;
  /** At the founding, and what people change it to meanwhile; none: it stays. */
  readonly minReplicas: number;
  readonly minReplicasLater: readonly number[];
}

const IMPORTING_PERMILLE = 200;
const NEEDING_PERMILLE = 300;

/** By a chance of its own, so that every seed does what it did without wishes. */
export function wishesFor(chance: Chance, { machines, priorities }: EventualPlan): EventualWishes {
  const importer = chance.below(machines);
  const isImporting = chance.permille(IMPORTING_PERMILLE) && priorities[importer] !== 0;
  const number = (): number => chance.between(0, machines - 1);
  const isNeeding = chance.permille(NEEDING_PERMILLE);
  return {
    importer: isImporting ? importer : null,
    minReplicas: isNeeding ? number() : 0,
    minReplicasLater: isNeeding && chance.permille(500) ? [number(), number()] : [],
  };
}

const KINDS_MIN = 2;
const KINDS_MAX = 6;
const DRIFT_PERMILLE = 45;

export function eventualPlanFor(chance: Chance): EventualPlan {
  const machines = chance.pick([1, 2, 3, 3, 3, 3, 4, 5]);
  const kinds = chance.between(KINDS_MIN, KINDS_MAX);
  const shuffled = chance.shuffled(EVENTUAL_FAULTS).slice(0, kinds);
  // Nothing else replaces a primary whose lease may be alive as soon as that.
  const isForced = !shuffled.includes('force') && chance.permille(500);
  const faults: readonly EventualFault[] = isForced ? [...shuffled, 'force'] : shuffled;
  return {
    machines,
    weather: weatherFor(chance),
    faults,
    gapMaxUs: chance.pick([500_000, 2_000_000, 6_000_000]),
    outageMaxUs: chance.pick([300_000, 2_000_000, 5_000_000]),
    syncMaxUs: chance.pick([200, 3_000, 20_000]),
    slowPermille: Array.from({ length: machines }, () =>
      chance.pick([-DRIFT_PERMILLE, 0, DRIFT_PERMILLE]),
    ),
    priorities: Array.from({ length: machines }, (_, at) =>
      at > 0 && chance.permille(100) ? 0 : 100,
    ),
    writeMaxUs: chance.pick([5_000, 20_000, 100_000]),
    wardenLateMaxUs: chance.pick([100, 20_000, 60_000]),
    primaryPermille: chance.pick([300, 700]),
  };
}
