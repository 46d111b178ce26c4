/**
 * Which primaries are to have slots, and the next piece of a move towards their shares.
 *
 * Every shard that there is stays one, unless there are more than wanted: those with least go
 * first. Where some are lacking, who follows nobody begins one, once the others have their copies.
 * One piece at a time: between two of them everything is looked at again, so a failover waits for
 * none for long, and a wish that has changed stops what it no longer wants.
 */
import { type Observation, replicasOf, type SeenNode } from '../../cluster/observation.ts';
import { planRebalance } from '../../cluster/rebalance.ts';
import { levelOf } from './copies.ts';
import { troubleOf } from './failovers.ts';
import {
  called,
  emptyPrimaries,
  isStaying,
  type Place,
  placeOf,
  type Shard,
  type Situation,
  stayingNodes,
} from './situation.ts';
import type { ShardedAction, ShardedProblem } from './wish.ts';

/** As the tools have it: for less than that nobody's keys are moved. */
const THRESHOLD_PERCENT = 2;
/** Two of the mover's largest windows. */
export const PIECE_SLOTS = 256;
/** A server that is filled further evicts, or refuses writes. */
const FULL_PERCENT = 90;

export interface Roles {
  /** Shards that go on, and whose primary works. */
  readonly kept: readonly Shard[];
  /** To be emptied, for there are more shards than wanted. */
  readonly closing: readonly Shard[];
  /** They get slots for the first time. */
  readonly coming: readonly SeenNode[];
  /** So many shards that are wanted have nobody to begin them. */
  readonly lacking: number;
}

export function rolesOf(now: Situation): Roles {
  const { shards, wish } = now;
  const working = shards.filter((shard) => troubleOf(now, shard) === null);
  const surplus = Math.max(0, shards.length - wish.shards);
  const closing = working.toSorted((a, b) => closesFirst(now, a, b)).slice(0, surplus);
  const kept = working.filter((shard) => !closing.includes(shard));
  const wanted = Math.max(0, wish.shards - shards.length);
  const needed = kept.reduce((sum, shard) => sum + lackOf(now, shard), 0);
  const empty = emptyPrimaries(now).filter(({ keys }) => keys === 0);
  // Whoever has followers has begun one: to take it back would go in circles.
  const begun = empty.filter(({ id }) => replicasOf(now.cluster, id).length > 0).slice(0, wanted);
  const others = empty.filter((node) => !begun.includes(node));
  const free = shards.length === 0 ? others.length : Math.max(0, others.length - needed);
  const taken = kept.flatMap(({ primary }) => (primary === null ? [] : [placeOf(now, primary)]));
  const more = spread(now, others, taken, Math.min(wanted - begun.length, free));
  const coming = [...begun, ...more];
  return { kept, closing, coming, lacking: wanted - coming.length };
}

function closesFirst(now: Situation, a: Shard, b: Shard): number {
  const stays = ({ id }: Shard): number => Number(isStaying(now, id));
  return stays(a) - stays(b) || a.slots - b.slots || (a.id > b.id ? -1 : 1);
}

/** Copies that it still needs; one that is to go is none. */
export function lackOf(now: Situation, { id, replicas }: Shard): number {
  const staying = replicas.filter((node) => isStaying(now, node.id)).length;
  return Math.max(0, now.wish.replicas + 1 - staying - Number(isStaying(now, id)));
}

/** One after the other where fewest are: of a zone, then of a host. */
export function spread(
  now: Situation,
  nodes: readonly SeenNode[],
  taken: readonly Place[],
  count: number,
): SeenNode[] {
  const places = [...taken];
  const left = [...nodes];
  const chosen: SeenNode[] = [];
  while (chosen.length < count) {
    const load = (key: 'zone' | 'host', node: SeenNode): number =>
      places.filter((place) => place[key] === placeOf(now, node)[key]).length;
    const [next] = left.sort(
      (a, b) =>
        load('zone', a) - load('zone', b) ||
        load('host', a) - load('host', b) ||
        (a.id < b.id ? -1 : 1),
    );
    if (next === undefined) break;
    left.shift();
    chosen.push(next);
    places.push(placeOf(now, next));
  }
  return chosen;
}

