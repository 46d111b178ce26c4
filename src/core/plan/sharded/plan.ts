/**
 * Wish and observation in, the next steps of a deployment of many shards out, each with its reason.
 *
 * Pure, and nothing is remembered between two plans: whoever was interrupted after any step looks
 * and plans anew. One kind of work at a time, the most urgent first: who has lost its primary, who
 * cannot be found, slots that are open or nobody's, copies, hand-overs, farewells, and the balance
 * of slots last. All but the first three wait while servers do not agree on what is there.
 *
 * Invariants: no step leaves a slot without an owner that had one; no server is emptied that has
 * the last copy of anything; no copy joins another on its host while there is another way; no
 * primary is deposed whose lease may be alive.
 */
import { planFix, slotsToCount } from '../../cluster/fix.ts';
import {
  claimCounts,
  disputedRoles,
  disputedSlots,
  type SeenNode,
  strangersOf,
} from '../../cluster/observation.ts';
import { type Slot, slotsText } from '../../cluster/slots.ts';
import { nameOf } from '../../control/state.ts';
import { ableCount, lackOf, nextMoves, type Roles, rolesOf, spared } from './balance.ts';
import { copySteps } from './copies.ts';
import { handOvers, rescues, troubleOf } from './failovers.ts';
import { firstEpochs, foundation } from './founding.ts';
import { cleanings, farewells, meetings } from './meeting.ts';
import { called, isNeeded, isStaying, type Situation, situationOf } from './situation.ts';
import type {
  ShardedAction,
  ShardedMember,
  ShardedPlan,
  ShardedProblem,
  ShardedSeen,
  ShardedWish,
} from './wish.ts';

export function planSharded(wish: ShardedWish, seen: ShardedSeen): ShardedPlan {
  const now = situationOf(wish, seen);
  const rescue = rescues(now);
  const problems = [...strangers(now), ...rescue.problems];
  const meeting = [...cleanings(now), ...(now.shards.length === 0 ? firstEpochs(now) : [])];
  const urgent = [...rescue.actions, ...(meeting.length > 0 ? meeting : agreed(meetings(now)))];
  if (urgent.length > 0) return { actions: urgent, waits: rescue.waits, problems };
  const next = mended(now) ?? unsettled(now) ?? foundation(now) ?? shaped(now);
  return {
    actions: next.actions,
    waits: [...rescue.waits, ...next.waits],
    problems: [...problems, ...uncovered(now), ...next.problems],
  };
}

/** Nothing is done after these before all know of them. */
function agreed(actions: readonly ShardedAction[]): ShardedAction[] {
  const nodes = actions.flatMap(({ step }) => (step.kind === 'meet' ? [step.node] : []));
  if (actions.length === 0) return [];
  return [...actions, { step: { kind: 'agree', nodes }, why: 'all have to know' }];
}

function strangers(now: Situation): ShardedProblem[] {
  return now.strange.map(({ nodes }) => {
    const names = nodes.map(({ id }) => called(now, id)).join(', ');
    return { code: 'STRANGE_DATA', text: `${names}: has data, and nobody here knows it` };
  });
}

/**
 * Slots that are open or nobody's; null: there are none. Of two owners servers keep the one with
 * the later epoch by themselves, and it is the one that was appointed, whoever has more keys.
 */
function mended(now: Situation): ShardedPlan | null {
  const { cluster, seen, shards } = now;
  const claims = claimCounts(cluster);
  if (claims.some((by) => by > 1))
    return waiting('two servers say that a slot is theirs: the later epoch wins');
  if (shards.length === 0) return null;
  const free = absentees(now).length > 0 ? [] : nobodys(now);
  const odd = [...slotsToCount(cluster), ...seen.strays].filter((slot) => claims[slot] !== 0);
  const slots = [...new Set([...free, ...odd])].sort((a, b) => a - b);
  if (slots.length === 0) return null;
  const { steps } = planFix(cluster, slots, seen.keys, { withUnreachable: false });
  if (steps.length === 0) return null;
  const why = `slots ${slotsText(slots)} are open, nobody's, or have keys elsewhere`;
  return { actions: steps.map((step) => ({ step, why })), waits: [], problems: [] };
}

