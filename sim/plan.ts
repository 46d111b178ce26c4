/**
 * What a seed decides before the first event: the deployment, its weather and load, and which kinds
 * of fault it turns on (swarm testing: Groce et al., ISSTA 2012).
 *
 * Every seed leaves most kinds of fault out, because a run in which everything breaks at once
 * rarely gets anywhere interesting.
 */
import type { ReadsMode } from '../src/core/reads-mode.ts';
import type { Weather } from './network.ts';
import type { FlavorName } from './server/flavor.ts';
import type { Chance } from './time.ts';
import { KINDS, type Kind } from './workload.ts';

export const FAULT_KINDS = [
  'crash',
  'crashAtEffect',
  'crashAfterPromise',
  'crashAll',
  'pause',
  'freeze',
  'isolate',
  'halves',
  'oneWay',
  'oneLink',
  'ring',
  'healLinks',
  'slowDisk',
  'fullDisk',
  'failingDisk',
  'rot',
  'wipe',
  'peerLost',
  'handOver',
  'copyJoins',
  'weather',
  'serverCrash',
  'serverHang',
  'breakClient',
  'oust',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Everything about a run that its seed decides before the first event. */
export interface Plan {
  readonly voters: number;
  /** So many of the voters, the last ones, are witnesses. */
  readonly witnesses: number;
  /** Who answers reads. But for `leader`, nodes pass on what is not theirs to answer. */
  readonly reads: ReadsMode;
  /** Clients that ask for local reads, by READONLY, where others' are linearizable. */
  readonly localClients: number;
  readonly weather: Weather;
  readonly faults: readonly FaultKind[];
  readonly gapMaxUs: number;
  readonly outageMaxUs: number;
  /** The same in events. */
  readonly gapEventsMax: number;
  readonly outageEventsMax: number;
  /** One per voter: by how much its monotonic clock is slow, in thousandths. */
  readonly slowPermille: readonly number[];
  /** One per voter: about 25 ms by its own clock. */
  readonly tickUs: readonly number[];
  /** Whether reads are answered by lease. Clocks keep the bound that leases have then. */
  readonly leases: boolean;
  readonly electionTicksMax: number;
  readonly syncMaxUs: number;
  /** Whether broken connections are noticed at once. */
  readonly hints: boolean;
  readonly flavor: FlavorName;
  /** One per voter: how far its wall clock is off. */
  readonly clockMs: readonly number[];
  readonly clients: number;
  /** The others only read: under writes a deposed leader answers nobody, whatever it believes. */
  readonly writePermille: number;
  /** Whether somebody reads from every node all the time. */
  readonly probes: boolean;
  /** Between two of them of one reader. */
  readonly probeMaxUs: number;
  /** So many write much at once: what one session may have on a lane is bounded. */
  readonly floods: number;
  readonly thinkMaxUs: number;
  /** A client waits so long for an answer. */
  readonly patienceUs: number;
  readonly kinds: readonly Kind[];
  /** Of each kind. */
  readonly keys: number;
  readonly fillerMax: number;
  /** How slow a connection to a server or a client may be: each is given one of them. */
  readonly lineDelaysUs: readonly number[];
  /** The log is compacted when it is longer than this. */
  readonly logLimitBytes: number;
  readonly segmentBytes: number;
  readonly logHardBytesMin: number;
  /** A leader waits so long for a follower's snapshot. */
  readonly aloneTicks: number;
  readonly batchBytes: number;
  readonly windowBytes: number;
  readonly uncommittedBytes: number;
  readonly heldBytes: number;
  readonly levelSlackBytes: number;
  readonly chunkBytes: number;
  /** Of the sessions so many share connections to the server. */
  readonly lanesPermille: number;
  readonly lanesMax: number;
  readonly ownConnectionsMax: number;
  /** On their way to one client. */
  readonly replyBytesMax: number;
  /** A command that has come in part waits up to this. */
  readonly gatherBytesMax: number;
}

export const TICK_US = 25_000;
/** What `agent/strong/lease.ts` asks of clocks: their speeds differ by less than a tenth. */
const LEASE_SLOW_PERMILLE = [-45, 0, 45];
/** Of the runs with leases, in so many one clock is slow and all others are fast. */
const LEASE_WORST_PERMILLE = 800;
/** And a tick comes at most so early. */
const LEASE_EARLY_US_MAX = 1_000;
const LEASE_EARLY_US = [0, LEASE_EARLY_US_MAX];
const LEASES_PERMILLE = 450;
/** Close to the least, so that somebody is elected as soon as promises have ended. */
const ELECTION_TICKS_SOON = 32;
/** Of the runs with leases. */
const CALM_PERMILLE = 350;
const FLOODERS_MAX = 4;
/** Bounds matter only where somebody sends more than is answered. */
const FLOOD_PERMILLE = 400;
/** As the agent divides its limit: compaction drops whole segments. */
const SEGMENTS_PER_LIMIT = 4;
const SEGMENT_BYTES_MIN = 1_024;
/** The wall clock when a run begins: any would do. */
const CLOCK_MS = 1_000_000_000;

/** A run without faults would not be a test of anything: at least this many kinds are on. */
const KINDS_MIN = 2;
const KINDS_MAX = 7;
const FREEZE_PERMILLE = 250;
const FREEZE_LEASES_PERMILLE = 350;
/** With leases. */
const OUST_PERMILLE = 250;
const WITNESSES_PERMILLE = 250;
const READS_PERMILLE = 350;

export function planFor(chance: Chance): Plan {
  const plan = anyPlanFor(chance);
  return plan.leases && chance.permille(CALM_PERMILLE) ? calmed(plan, chance) : plan;
}

/** By chance of their own, so that the other seeds are what they were. */
export function withWitnesses(plan: Plan, chance: Chance): Plan {
  if (plan.voters < 3 || !chance.permille(WITNESSES_PERMILLE)) return plan;
  return { ...plan, witnesses: plan.voters === 5 ? chance.pick([1, 2]) : 1 };
}

/** The same. A follower is needed. */
export function withReads(plan: Plan, chance: Chance): Plan {
  if (plan.voters < 3 || !chance.permille(READS_PERMILLE)) return plan;
  const reads = chance.pick(['linearizable', 'linearizable', 'local'] as const);
  const localClients = reads === 'linearizable' ? chance.below(plan.clients) : 0;
  return { ...plan, reads, localClients };
}

/**
 * Leases matter only where a deployment works and time goes by: nothing happens but what they are
 * about, and little is written, so that whoever was cut off may still be elected.
 */
function calmed(plan: Plan, chance: Chance): Plan {
  const delayMaxUs = chance.pick([500, 2_000, 30_000]);
  return {
    ...plan,
    weather: { loss: 0, repeat: 0, delayMinUs: delayMaxUs / 10, delayMaxUs, ordered: true },
    faults: chance.pick([['freeze'], ['oust'], ['freeze', 'oust']] as const),
    electionTicksMax: ELECTION_TICKS_SOON,
    gapMaxUs: 1_000_000,
    gapEventsMax: 3_000,
    syncMaxUs: chance.pick([300, 2_000]),
    lineDelaysUs: [50, 200],
    writePermille: chance.pick([0, 20]),
    thinkMaxUs: 100_000,
    probes: true,
    probeMaxUs: 40_000,
    floods: 0,
  };
}

function anyPlanFor(chance: Chance): Plan {
  const voters = chance.pick([1, 3, 3, 3, 3, 5, 5, 4]);
  const clocks = clocksFor(chance, voters);
  const logLimitBytes = chance.pick([2_000, 4_000, 8_000, 40_000, 1_000_000]);
  return {
    voters,
    witnesses: 0,
    reads: 'leader',
    localClients: 0,
    weather: weatherFor(chance),
    faults: faultsFor(chance, clocks.leases),
    gapMaxUs: chance.pick([200_000, 1_000_000, 1_000_000, 4_000_000]),
    outageMaxUs: chance.pick([300_000, 2_000_000, 6_000_000]),
    gapEventsMax: chance.pick([500, 1_000, 3_000]),
    outageEventsMax: chance.pick([500, 2_000, 6_000]),
    ...clocks,
    syncMaxUs: chance.pick([300, 2_000, 20_000]),
    hints: chance.permille(600),
    flavor: chance.pick(['redis7', 'valkey8']),
    clockMs: Array.from({ length: voters }, () => CLOCK_MS + chance.between(-2_000, 2_000)),
    clients: chance.between(2, 6),
    writePermille: chance.pick([1000, 1000, 20]),
    probes: chance.permille(500),
    probeMaxUs: 100_000,
    floods: chance.permille(FLOOD_PERMILLE) ? chance.between(1, FLOODERS_MAX) : 0,
    thinkMaxUs: chance.pick([2_000, 20_000, 100_000]),
    patienceUs: chance.pick([100_000, 500_000, 2_000_000]),
    kinds: chance.shuffled(KINDS).slice(0, chance.between(1, KINDS.length)),
    keys: chance.between(2, 4),
    fillerMax: chance.pick([0, 0, 30, 400]),
    lineDelaysUs: chance.pick([
      [50, 200],
      [50, 500, 5_000],
      [20, 20, 20_000],
      [100, 2_000, 50_000],
    ]),
    logLimitBytes,
    logHardBytesMin: chance.pick([16_000, 64_000, 1_000_000]),
    aloneTicks: chance.pick([0, 10, 100]),
    segmentBytes: Math.max(SEGMENT_BYTES_MIN, logLimitBytes / SEGMENTS_PER_LIMIT),
    batchBytes: chance.pick([256, 4_096, 65_536]),
    windowBytes: chance.pick([1_024, 16_384, 262_144]),
    uncommittedBytes: chance.pick([256, 1_024, 4_096, 32_768, 1_048_576]),
    heldBytes: chance.pick([500, 20_000, 1_000_000]),
    levelSlackBytes: chance.pick([0, 200, 4_096]),
    chunkBytes: chance.pick([64, 512, 16_384]),
    lanesPermille: chance.pick([1000, 1000, 500, 0]),
    lanesMax: chance.pick([1, 256, 256]),
    ownConnectionsMax: chance.pick([1, 3, 1_000]),
    replyBytesMax: chance.pick([500, 1_000_000]),
    gatherBytesMax: chance.pick([0, 40, 16_384]),
  };
}

type Clocks = Pick<Plan, 'leases' | 'slowPermille' | 'tickUs' | 'electionTicksMax'>;

function clocksFor(chance: Chance, voters: number): Clocks {
  const leases = chance.permille(LEASES_PERMILLE);
  const drift = chance.pick([0, 20, 100, 300]);
  const slowest = leases && chance.permille(LEASE_WORST_PERMILLE) ? chance.below(voters) : null;
  const slowPermille = Array.from({ length: voters }, (_, at) => {
    if (slowest !== null) return at === slowest ? 45 : -45;
    return leases ? chance.pick(LEASE_SLOW_PERMILLE) : chance.between(-drift, drift);
  });
  const tickUs = slowPermille.map((slow) => {
    const earlyUs = leases ? chance.pick(LEASE_EARLY_US) : 0;
    const ownUs = TICK_US - (slowest === null ? earlyUs : LEASE_EARLY_US_MAX);
    return Math.floor((ownUs * (1000 + slow)) / 1000);
  });
  return {
    leases,
    slowPermille,
    tickUs,
    electionTicksMax: chance.pick([ELECTION_TICKS_SOON, 60, 60]),
  };
}

/** A leader that was deposed and does not know it is what most rules are about. */
function faultsFor(chance: Chance, leases: boolean): FaultKind[] {
  const kinds = chance.shuffled(FAULT_KINDS).slice(0, chance.between(KINDS_MIN, KINDS_MAX));
  if (
    chance.permille(leases ? FREEZE_LEASES_PERMILLE : FREEZE_PERMILLE) &&
    !kinds.includes('freeze')
  )
    kinds.push('freeze');
  if (leases && chance.permille(OUST_PERMILLE) && !kinds.includes('oust')) kinds.push('oust');
  return kinds;
}

export function weatherFor(chance: Chance): Weather {
  const delayMaxUs = chance.pick([500, 2_000, 2_000, 30_000, 200_000]);
  return {
    loss: chance.pick([0, 0, 0, 5, 50, 200]),
    repeat: chance.pick([0, 0, 20, 150]),
    delayMinUs: Math.floor(delayMaxUs / chance.pick([2, 10, 50])),
    delayMaxUs,
    ordered: chance.permille(500),
  };
}
