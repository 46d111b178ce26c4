/**
 * Changes of the configuration, one server at a time (thesis §4.1 to §4.2).
 *
 * A change is appended only when every objection is met: an entry of this term is committed
 * (Ongaro's correction of 2015: otherwise two leaders could each commit a change by majorities that
 * share nobody), no other change is under way, and its decision is not older than the one in force.
 * A new node learns first. It is made a voter once it has caught up in rounds, the last of which
 * took less than an election timeout (thesis §4.2.1). A leader does not remove itself unless that
 * was asked for; then it counts itself no longer and leaves when the removal is committed (§4.2.2).
 */
import { assert } from '../../assert.ts';
import { logIndex, type NodeId } from '../scalars.ts';
import { changed, encodeConfiguration, isMember, MEMBERS_MAX } from './configuration.ts';
import { peersOf, releaseRemoved } from './peers.ts';
import type { Configuration, MemberChange, Message, RaftEvent } from './protocol.ts';
import { majority } from './quorum.ts';
import { appendOwn, broadcastAppends, sendHeartbeat } from './replication.ts';
import { becomeFollower, dropPromotion } from './roles.ts';
import type { Leader, Promotion, State } from './state.ts';

type Wanted = Extract<RaftEvent, { kind: 'changeWanted' }>;
type Removed = Extract<Message, { kind: 'removed' }>;

/** As the thesis suggests: whoever is not level after so many rounds falls behind for good. */
const ROUNDS_MAX = 10;
/** Maximal election timeouts in which a learner must get something more on its disk. */
const STILL_TIMEOUTS = 2;

export function onChangeWanted(s: State, wanted: Wanted): void {
  const { change, decision } = wanted;
  const leader = s.role;
  const why = leader.kind === 'leader' ? objection(s, leader, wanted) : notLeading(s);
  if (why !== null || leader.kind !== 'leader') {
    s.emit({ kind: 'changeRefused', change, why: why ?? notLeading(s) });
  } else if (change.kind === 'promote') {
    const target = s.trail.last.index;
    const still = { match: logIndex(0), stillTicks: 0 };
    leader.promotion = { change, decision, target, rounds: 1, roundTicks: 0, ...still };
    pushPromotion(s, leader);
  } else {
    apply(s, leader, wanted);
  }
}

/** Called when anything may have brought the learner level. */
export function pushPromotion(s: State, leader: Leader): void {
  const { promotion } = leader;
  if (promotion === null) return;
  const learner = leader.peers.find(({ id }) => id === promotion.change.node);
  assert(learner !== undefined, 'while one change waits there is no other');
  if (learner.match > promotion.match) {
    promotion.match = learner.match;
    promotion.stillTicks = 0;
  }
  if (learner.match < promotion.target) return;
  if (promotion.roundTicks < s.limits.electionTicksMin) {
    leader.promotion = null;
    const wanted = { ...promotion, kind: 'changeWanted', leaderMayLeave: false } as const;
    const why = objection(s, leader, wanted);
    if (why === null) apply(s, leader, wanted);
    else s.emit({ kind: 'changeRefused', change: promotion.change, why });
  } else if (promotion.rounds === ROUNDS_MAX) {
    dropPromotion(s, leader, `${learner.id} is not level after ${ROUNDS_MAX} rounds`);
  } else {
    promotion.rounds++;
    promotion.roundTicks = 0;
    promotion.target = s.trail.last.index;
  }
}

export function onMembershipTick(s: State, leader: Leader): void {
  releaseLeaving(s, leader);
  const { promotion } = leader;
  if (promotion === null) return;
  promotion.roundTicks++;
  promotion.stillTicks++;
  if (promotion.stillTicks < STILL_TIMEOUTS * s.limits.electionTicksMax) pushPromotion(s, leader);
  else dropPromotion(s, leader, `${promotion.change.node} ${lagOf(s, promotion)}`);
}

/** Those that have their removal now need no more. */
export function releaseLeaving(s: State, leader: Leader): void {
  releaseRemoved(s, leader, (peer) => sendHeartbeat(s, leader, peer));
}

/**
 * Somebody asks for a vote that was removed: it learns so from whoever knows that to be committed,
 * since no leader speaks to it any more. True when its log ends before that, so that it cannot win.
 */
