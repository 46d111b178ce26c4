/**
 * Who is in the control group, and who of them votes: the next change, with its reason.
 *
 * Every member of the deployment is in it. At most seven vote, and an odd number: the fourth voter
 * adds nothing but one more that must answer. Two nodes both vote, since what one alone decided
 * would be lost with it. Order: whoever is gone for good goes first, then places are filled, then
 * taken away; so there are never fewer voters than needed on the way.
 */
import { activeMembers, type ControlState, memberOf, nameOf } from '../control/state.ts';
import { isMember } from '../raft/configuration.ts';
import type { MemberChange } from '../raft/protocol.ts';
import { majority } from '../raft/quorum.ts';
import type { NodeId } from '../scalars.ts';
import { choose } from './choose.ts';
import type { Observation } from './observation.ts';

export const CONTROL_VOTERS_MAX = 7;

export type ControlStep =
  | { readonly kind: 'change'; readonly change: MemberChange; readonly why: string }
  /** This leader is to leave: another must remove it. */
  | { readonly kind: 'handOver'; readonly to: NodeId; readonly why: string };

export function votersWanted(nodes: number): number {
  if (nodes <= 2) return nodes;
  return Math.min(CONTROL_VOTERS_MAX, nodes % 2 === 1 ? nodes : nodes - 1);
}

/** Null when all is as it should be, or nothing can be done now. */
export function nextControlStep(state: ControlState, seen: Observation): ControlStep | null {
  const { control, self, nodes } = seen;
  const all = [...control.voters, ...control.learners];
  const gone = all.filter((node) => memberOf(state, node) === null);
  // Who is not there goes first: without it those that are may be enough to remove the others.
  const other =
    gone.find((node) => node !== self && !nodes.has(node)) ??
    gone.find((node) => node !== self && canSpare(node, seen));
  if (other !== undefined) return change('remove', other, `${nameOf(other)} is no member any more`);
  if (gone.includes(self)) {
    const isHeir = (node: NodeId): boolean => nodes.has(node) && !gone.includes(node);
    const heir = control.voters.find(isHeir);
    // Without one somebody must be promoted first, or nobody could ever decide anything again.
    if (heir !== undefined)
      return { kind: 'handOver', to: heir, why: `${nameOf(self)} is no member any more` };
  }
  // Also who is to leave: as long as it may lead the data group it must read what is decided.
  const coming = state.members.find(({ node }) => nodes.has(node) && !isMember(control, node));
  if (coming !== undefined)
    return change('addLearner', coming.node, `${nameOf(coming.node)} is a member`);
  return voterStep(state, seen);
}

/** Those that are there are enough without it; if not, others must come in first. */
function canSpare(node: NodeId, { control, self, nodes }: Observation): boolean {
  const rest = control.voters.filter((voter) => voter !== node);
  const there = rest.filter((voter) => voter === self || nodes.has(voter));
  return there.length >= majority(rest.length);
}

function voterStep(state: ControlState, { control, self, nodes }: Observation): ControlStep | null {
  const candidates = activeMembers(state).filter(({ node }) => isMember(control, node));
  const wanted = votersWanted(candidates.length);
  const voters = choose({
    candidates,
    holders: control.voters,
    wanted,
    rankOf: (node) => (node === self ? 2 : nodes.has(node) ? 1 : 0),
    mayEnter: (node) => nodes.has(node),
  });
  const why = `${wanted} of ${candidates.length} nodes vote on what is decided`;
  const promoted = voters.find((node) => !control.voters.includes(node));
  if (promoted !== undefined) return change('promote', promoted, why);
  const demoted = candidates.find(
    ({ node }) => control.voters.includes(node) && !voters.includes(node),
  );
  // It comes back as a learner in the next round.
  return demoted === undefined ? null : change('remove', demoted.node, why);
}

function change(kind: MemberChange['kind'], node: NodeId, why: string): ControlStep {
  return { kind: 'change', change: { kind, node }, why };
}
