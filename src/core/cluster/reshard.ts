/** Plans that move slots from some primaries to one: by number, in proportion to what they have. */
import type { ClusterNodeId } from './nodes-text.ts';
import { nodeOf, type Observation, primariesOf, slotsOfNode } from './observation.ts';
import { sharesOf } from './shares.ts';
import type { Step } from './steps.ts';

export interface ReshardWish {
  /** All other primaries with slots, or these. */
  readonly from: 'all' | readonly ClusterNodeId[];
  readonly to: ClusterNodeId;
  readonly slots: number;
}

export type MovePlan =
  | { readonly kind: 'plan'; readonly steps: readonly Step[] }
  | { readonly kind: 'refused'; readonly why: string };

/** The lowest slots of each source go, the largest source first, as redis-cli has it. */
export function planReshard(seen: Observation, { from, to, slots }: ReshardWish): MovePlan {
  const target = nodeOf(seen, to);
  if (target === null) return refused(`no node with the id ${to} answers`);
  if (!target.self.isPrimary) return refused(`${to} is a replica: slots go to primaries only`);
  const ids =
    from === 'all'
      ? primariesOf(seen).flatMap(({ id }) => (id === to ? [] : [id]))
      : [...new Set(from)];
  if (ids.includes(to)) return refused('the target cannot be a source as well');
  const sources = ids.map((id) => ({ id, node: nodeOf(seen, id) }));
  for (const { id, node } of sources)
    if (node === null || !node.self.isPrimary)
      return refused(`no primary with the id ${id} answers`);
  const holding = sources
    .map(({ id, node }) => ({ id, own: node === null ? [] : slotsOfNode(node) }))
    .filter(({ own }) => own.length > 0)
    .sort((a, b) => b.own.length - a.own.length || (a.id < b.id ? -1 : 1));
  const available = holding.reduce((sum, { own }) => sum + own.length, 0);
  if (holding.length === 0) return refused('none of the sources has any slot');
  if (slots < 1 || slots > available)
    return refused(`the sources have ${available} slots, and ${slots} were to be moved`);
  const weights = holding.map(({ own }) => own.length);
  const shares = sharesOf(slots, weights, (_, exact) => exact - Math.floor(exact));
  return {
    kind: 'plan',
    steps: holding.flatMap(({ id, own }, at): Step[] => {
      const moved = own.slice(0, shares[at]);
      return moved.length > 0 ? [{ kind: 'move', from: id, to, slots: moved }] : [];
    }),
  };
}

function refused(why: string): MovePlan {
  return { kind: 'refused', why };
}
