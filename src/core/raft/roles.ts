/** The way out of every role: to follower, in this term or a later one (Raft §5.1). */
import { assert } from '../../assert.ts';
import type { NodeId, Term } from '../scalars.ts';
import { follower, type Leader, type State } from './state.ts';

/** How long a node that resigned lets others lead, in maximal election timeouts. */
const QUIET_TIMEOUTS = 2;

/**
 * A leader's reign ends here and nowhere else: `steppedDown` comes before anything that belongs
 * to what follows (design §2, the reign).
 */
export function becomeFollower(s: State, term: Term, leader: NodeId | null, why: string): void {
  assert(term >= s.term, 'a term never falls');
  if (s.role.kind === 'leader') {
    s.emit({ kind: 'steppedDown', term: s.term, why });
    dropPromotion(s, s.role, 'this node leads no longer');
    if (s.role.handover?.isResignation === true) beQuiet(s);
  }
  if (term > s.term) s.setHard({ term, votedFor: null });
  s.role = follower(leader);
  s.restartElectionTimer();
  s.announceLeader();
}

/** A learner that waits to be made a voter stays one. */
export function dropPromotion(s: State, leader: Leader, why: string): void {
  const { promotion } = leader;
  leader.promotion = null;
  if (promotion !== null) s.emit({ kind: 'changeRefused', change: promotion.change, why });
}

/** A sole voter has nobody to leave the lead to: waiting would only keep its clients waiting. */
export function beQuiet(s: State): void {
  if (s.isSoleVoter) return;
  s.quietTicks = QUIET_TIMEOUTS * s.limits.electionTicksMax;
}
