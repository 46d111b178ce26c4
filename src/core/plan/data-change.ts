/**
 * From the data group's configuration to the one that was decided, one change at a time: what its
 * leader does next (holes H10: by that decision, or a later one).
 *
 * Voters that nobody hears go first, since they count in every majority. Then whoever comes learns
 * and votes before anybody else goes: there are never fewer living copies on the way than at either
 * end. The leader goes last, and hands over to somebody that stays.
 */
import { isMember } from '../raft/configuration.ts';
import type { Configuration, MemberChange } from '../raft/protocol.ts';
import type { NodeId } from '../scalars.ts';

export type DataStep =
  | { readonly kind: 'change'; readonly change: MemberChange }
  | { readonly kind: 'handOver'; readonly to: NodeId };

export interface DataChangeInput {
  readonly self: NodeId;
  readonly configuration: Configuration;
  readonly wanted: readonly NodeId[];
  readonly isHeard: (node: NodeId) => boolean;
  /** It votes, and could not serve: nothing is handed over to it. */
  readonly isWitness: (node: NodeId) => boolean;
}

/**
 * All that could be done next, best first: the leader tries another when one is refused, so that a
 * node that cannot become level does not hold up what does not depend on it. Empty: all is done.
 */
export function nextDataSteps(input: DataChangeInput): DataStep[] {
  const { configuration, wanted, isHeard } = input;
  const { voters, learners } = configuration;
  const coming = wanted.filter((node) => !voters.includes(node)).toSorted(byHearing(isHeard, true));
  if (coming.length > 0) {
    // No living copy goes with them, and each counts in every majority on the way.
    const dead = voters.filter((node) => !wanted.includes(node) && !isHeard(node));
    return [
      ...dead.filter((node) => node !== input.self).map((node) => step('remove', node)),
      ...coming.map((node) => step(isMember(configuration, node) ? 'promote' : 'addLearner', node)),
    ];
  }
  const going = [
    ...learners.filter((node) => !wanted.includes(node)),
    ...voters.filter((node) => !wanted.includes(node)).toSorted(byHearing(isHeard, false)),
  ];
  const others = going.filter((node) => node !== input.self).map((node) => step('remove', node));
  if (others.length > 0 || !going.includes(input.self)) return others;
  const heirs = wanted.filter((node) => isHeard(node) && !input.isWitness(node));
  return heirs.map((to) => ({ kind: 'handOver', to }));
}

/** Whether the data group is as it was decided. */
export function isDataSettled(configuration: Configuration, wanted: readonly NodeId[]): boolean {
  const { voters, learners } = configuration;
  if (learners.length > 0 || voters.length !== wanted.length) return false;
  return voters.every((node) => wanted.includes(node));
}

function step(kind: MemberChange['kind'], node: NodeId): DataStep {
  return { kind: 'change', change: { kind, node } };
}

function byHearing(isHeard: (node: NodeId) => boolean, first: boolean) {
  return (one: NodeId, other: NodeId): number => {
    if (isHeard(one) !== isHeard(other)) return isHeard(one) === first ? -1 : 1;
    return one < other ? -1 : 1;
  };
}