export function tellRemoved(s: State, to: NodeId, last: { readonly index: number }): boolean {
  const { agreed } = s;
  if (agreed === null || agreed.index === 0 || isMember(agreed.configuration, to)) return false;
  s.send(to, { kind: 'removed', term: s.term, index: agreed.index });
  return last.index < agreed.index;
}

/**
 * It stays quiet until its log has got that far, and then does as a later entry there says: one
 * that was added again campaigns like anybody else.
 */
export function onRemoved(s: State, by: NodeId, { index }: Removed): void {
  if (index <= s.removedAt || s.role.kind === 'leader') return;
  if (s.isVoter && index <= s.trail.last.index) return;
  s.removedAt = index;
  s.emit({ kind: 'toldRemoved', by, index });
  if (s.role.kind !== 'follower') becomeFollower(s, s.term, null, 'it was removed');
}

function apply(s: State, leader: Leader, { change, decision }: Wanted): void {
  appendOwn(s, [encodeConfiguration(changed(s.configuration, change, decision))]);
  leader.peers = peersOf(s, leader.peers);
  broadcastAppends(s, leader);
}

/** In words, or null. */
function objection(s: State, leader: Leader, wanted: Wanted): string | null {
  const { change, decision, leaderMayLeave } = wanted;
  const { configuration } = s;
  if (s.committed < leader.noop.index) return 'no entry of this term is committed yet';
  if (leader.handover !== null) return 'leadership is being handed over';
  if (leader.promotion !== null) return `${leader.promotion.change.node} is being promoted`;
  if (s.roster.index > s.committed) return 'the change before it is not committed yet';
  if (decision < configuration.decision)
    return `decision ${decision} is older than ${configuration.decision}, which is in force`;
  const { kind, node } = change;
  if (kind === 'remove' && node === s.id && !leaderMayLeave) return 'it leads: hand over first';
  const why = misfit(configuration, wanted);
  if (why !== null) return why;
  const silent = leader.peers.find(({ id }) => id === node)?.silentTicks ?? 0;
  if (kind === 'promote' && silent >= s.limits.electionTicksMin)
    return `${node} has not been heard for an election timeout`;
  return kind === 'addLearner' ? null : shortage(s, leader, change);
}

function misfit({ voters, learners }: Configuration, { change }: Wanted): string | null {
  const { kind, node } = change;
  const is = voters.includes(node) ? 'voter' : learners.includes(node) ? 'learner' : null;
  if (kind === 'addLearner' && is !== null) return `${node} is a ${is} already`;
  if (kind === 'addLearner' && voters.length + learners.length >= MEMBERS_MAX)
    return `there are ${MEMBERS_MAX} members already`;
  if (kind === 'promote' && is === 'voter') return `${node} is a voter already`;
  if (kind === 'promote' && is === null) return `${node} is no learner: add it as one first`;
  if (kind === 'remove' && is === null) return `${node} is no member`;
  if (kind === 'remove' && is === 'voter' && voters.length === 1)
    return `${node} is the last voter`;
  return null;
}

/**
 * A change must leave a majority that is there: it could not be committed, nor anything after, and
 * nobody could lead any more. A new leader knows of none that it has not heard yet. Whoever is made
 * a voter has shown that it is there when the change is appended: it is level.
 */
function shortage(s: State, leader: Leader, change: MemberChange): string | null {
  const { voters } = changed(s.configuration, change, 0);
  const joining = change.kind === 'promote' ? change.node : null;
  const isHeard = (voter: NodeId) => {
    if (voter === s.id || voter === joining) return true;
    const peer = leader.peers.find(({ id }) => id === voter);
    return peer?.isHeard === true && peer.silentTicks < s.limits.electionTicksMin;
  };
  const heard = voters.filter(isHeard).length;
  const needed = majority(voters.length);
  return heard >= needed ? null : `of the ${voters.length} voters then only ${heard} are heard`;
}

function notLeading(s: State): string {
  return s.leader === null ? 'no leader is known' : `${s.leader} leads`;
}

function lagOf(s: State, { match }: Promotion): string {
  const { last, base } = s.trail;
  if (match < base.index) return 'is still being restored from a snapshot';
  return `does not catch up: it lacks ${s.trail.bytesBetween(match, last.index)} bytes`;
}
