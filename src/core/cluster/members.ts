/** Plans for who belongs to a cluster: a node is added, as a primary or a replica, or taken out. */
import type { ClusterNodeId } from './nodes-text.ts';
import {
  nameOf,
  nodeOf,
  type Observation,
  primariesOf,
  replicasOf,
  type SeenNode,
  slotsOfNode,
} from './observation.ts';
import type { MovePlan } from './reshard.ts';
import { sharesOf } from './shares.ts';
import type { Step } from './steps.ts';

/** As a primary without slots; as a replica of that one; of whoever has fewest. */
export type AddAs = 'primary' | { readonly replicaOf: ClusterNodeId | 'fewest' };

export function planAddNode(
  seen: Observation,
  newcomer: { readonly id: ClusterNodeId; readonly host: string },
  as: AddAs,
): MovePlan {
  if (nodeOf(seen, newcomer.id) !== null) return refused('that node belongs to it already');
  const [sponsor] = primariesOf(seen);
  if (sponsor === undefined) return refused('no primary answers');
  const joined: Step[] = [
    { kind: 'meet', node: newcomer.id, other: sponsor.id },
    { kind: 'agree', nodes: [newcomer.id] },
  ];
  const functions: Step = { kind: 'copy-functions', from: sponsor.id, to: newcomer.id };
  if (as === 'primary') return { kind: 'plan', steps: [functions, ...joined] };
  const primary =
    as.replicaOf === 'fewest'
      ? needsReplica(seen, primariesOf(seen), newcomer.host)
      : nodeOf(seen, as.replicaOf);
  if (primary === null || !primary.self.isPrimary)
    return refused(`no primary with the id ${String(as.replicaOf)} answers`);
  const follow: Step = { kind: 'replicate', node: newcomer.id, primary: primary.id };
  return { kind: 'plan', steps: [...joined, follow, { kind: 'agree', nodes: [newcomer.id] }] };
}

/**
 * The node goes, whether it answers or not: its slots first, when `drain` allows to move them, then
 * its replicas go to others, and everybody forgets it.
 */
export function planDelNode(seen: Observation, id: ClusterNodeId, drain: boolean): MovePlan {
  const node = nodeOf(seen, id);
  const missing = seen.missing.find((other) => other.id === id);
  if (node === null && missing === undefined)
    return refused(`nobody knows a node with the id ${id}`);
  const slots = node === null ? (missing?.slots ?? []) : slotsOfNode(node);
  const heirs = primariesOf(seen).filter((other) => other.id !== id);
  if (heirs.length === 0) return refused('it is the last primary that answers');
  if (slots.length > 0 && node === null)
    return refused(
      `it does not answer and owns ${slots.length} slots: let a replica take over, or fix them`,
    );
  if (slots.length > 0 && !drain)
    return refused(`it owns ${slots.length} slots: move them, or ask to do it with --drain`);
  const movedReplicas = replicasOf(seen, id);
  return {
    kind: 'plan',
    steps: [
      ...(node === null ? [] : drainSteps(node, heirs)),
      ...movedReplicas.map((replica, at): Step => {
        const primary = needsReplica(seen, heirs, replica.host, movedReplicas.slice(0, at).length);
        return { kind: 'replicate', node: replica.id, primary: primary?.id ?? '' };
      }),
      ...(movedReplicas.length > 0 ? [{ kind: 'agree', nodes: [] } as const] : []),
      ...seen.nodes
        .filter((other) => other.id !== id)
        .map((other): Step => ({ kind: 'forget', node: other.id, other: id })),
      ...(node === null ? [] : [{ kind: 'reset', node: id } as const]),
      { kind: 'agree', nodes: [] },
    ],
  };
}

/** In equal parts to those who have fewest, so that afterwards they are as even as they can be. */
function drainSteps(node: SeenNode, heirs: readonly SeenNode[]): Step[] {
  const own = slotsOfNode(node);
  if (own.length === 0) return [];
  const has = heirs.map((heir) => slotsOfNode(heir).length);
  const holding = heirs.filter((_, at) => (has[at] ?? 0) > 0);
  const takers = holding.length > 0 ? holding : heirs;
  const shares = sharesOf(
    own.length,
    takers.map(() => 1),
    (at) => -slotsOfNode(takers[at] as SeenNode).length,
  );
  let from = 0;
  return takers.flatMap(({ id: to }, at): Step[] => {
    const slots = own.slice(from, from + (shares[at] ?? 0));
    from += slots.length;
    return slots.length > 0 ? [{ kind: 'move', from: node.id, to, slots }] : [];
  });
}

/** Fewest replicas; of equal ones the first on another host. `turn` spreads several at once. */
function needsReplica(
  seen: Observation,
  primaries: readonly SeenNode[],
  host: string,
  turn = 0,
): SeenNode | null {
  const sorted = primaries.toSorted((a, b) => {
    const fewer = replicasOf(seen, a.id).length - replicasOf(seen, b.id).length;
    return fewer || Number(a.host === host) - Number(b.host === host) || (a.id < b.id ? -1 : 1);
  });
  return sorted[turn % Math.max(1, sorted.length)] ?? null;
}

export function describeNode(seen: Observation, id: ClusterNodeId): string {
  const node = nodeOf(seen, id) ?? seen.missing.find((other) => other.id === id);
  return node === undefined ? id : nameOf(node);
}

function refused(why: string): MovePlan {
  return { kind: 'refused', why };
}