/** Slots that nobody has, not even a primary that is gone. */
function nobodys({ cluster }: Situation): Slot[] {
  const gone = new Set(cluster.missing.flatMap(({ slots }) => slots));
  const claims = [...claimCounts(cluster).entries()];
  return claims.flatMap(([slot, by]) => (by === 0 && !gone.has(slot) ? [slot] : []));
}

/** Members that may own what nobody here has heard of: owners alone tell of their slots. */
function absentees({ cluster, wish }: Situation): ShardedMember[] {
  const answering = new Set(cluster.nodes.map(({ id }) => id));
  return wish.members.filter(({ server }) => server === null || !answering.has(server));
}

function uncovered(now: Situation): ShardedProblem[] {
  const names = absentees(now).map(({ node }) => nameOf(node));
  const slots = now.shards.length === 0 || names.length === 0 ? [] : nobodys(now);
  if (slots.length === 0) return [];
  const text = `slots ${slotsText(slots)} are nobody's, unless ${names.join(', ')} has them`;
  return [{ code: 'SLOTS_UNCOVERED', text }];
}

/** Null when all know all, and agree. */
function unsettled(now: Situation): ShardedPlan | null {
  const needed = now.cluster.nodes.filter((node) => isNeeded(now, node));
  const cluster = { nodes: needed, missing: [] };
  const [stranger] = strangersOf(cluster);
  const [odd] = disputedRoles(cluster);
  const name = (node: SeenNode): string => called(now, node.id);
  if (stranger !== undefined)
    return waiting(`${name(stranger[0])} has not heard of ${name(stranger[1])} yet`);
  if (odd !== undefined) return waiting(`all have to know the role of ${name(odd)}`);
  // A newcomer never hears of slots whose owner is gone.
  const claims = claimCounts(cluster);
  const slots = disputedSlots(cluster).filter((slot) => claims[slot] !== 0);
  return slots.length === 0 ? null : waiting(`all have to know who owns ${slotsText(slots)}`);
}

function waiting(what: string): ShardedPlan {
  return { actions: [], waits: [what], problems: [] };
}

/** From a cluster that is sound to the one that is wanted. */
function shaped(now: Situation): ShardedPlan {
  const roles = rolesOf(now);
  const copies = copySteps(now, roles.kept, roles.coming);
  const moves = nextMoves(now, roles);
  const [actions = []] = [
    agreed(copies.actions),
    spared(now, roles),
    handOvers(now, roles.kept),
    farewells(now, copies.waits.length > 0),
    isMovable(now) ? moves.actions : [],
  ].filter((some) => some.length > 0);
  const isHeld = moves.actions.length > 0 && !isMovable(now);
  const waits = isHeld ? [...copies.waits, 'the cluster is down for some'] : copies.waits;
  return { actions, waits, problems: [...shortages(now, roles), ...moves.problems] };
}

/** Keys go only where all servers serve, and all slots are served. */
function isMovable(now: Situation): boolean {
  if (now.shards.some((shard) => troubleOf(now, shard) !== null)) return false;
  return now.cluster.nodes.every(({ isStateOk }) => isStateOk);
}

function shortages(now: Situation, { kept, closing, lacking }: Roles): ShardedProblem[] {
  const problems: ShardedProblem[] = [];
  const { wish, shards } = now;
  if (lacking > 0) {
    const text = `${wish.shards} shards are wanted, and ${ableCount(now)} nodes are there`;
    problems.push({ code: 'TOO_FEW_NODES', text });
  }
  for (const shard of kept) {
    const lack = lackOf(now, shard);
    if (lack > 0)
      problems.push({ code: 'COPIES_MISSING', text: `${called(now, shard.id)} lacks ${lack}` });
    const isStuck = !isStaying(now, shard.id) && lack > wish.replicas;
    if (isStuck) {
      const text =
        `${called(now, shard.id)} is to go, and nobody could have its slots: ` +
        `${shards.length - closing.length} shards need as many nodes`;
      problems.push({ code: 'CANNOT_LEAVE', text });
    }
  }
  for (const { id, self, keys } of now.cluster.nodes)
    if (self.isPrimary && self.slots.length === 0 && keys > 0) {
      const text = `${called(now, id)} has ${keys} keys and no slots`;
      problems.push({ code: 'STRAY_KEYS', text });
    }
  return problems;
}
