/**
 * Who follows whom, one safe step after the other: no shard gives its last copy that is level away,
 * but for an exchange where two copies are on one host and nobody else could come.
 */
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import type { SeenNode } from '../../cluster/observation.ts';
import { mayBeLast } from './failovers.ts';
import { type Movable, placed } from './placement.ts';
import {
  called,
  isStaying,
  placeOf,
  type Shard,
  type Situation,
  stayingNodes,
} from './situation.ts';
import type { ShardedAction } from './wish.ts';

/** A server that is restarted is back by then; as long as servers wait themselves. */
export const ADOPT_MS = 5_000;

interface Change {
  readonly node: SeenNode;
  readonly from: Shard | null;
  readonly to: ClusterNodeId;
}

/** `kept` and `coming`: primaries that are to have slots, and work. */
export function copySteps(
  now: Situation,
  kept: readonly Shard[],
  coming: readonly SeenNode[],
): { readonly actions: readonly ShardedAction[]; readonly waits: readonly string[] } {
  const changes = changesOf(now, kept, coming);
  const left = new Map(kept.map((shard) => [shard.id, levelOf(now, shard)]));
  const able = changes.filter(({ node, from }) => {
    if (from === null) return true;
    const others = left.get(from.id)?.filter((other) => other !== node) ?? [];
    // Where none is wanted beside the primary, it was a spare one.
    if (others.length === 0 && now.wish.replicas > 0) return false;
    left.set(from.id, others);
    return true;
  });
  const isSyncing = kept.some(({ replicas }) => replicas.some(({ isLinkUp }) => !isLinkUp));
  const exchanged = able.length === 0 && !isSyncing ? changes.slice(0, 1) : able;
  const waits = exchanged.length === 0 && changes.length > 0 ? ['replicas are not level yet'] : [];
  return { actions: exchanged.map((change) => follow(now, change)), waits };
}

function follow(now: Situation, { node, from, to }: Change): ShardedAction {
  const [name, target] = [called(now, node.id), called(now, to)];
  const why =
    from === null
      ? `${name} follows nobody, ${target} has room for it`
      : `${name} is needed more by ${target} than by ${called(now, from.id)}`;
  return { step: { kind: 'replicate', node: node.id, primary: to }, why };
}

function changesOf(now: Situation, kept: readonly Shard[], coming: readonly SeenNode[]): Change[] {
  const targets = [
    ...kept.map(({ id, primary }) => ({ id, fixed: fixedOf(now, id, primary) })),
    ...coming.map((node) => ({ id: node.id, fixed: [placeOf(now, node)] })),
  ].sort((a, b) => (a.id < b.id ? -1 : 1));
  const nodes = stayingNodes(now).filter((node) => isMovable(now, kept, coming, node));
  const movable = nodes.map(
    (node): Movable => ({ ...placeOf(now, node), shard: node.self.primary }),
  );
  const wanted = placed(targets, movable, now.wish.replicas + 1);
  return nodes.flatMap((node): Change[] => {
    const to = wanted.get(node.id);
    if (to === undefined || to === node.self.primary) return [];
    const from = kept.find(({ id }) => id === node.self.primary) ?? null;
    return [{ node, from, to }];
  });
}

/** Its primary, if that stays, and replicas that are gone for a moment only. */
function fixedOf(now: Situation, id: ClusterNodeId, primary: SeenNode | null) {
  const { cluster, seen } = now;
  const gone = cluster.missing.filter(
    (node) => node.primary === id && isStaying(now, node.id) && seen.goneMs(node.id) < ADOPT_MS,
  );
  const places = gone.map((node) => {
    const member = now.members.get(node.id);
    return { id: node.id, host: member?.host ?? node.host, zone: member?.zone ?? '' };
  });
  return primary !== null && isStaying(now, id) ? [placeOf(now, primary), ...places] : places;
}

/** Replicas of a primary that is in trouble, or is being emptied, are its safety until then. */
function isMovable(
  now: Situation,
  kept: readonly Shard[],
  coming: readonly SeenNode[],
  node: SeenNode,
): boolean {
  const { id, self, keys } = node;
  if (self.isPrimary) return self.slots.length === 0 && keys === 0 && !isOneOf(coming, id);
  if (isOneOf(kept, self.primary)) return true;
  return !isOneOf(now.shards, self.primary) && !mayBeLast(now, node);
}

function isOneOf(all: readonly { readonly id: string }[], id: string | null): boolean {
  return all.some((one) => one.id === id);
}

/** Copies that stay and have all. */
export function levelOf(now: Situation, { replicas }: Shard): SeenNode[] {
  return replicas.filter(({ id, isLinkUp }) => isLinkUp && isStaying(now, id));
}
