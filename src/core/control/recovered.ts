/**
 * The agreed state of a deployment that goes on from one survivor, when the majority of the one
 * before is gone for ever: the same spec and history, one member, which holds the data.
 *
 * Pure. All that a survivor's log holds counts as agreed (holes, `recover`): of an entry at its end
 * nobody can say whether those that are gone had agreed on it, and then it must not be lost.
 */
import type { NodeId } from '../scalars.ts';
import { shortened } from './shapes.ts';
import { FORGET_AFTER_MS_DEFAULT, specFounded } from './spec.ts';
import { type ControlState, HISTORY_MAX, memberOf, nameOf, REMOVED_MAX, UNSEEN } from './state.ts';

export interface Recovering {
  /** The survivor under its former id, and under the one that it goes on with. */
  readonly from: NodeId;
  readonly survivor: NodeId;
  /** Where the state stands: later than every index of a decision before. */
  readonly index: number;
  readonly atMs: number;
}

export function recoveredState(state: ControlState, recovering: Recovering): ControlState {
  const { from, survivor, index, atMs } = recovering;
  const gone = state.members.map(({ node }) => node).filter((node) => node !== from);
  const others = gone.length === 0 ? '' : `; without ${gone.map(nameOf).join(', ')}`;
  const text = shortened(`recovered from ${nameOf(survivor)}${others}`);
  return {
    // Before its first leader had said anything: as it would be founded.
    spec: state.spec ?? specFounded(1, FORGET_AFTER_MS_DEFAULT),
    specVersion: index,
    members: [{ node: survivor, facts: memberOf(state, from)?.facts ?? UNSEEN, leaving: null }],
    data: { decision: index, voters: [survivor], isSettled: true },
    removed: [...state.removed, ...gone, from].slice(-REMOVED_MAX),
    history: [
      ...state.history,
      { index, atMs, kind: 'found', text, outcome: 'done', endedAtMs: atMs } as const,
    ].slice(-HISTORY_MAX),
  };
}
