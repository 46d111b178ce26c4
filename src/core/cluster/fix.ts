/**
 * The plan that mends slots: for each that is open, nobody's, or owned twice, one *home*, to which
 * all of its keys go, and which all are told of. Keys decide before claims do: what a slot holds is
 * where most of it is. A move that was under way goes to its end when both sides still say so.
 *
 * Nothing is thrown away: who loses a slot keeps its keys until they have gone to the home, one by
 * one, and two values of one key stop that (`io/cluster`).
 */
import type { ClusterNodeId } from './nodes-text.ts';
import {
  claimantsOf,
  claimCounts,
  nameOf,
  nodeOf,
  type Observation,
  primariesOf,
  type SeenNode,
  slotsOfNode,
} from './observation.ts';
import { type Slot, slotsText } from './slots.ts';
import type { Step } from './steps.ts';

/** How many keys that node has in that slot; asked for the slots of `slotsToCount` only. */
export type KeyCounts = (node: ClusterNodeId, slot: Slot) => number;

export interface FixWish {
  /** Slots of primaries that do not answer go to others, and what only these have is lost. */
  readonly withUnreachable: boolean;
}

export interface FixPlan {
  readonly steps: readonly Step[];
  /** What was left alone, and why. */
  readonly refused: readonly string[];
}

/** What becomes of a slot. Slots with the same decision are mended together. */
interface Decision {
  readonly home: ClusterNodeId;
  /** Whose move to `home` is brought to its end. */
  readonly finish: ClusterNodeId | null;
  readonly disown: readonly ClusterNodeId[];
  readonly claim: boolean;
  readonly gather: readonly ClusterNodeId[];
  readonly close: readonly ClusterNodeId[];
}

/** Slots of which somebody says something that is not as it should be. */
export function slotsToCount(seen: Observation): Slot[] {
  const open = primariesOf(seen).flatMap(({ self }) => [
    ...self.migrating.keys(),
    ...self.importing.keys(),
  ]);
  const odd = [...claimCounts(seen).entries()].flatMap(([slot, by]) => (by === 1 ? [] : [slot]));
  return [...new Set([...open, ...odd])].sort((a, b) => a - b);
}

/** `slots` are those to look at: `slotsToCount`, or more where stray keys were looked for. */
export function planFix(
  seen: Observation,
  slots: readonly Slot[],
  keys: KeyCounts,
  { withUnreachable }: FixWish,
): FixPlan {
  const claimants = claimantsOf(seen);
  const fill = new Fill(seen);
  const refused: Slot[] = [];
  const groups = new Map<string, { decision: Decision; slots: Slot[] }>();
  for (const slot of slots) {
    const claims = claimants[slot] ?? [];
    const isLost = seen.missing.some((node) => node.slots.includes(slot));
    if (claims.length === 0 && isLost && !withUnreachable) {
      refused.push(slot);
      continue;
    }
    const decision = decide(seen, slot, claims, keys, fill);
    if (decision === null) continue;
    const key = JSON.stringify(decision);
    const group = groups.get(key) ?? { decision, slots: [] };
    group.slots.push(slot);
    groups.set(key, group);
  }
  const all = [...groups.values()];
  const stepsWhere = (claim: boolean): Step[] =>
    all
      .filter(({ decision }) => decision.claim === claim)
      .flatMap((group) => stepsOf(seen, group.decision, group.slots));
  const [claims, others] = [stepsWhere(true), stepsWhere(false)];
  // Keys move only where the cluster is up: first every slot has an owner.
  const between: Step[] =
    claims.length > 0 && others.length > 0 ? [{ kind: 'agree', nodes: [] }] : [];
  return {
    steps: [...claims, ...between, ...others],
    refused: refused.length === 0 ? [] : [refusal(seen, refused)],
  };
}

function refusal({ missing }: Observation, slots: readonly Slot[]): string {
  const owners = missing.filter((node) => node.slots.some((slot) => slots.includes(slot)));
  return (
    `slots ${slotsText(slots)} are of ${owners.map(nameOf).join(', ')}, which does not answer: ` +
    'what they hold would be lost. Start it, or let its replica take over ' +
    '(althing cluster failover REPLICA --force, or --takeover); to give the slots to others ' +
    'without their keys: --fix-with-unreachable-primaries'
  );
}

