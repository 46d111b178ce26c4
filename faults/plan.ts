/**
 * What is done to the deployment, and when: everything drawn from the seed before it begins.
 *
 * Who leads is known only while it runs, so a strike may name the leader; all else is fixed, and
 * one seed gives one plan. Strikes of different kinds, and on different nodes, overlap.
 */
import type { Chance } from '../sim/time.ts';
import { PARTITIONS, type PartitionShape } from './partitions.ts';

/** A number is that node; `leader` is whoever leads just then, `follower` somebody who does not. */
export type Target = number | 'leader' | 'follower';
export type Part = 'agent' | 'server' | 'both';

export type Fault =
  | { readonly kind: 'kill'; readonly part: Part; readonly on: Target | 'all' }
  | { readonly kind: 'pause'; readonly part: Part; readonly on: Target | 'majority' }
  | {
      readonly kind: 'partition';
      readonly shape: PartitionShape;
      readonly on: Target;
      /** The nodes in the order in which the shape takes them, after the target. */
      readonly order: readonly number[];
    }
  | { readonly kind: 'island' }
  | {
      readonly kind: 'clock';
      /** `jump`: ahead or behind at once. `strobe`: to and fro. `drift`: faster or slower. */
      readonly how: 'jump' | 'strobe' | 'drift';
      readonly on: Target;
      readonly byMs: number;
    }
  | {
      readonly kind: 'disk-slow';
      readonly on: Target | 'all';
      readonly byMs: number;
      /** The leader dies while what it said may still be on its way to disks. */
      readonly kills: boolean;
    }
  | { readonly kind: 'disk-full' | 'disk-failing'; readonly on: Target }
  | {
      readonly kind: 'disk-unsynced';
      readonly on: Target | 'all';
      /** Syncs take so long before the power goes: there is more to lose. */
      readonly syncMs: number;
    }
  | { readonly kind: 'restart-storm'; readonly victims: readonly number[]; readonly gapMs: number }
  | { readonly kind: 'member-wipe' | 'member-remove'; readonly on: Target }
  | { readonly kind: 'scale'; readonly replicas: number };

export type FaultKind = Fault['kind'];

export interface Strike {
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: Fault;
}

/** About Jepsen's interval between faults, the mean of an even draw. */
const INTERVAL_MS = { least: 1_000, most: 4_000 };
/** Most strikes, of 1000, end before the next: without a majority nothing is there to be lost. */
const ALONE_PERMILLE = 700;
/** Clients connect and write before the first. */
const FIRST_MS = 2_000;
/** After so long everything rests for a moment, so that there is something to lose again. */
const CALM = { everyMs: 30_000, forMs: 5_000 };
const STORM_VICTIMS = 64;

const LASTS_MS: Readonly<Record<FaultKind, readonly [least: number, most: number]>> = {
  kill: [0, 4_000],
  pause: [200, 7_000],
  partition: [1_000, 9_000],
  island: [3_000, 8_000],
  clock: [1_000, 8_000],
  'disk-slow': [1_000, 6_000],
  'disk-full': [1_000, 5_000],
  'disk-failing': [200, 3_000],
  'disk-unsynced': [0, 3_000],
  'restart-storm': [4_000, 10_000],
  'member-wipe': [0, 0],
  'member-remove': [1_000, 5_000],
  scale: [500, 5_000],
};

export function planOf(
  kinds: readonly FaultKind[],
  { chance, nodes, seconds }: { chance: Chance; nodes: number; seconds: number },
): Strike[] {
  const strikes: Strike[] = [];
  const endMs = seconds * 1_000;
  let atMs = FIRST_MS;
  let calmMs = CALM.everyMs;
  while (kinds.length > 0 && atMs < endMs) {
    if (atMs >= calmMs) {
      atMs += CALM.forMs;
      calmMs = atMs + CALM.everyMs;
      continue;
    }
    const kind = chance.pick(kinds);
    const [least, most] = LASTS_MS[kind];
    const forMs = Math.min(chance.between(least, most), endMs - atMs);
    strikes.push({ atMs, forMs, fault: draw(kind, chance, nodes) });
    if (chance.permille(ALONE_PERMILLE)) atMs += forMs;
    atMs += chance.between(INTERVAL_MS.least, INTERVAL_MS.most);
  }
  return strikes;
}

function draw(kind: FaultKind, chance: Chance, nodes: number): Fault {
  const part = chance.pick<Part>(['agent', 'agent', 'server', 'both', 'both']);
  const on = chance.pick<Target>(['leader', 'leader', 'follower', chance.below(nodes)]);
  switch (kind) {
    case 'kill':
      return { kind, part, on: chance.permille(120) ? 'all' : on };
    case 'pause':
      return { kind, part, on: chance.permille(150) ? 'majority' : on };
    case 'partition':
      return { kind, shape: chance.pick(PARTITIONS), on, order: shuffled(chance, nodes) };
    case 'island':
      return { kind };
    case 'clock': {
      const size = chance.pick([100, 1_000, 10_000, 300_000]);
      const byMs = chance.between(1, size) * (chance.permille(500) ? 1 : -1);
      return { kind, how: chance.pick(['jump', 'jump', 'strobe', 'drift'] as const), on, byMs };
    }
    case 'disk-slow': {
      const byMs = chance.pick([5, 50, 300, 1_500]);
      return { kind, on: chance.permille(300) ? 'all' : on, byMs, kills: chance.permille(400) };
    }
    case 'disk-full':
    case 'disk-failing':
      return { kind, on };
    case 'disk-unsynced':
      return { kind, on: chance.permille(500) ? 'all' : on, syncMs: chance.pick([15, 30, 200]) };
    case 'restart-storm': {
      const victims = Array.from({ length: STORM_VICTIMS }, () => chance.below(nodes));
      return { kind, victims, gapMs: chance.between(400, 3_000) };
    }
    case 'member-wipe':
    case 'member-remove':
      return { kind, on };
    case 'scale':
      return { kind, replicas: chance.below(nodes - 1) };
  }
}

function shuffled(chance: Chance, count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = chance.below(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** In a few words, for the report. */
export function wordsFor(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'pause':
      return `${fault.kind} ${fault.part}`;
    case 'partition':
      return `partition ${fault.shape}`;
    case 'clock':
      return `clock ${fault.how} ${fault.byMs} ms`;
    case 'disk-slow':
      return `disk-slow ${fault.byMs} ms`;
    case 'scale':
      return `scale to ${fault.replicas} replicas`;
    default:
      return fault.kind;
  }
}