/** A replica that its shard can spare becomes an empty server, when one is lacking for a shard. */
export function spared(now: Situation, { kept, lacking }: Roles): ShardedAction[] {
  if (lacking === 0 || emptyPrimaries(now).length > 0) return [];
  // It would be taken for a copy that is lacking, and spared again.
  if (kept.some((shard) => lackOf(now, shard) > 0)) return [];
  const [shard] = kept
    .filter((one) => levelOf(now, one).length > now.wish.replicas)
    .sort((a, b) => levelOf(now, b).length - levelOf(now, a).length || (a.id < b.id ? -1 : 1));
  const node = shard === undefined ? undefined : levelOf(now, shard).at(-1);
  if (shard === undefined || node === undefined) return [];
  const why = `${called(now, shard.id)} can spare ${called(now, node.id)}, for a shard of its own`;
  return [{ step: { kind: 'reset', node: node.id }, why }];
}

export interface Moves {
  readonly actions: readonly ShardedAction[];
  readonly problems: readonly ShardedProblem[];
}

export function nextMoves(now: Situation, roles: Roles): Moves {
  const { kept, closing, coming } = roles;
  const isTarget = new Set([...kept, ...coming].map(({ id }) => id));
  const nodes = [...kept, ...closing].flatMap(({ primary }) => primary ?? []).concat(coming);
  const cluster: Observation = { nodes, missing: [] };
  const weights = new Map(
    nodes.map(({ id }) => [id, isTarget.has(id) ? (now.members.get(id)?.weight ?? 1) : 0]),
  );
  if (isTarget.size === 0) return { actions: [], problems: [] };
  const plan = planRebalance(cluster, {
    weights,
    useEmpty: true,
    thresholdPercent: THRESHOLD_PERCENT,
  });
  if (plan.kind === 'refused') return { actions: [], problems: [] };
  const problems = plan.shares.flatMap(({ id, has, wanted }) =>
    wanted > has ? roomProblem(now, nodes, id, wanted - has) : [],
  );
  const [move] = plan.steps;
  if (problems.length > 0 || move?.kind !== 'move') return { actions: [], problems };
  const { from, to } = move;
  const why = isTarget.has(from)
    ? `${called(now, to)} has less than its share, ${called(now, from)} more`
    : `${called(now, from)} is emptied: ${now.wish.shards} shards are wanted`;
  const step = { ...move, slots: move.slots.slice(0, PIECE_SLOTS) };
  return { actions: [{ step, why }], problems: [] };
}

/** By the average slot of those that give: what is in one is not known before. */
function roomProblem(
  now: Situation,
  nodes: readonly SeenNode[],
  id: string,
  slots: number,
): ShardedProblem[] {
  const memory = now.seen.memory.get(id);
  if (memory === undefined || memory.maxBytes === null) return [];
  const used = nodes.reduce((sum, node) => sum + (now.seen.memory.get(node.id)?.usedBytes ?? 0), 0);
  const owned = now.shards.reduce((sum, shard) => sum + shard.slots, 0);
  const after = memory.usedBytes + (used * slots) / Math.max(1, owned);
  const room = (memory.maxBytes * FULL_PERCENT) / 100;
  if (after <= room) return [];
  const text =
    `${called(now, id)} would have some ${Math.round(after)} bytes of ${memory.maxBytes}, more ` +
    `than ${FULL_PERCENT} per cent: nothing is moved`;
  return [{ code: 'DOES_NOT_FIT', text }];
}

/** Nodes that stay, and could hold a shard. */
export function ableCount(now: Situation): number {
  return stayingNodes(now).filter(
    ({ self, keys }) => self.slots.length > 0 || keys === 0 || !self.isPrimary,
  ).length;
}