function decide(
  seen: Observation,
  slot: Slot,
  claims: readonly ClusterNodeId[],
  keys: KeyCounts,
  fill: Fill,
): Decision | null {
  const primaries = primariesOf(seen);
  const holders = primaries
    .filter(({ id }) => keys(id, slot) > 0)
    .sort((a, b) => keys(b.id, slot) - keys(a.id, slot));
  const giving = primaries.filter(({ self }) => self.migrating.has(slot));
  const taking = primaries.filter(({ self }) => self.importing.has(slot));
  const pair = underWay(slot, claims, giving, taking);
  const home = pair?.to ?? homeOf(claims, holders, primaries) ?? fill.next();
  if (home === null) return null;
  const disown = claims.filter((id) => id !== home && id !== pair?.from);
  const others = (nodes: readonly SeenNode[]): ClusterNodeId[] =>
    nodes.map(({ id }) => id).filter((id) => id !== home && id !== pair?.from);
  return {
    home,
    finish: pair?.from ?? null,
    disown,
    claim: pair === null && (claims.length !== 1 || claims[0] !== home),
    gather: others(holders),
    close: [...new Set([...others([...giving, ...taking]), ...(pair === null ? [home] : [])])],
  };
}

/** The owner gives it to somebody who takes it from him: that move was interrupted. */
function underWay(
  slot: Slot,
  claims: readonly ClusterNodeId[],
  giving: readonly SeenNode[],
  taking: readonly SeenNode[],
): { from: ClusterNodeId; to: ClusterNodeId } | null {
  const [owner, another] = claims;
  if (another !== undefined) return null;
  const from = giving.find(({ id }) => id === owner);
  const to = taking.find(({ id }) => id === from?.self.migrating.get(slot));
  if (from === undefined || to === undefined) return null;
  return to.self.importing.get(slot) === from.id ? { from: from.id, to: to.id } : null;
}

/**
 * One owner is believed. Of several, or of none, who holds most keys; of owners without keys, the
 * one of the latest epoch, who would win among the servers as well.
 */
function homeOf(
  claims: readonly ClusterNodeId[],
  holders: readonly SeenNode[],
  primaries: readonly SeenNode[],
): ClusterNodeId | null {
  const [only, another] = claims;
  if (only !== undefined && another === undefined) return only;
  const [most] = claims.length === 0 ? holders : holders.filter(({ id }) => claims.includes(id));
  if (most !== undefined) return most.id;
  const claiming = primaries.filter(({ id }) => claims.includes(id));
  return claiming.toSorted((a, b) => b.self.epoch - a.self.epoch)[0]?.id ?? null;
}

function stepsOf(seen: Observation, decision: Decision, slots: readonly Slot[]): Step[] {
  const { home, finish, disown, claim, gather, close } = decision;
  return [
    ...(finish === null ? [] : [{ kind: 'move', from: finish, to: home, slots } as const]),
    ...disown.map((node): Step => ({ kind: 'disown', node, slots })),
    ...(claim ? [{ kind: 'claim', node: home, slots } as const] : []),
    ...(claim ? [{ kind: 'announce', node: home, slots } as const] : []),
    ...gather.map((from): Step => ({ kind: 'gather', from, to: home, slots })),
    ...close
      .filter((node) => nodeOf(seen, node) !== null)
      .map((node): Step => ({ kind: 'close', node, slots })),
    ...(!claim && finish === null ? [{ kind: 'announce', node: home, slots } as const] : []),
  ];
}

/** Slots without keys or owners go to whoever has fewest, a whole run of them at a time. */
class Fill {
  readonly #room: Room[];

  constructor(seen: Observation) {
    const primaries = primariesOf(seen);
    const holding = primaries.filter(({ self }) => self.slots.length > 0);
    // Who was emptied was emptied by somebody.
    this.#room = (holding.length > 0 ? holding : primaries)
      .map((node) => ({ id: node.id, slots: slotsOfNode(node).length }))
      .sort(fewest);
  }

  next(): ClusterNodeId | null {
    const [first, second] = this.#room;
    if (first === undefined) return null;
    first.slots++;
    if (second !== undefined && first.slots - second.slots >= FILL_RUN) this.#room.sort(fewest);
    return first.id;
  }
}

interface Room {
  readonly id: ClusterNodeId;
  slots: number;
}

function fewest(a: Room, b: Room): number {
  return a.slots - b.slots || (a.id < b.id ? -1 : 1);
}

/** How uneven primaries may become for the sake of ranges that stay whole. */
const FILL_RUN = 16;
