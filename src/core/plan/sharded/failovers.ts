/**
 * Who takes over from a primary, and with how much force (`docs/decisions/0015`).
 *
 * By order of the control group only, which has waited out or seen the end of the primary's lease.
 * Where most primaries are there they vote, and so a candidate that they do not hear becomes
 * nothing. With one shard, with two, or when most are gone, there is no such vote, and the control
 * group's own majority is the only one: then the candidate takes the slots.
 */
import { type SeenNode, slotsOfNode } from '../../cluster/observation.ts';
import { slotsText } from '../../cluster/slots.ts';
import { majority } from '../../raft/quorum.ts';
import { RETURN_MS, SETTLED_MS } from '../primary-replica.ts';
import { called, isStaying, type Shard, type Situation } from './situation.ts';
import type { Failover, ShardedAction, ShardedProblem } from './wish.ts';

/** The server gives an order up after 5 s, and answers nothing of that. */
export const FORCE_MS = 6_000;

export interface Rescue {
  readonly actions: readonly ShardedAction[];
  readonly waits: readonly string[];
  readonly problems: readonly ShardedProblem[];
}

/** Why a shard's primary cannot go on, in words; null when it can. */
export function troubleOf(now: Situation, { id, primary }: Shard): string | null {
  const name = called(now, id);
  const { standings, histories } = now.seen;
  if (primary === null) return `${name} is gone`;
  const standing = standings.get(id);
  const history = histories.get(id);
  if (standing === undefined || history === undefined) return null;
  if (!standing.isUp) return `the server of ${name} is down`;
  if (standing.history !== history) return `the server of ${name} does not hold the data`;
  return standing.isExact ? null : `the server of ${name} was started again`;
}

/** While slots have no primary that works, what a server has that follows none may be the last. */
export function mayBeLast(now: Situation, { self, keys }: SeenNode): boolean {
  if (keys === 0) return false;
  const working = now.shards.filter((shard) => troubleOf(now, shard) === null);
  const isSound = now.isCovered && working.length === now.shards.length;
  return !isSound && !working.some(({ id }) => id === self.primary);
}

export function rescues(now: Situation): Rescue {
  const actions: ShardedAction[] = [];
  const waits: string[] = [];
  const problems: ShardedProblem[] = [];
  for (const shard of now.shards) {
    const trouble = troubleOf(now, shard);
    if (trouble === null) continue;
    const { id } = shard;
    const troubleMs = now.seen.troubleMs(id);
    const heir = heirOf(now, shard);
    const goesOn = heir === null && canGoOn(now, shard);
    if (troubleMs < SETTLED_MS) waits.push(`${trouble}: whether it is back at once`);
    else if (goesOn && now.seen.isFenced(id)) actions.push(again(id, trouble));
    else if (goesOn) waits.push(`${trouble}: its lease is waited out`);
    else if (heir === null) problems.push(lost(now, shard, trouble));
    else if (!heir.isExact && troubleMs < RETURN_MS)
      waits.push(`${trouble}: it has more than ${called(now, heir.node.id)}, if it comes back`);
    else if (!now.seen.isFenced(id)) waits.push(`${trouble}: its lease is waited out`);
    else {
      const step = forced(now, id, heir.node);
      actions.push({ step, why: `${trouble}; ${called(now, heir.node.id)} has most of its data` });
    }
  }
  return { actions, waits, problems };
}

function again(primary: Shard['id'], trouble: string): ShardedAction {
  const step = { kind: 'failover', node: primary, primary, by: 'again' } as const;
  return { step, why: `${trouble}, and nobody has more` };
}

interface Heir {
  readonly node: SeenNode;
  readonly isExact: boolean;
}

/**
 * Of its replicas whoever has most, as far as they hold its history by a completed sync: never an
 * empty one. One that was started again knows a lower bound only, and goes after those that live;
 * for a primary that merely was started again, it is no better than that.
 */
export function heirOf(now: Situation, shard: Shard): Heir | null {
  const { id, replicas } = shard;
  const required = now.seen.histories.get(id) ?? null;
  const able = replicas.flatMap((node) => {
    const standing = now.seen.standings.get(node.id);
    if (standing === undefined || !standing.isUp || standing.priority === 0) return [];
    if (standing.history === null) return [];
    if (required !== null && standing.history !== required) return [];
    return [{ node, standing }];
  });
  const [best] = able.sort(
    (a, b) =>
      Number(b.standing.isExact) - Number(a.standing.isExact) ||
      b.standing.offset - a.standing.offset ||
      Number(isStaying(now, b.node.id)) - Number(isStaying(now, a.node.id)) ||
      b.standing.priority - a.standing.priority ||
      (a.node.id < b.node.id ? -1 : 1),
  );
  if (best === undefined) return null;
  const { isExact } = best.standing;
  return !isExact && canGoOn(now, shard) ? null : { node: best.node, isExact };
}

/** It was started again, on all of its data that reached its disk. */
function canGoOn({ seen }: Situation, { id, primary }: Shard): boolean {
  const standing = seen.standings.get(id);
  return primary !== null && standing?.isUp === true && standing.history === seen.histories.get(id);
}

function forced(now: Situation, primary: Shard['id'], { id }: SeenNode): Failover {
  const answering = now.shards.filter((shard) => troubleOf(now, shard) === null);
  const canVote = answering.length >= majority(now.shards.length);
  const isLate = now.seen.orderedMs(primary) >= FORCE_MS;
  const by = canVote && !isLate ? 'force' : 'takeover';
  return { kind: 'failover', node: id, primary, by };
}

function lost(now: Situation, { id, primary }: Shard, trouble: string): ShardedProblem {
  const gone = now.cluster.missing.find((node) => node.id === id)?.slots ?? [];
  const slots = primary === null ? gone : slotsOfNode(primary);
  const text = `${trouble} with slots ${slotsText(slots)}, and nobody who is there holds its data`;
  return { code: 'SHARD_LOST', text };
}

/** A primary that works and is to go: to a replica that stays, without a loss. */
export function handOvers(now: Situation, kept: readonly Shard[]): ShardedAction[] {
  return kept
    .filter(({ id, primary }) => primary !== null && !isStaying(now, id))
    .flatMap((shard): ShardedAction[] => {
      const replicas = shard.replicas.filter(({ id, isLinkUp }) => isLinkUp && isStaying(now, id));
      const heir = heirOf(now, { ...shard, replicas });
      if (heir === null || !heir.isExact) return [];
      const { id: node } = heir.node;
      const step = { kind: 'failover', node, primary: shard.id, by: 'planned' } as const;
      return [{ step, why: `${called(now, shard.id)} is to go, ${called(now, node)} is level` }];
    });
}
