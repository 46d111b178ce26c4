/**
 * The first slots of a deployment: when as many servers are there as are wanted, all empty, met,
 * and of one mind, so that no server has slots which another does not know.
 */

import { sharesOf } from '../../cluster/shares.ts';
import { SLOTS_ALL } from '../../cluster/slots.ts';
import { spread } from './balance.ts';
import { called, emptyPrimaries, type Situation, stayingNodes } from './situation.ts';
import type { ShardedAction, ShardedPlan } from './wish.ts';

/** Two servers of one epoch decide nothing between them; it can be given to a lone one only. */
export function firstEpochs(now: Situation): ShardedAction[] {
  const all = [now.cluster, ...now.newcomers].flatMap(({ nodes }) => nodes);
  const ids = all.map(({ id }) => id).sort();
  return all
    .filter(({ self, view }) => view.length === 1 && self.epoch === 0)
    .map(({ id }) => ({
      step: { kind: 'set-epoch', node: id, epoch: ids.indexOf(id) + 1 },
      why: `${called(now, id)} begins`,
    }));
}

/** Null when the deployment has slots. */
export function foundation(now: Situation): ShardedPlan | null {
  const { wish, shards } = now;
  if (shards.length > 0) return null;
  if (wish.isFounded) {
    const text = 'nobody who is there has any slots, or knows who has';
    return { actions: [], waits: [], problems: [{ code: 'SLOTS_UNCOVERED', text }] };
  }
  const staying = wish.members.filter(({ isLeaving }) => !isLeaving);
  const expected = Math.min(staying.length, wish.shards * (wish.replicas + 1));
  const there = stayingNodes(now).length;
  const nothing = { actions: [], waits: [], problems: [] };
  if (staying.length < wish.shards) {
    const text = `${wish.shards} shards need as many nodes, there are ${staying.length}`;
    return { ...nothing, problems: [{ code: 'TOO_FEW_NODES', text }] };
  }
  const [keeper] = now.cluster.nodes.filter(({ keys }) => keys > 0);
  if (keeper !== undefined) {
    const text = `${called(now, keeper.id)} has keys, and nobody has slots`;
    return { ...nothing, problems: [{ code: 'STRAY_KEYS', text }] };
  }
  if (there < expected) return { ...nothing, waits: [`${there} of ${expected} servers are there`] };
  const primaries = spread(now, emptyPrimaries(now), [], wish.shards);
  if (primaries.length < wish.shards)
    return { ...nothing, waits: ['servers that are replicas of nobody'] };
  const weights = primaries.map(({ id }) => now.members.get(id)?.weight ?? 1);
  const shares = sharesOf(SLOTS_ALL, weights, (_, exact) => exact - Math.floor(exact));
  let from = 0;
  const actions = primaries.map(({ id }, at): ShardedAction => {
    const slots = Array.from({ length: shares[at] ?? 0 }, (_, i) => from + i);
    from += slots.length;
    return {
      step: { kind: 'add-slots', node: id, slots },
      why: `${called(now, id)} begins a shard`,
    };
  });
  const agree: ShardedAction = { step: { kind: 'agree', nodes: [] }, why: 'all have to know' };
  return { ...nothing, actions: [...actions, agree] };
}
