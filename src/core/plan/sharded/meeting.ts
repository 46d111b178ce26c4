/**
 * Who has to be introduced to whom, and who forgotten by all.
 *
 * Two servers find each other when they know each other's ids, and one has the other's present
 * address; gossip does the rest. So what is met is one node of each part that nobody of another can
 * find: newcomers, and those that moved, who are known already and get their new address by it.
 */
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import type { Observation, SeenNode } from '../../cluster/observation.ts';
import { mayBeLast } from './failovers.ts';
import { called, isNeeded, isStaying, type Situation } from './situation.ts';
import type { ShardedAction } from './wish.ts';

export function meetings(now: Situation): ShardedAction[] {
  const { cluster, newcomers } = now;
  const own = [cluster, ...newcomers].map(({ nodes }) =>
    nodes.filter((node) => isNeeded(now, node)),
  );
  const [sponsors = []] = own;
  const parts = linkedParts(own.flat());
  // Whoever has slots is found by most clients: the others come to it.
  const first = parts.find((part) => part.includes(sponsors[0] as SeenNode)) ?? parts[0];
  const [sponsor] = first ?? [];
  if (sponsor === undefined) return [];
  return parts
    .filter((part) => part !== first)
    .flatMap((part) => part.slice(0, 1))
    .map(({ id }) => ({
      step: { kind: 'meet', node: id, other: sponsor.id },
      why: `${called(now, id)} and ${called(now, sponsor.id)} cannot find each other`,
    }));
}

/** Newcomers that know somebody else would bring him along: first they forget. */
export function cleanings(now: Situation): ShardedAction[] {
  const isOwn = (part: Observation): boolean =>
    part.missing.length === 0 && part.nodes.every(({ id }) => isStaying(now, id));
  return now.newcomers
    .filter((part) => !isOwn(part))
    .flatMap(({ nodes }) => nodes.filter(({ id }) => isStaying(now, id)))
    .map(({ id }) => ({
      step: { kind: 'reset', node: id },
      why: `${called(now, id)} is empty, and knows servers that are not of this deployment`,
    }));
}

/** Each part in the order of `nodes`. */
function linkedParts(nodes: readonly SeenNode[]): SeenNode[][] {
  const parts: SeenNode[][] = [];
  const left = new Set(nodes);
  for (const start of nodes) {
    if (!left.delete(start)) continue;
    const part = [start];
    for (const one of part)
      for (const other of left)
        if (finds(one, other) || finds(other, one)) {
          left.delete(other);
          part.push(other);
        }
    parts.push(part);
  }
  return parts;
}

/** Both know each other, and this one knows where the other is now. */
function finds(one: SeenNode, other: SeenNode): boolean {
  const line = one.view.find(({ id }) => id === other.id);
  if (line === undefined || line.flags.includes('handshake')) return false;
  if (!other.view.some(({ id }) => id === one.id)) return false;
  const host = other.self.host === '' ? other.host : other.self.host;
  return line.host === host && line.port === other.self.port;
}

/**
 * Ids of nobody's server, and servers that are to go, once they hold nothing that is needed: all
 * forget them, then they forget all. Nobody is forgotten while a member has not said which server
 * is its own.
 */
export function farewells(now: Situation, areCopiesDue: boolean): ShardedAction[] {
  const { cluster, wish } = now;
  if (wish.members.some(({ server }) => server === null)) return [];
  const ids = new Set(cluster.nodes.flatMap(({ view }) => view.map(({ id }) => id)));
  const going = [...ids].filter((id) => mayGo(now, id, areCopiesDue)).sort();
  return going.flatMap((id) => {
    const isMember = now.members.has(id);
    const why = isMember
      ? `${called(now, id)} leaves, and holds nothing that is needed`
      : `${called(now, id)} is nobody's server any more`;
    const node = cluster.nodes.find((other) => other.id === id);
    const isReset = isMember && node !== undefined && node.view.length > 1;
    return [
      ...cluster.nodes
        .filter((other) => other.id !== id && other.view.some((line) => line.id === id))
        .filter((other) => !going.includes(other.id))
        .map(
          (other): ShardedAction => ({ step: { kind: 'forget', node: other.id, other: id }, why }),
        ),
      ...(isReset ? [{ step: { kind: 'reset', node: id }, why } as const] : []),
    ];
  });
}

function mayGo(now: Situation, id: ClusterNodeId, areCopiesDue: boolean): boolean {
  const { cluster, shards, members } = now;
  const member = members.get(id);
  if (member !== undefined && !member.isLeaving) return false;
  if (cluster.nodes.some(({ view }) => view.some((line) => isHandshake(line, id)))) return false;
  // Whoever follows it would be told to forget its own primary.
  if (cluster.nodes.some(({ self }) => self.primary === id)) return false;
  const isClaimed = cluster.nodes.some(({ view }) =>
    view.some((line) => line.id === id && line.slots.length > 0),
  );
  if (isClaimed || shards.some((shard) => shard.id === id)) return false;
  const node = cluster.nodes.find((other) => other.id === id);
  if (node === undefined) return true;
  if (mayBeLast(now, node)) return false;
  if (node.self.isPrimary) return node.keys === 0;
  if (areCopiesDue) return false;
  const shard = shards.find((other) => other.id === node.self.primary);
  if (shard === undefined) return true;
  // Its copy is needed while the primary is gone, or another one is still under way.
  const others = shard.replicas.filter((other) => isStaying(now, other.id));
  return shard.primary !== null && others.every(({ isLinkUp }) => isLinkUp);
}

function isHandshake(line: SeenNode['self'], id: ClusterNodeId): boolean {
  return line.id === id && line.flags.includes('handshake');
}
