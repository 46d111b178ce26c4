/**
 * Elections (Raft §5.2, §5.4.1), with pre-vote (thesis §9.6), stickiness (thesis §4.2.3) and
 * check-quorum (thesis §6.2). The three belong together: each alone leaves a way for a partly
 * connected node to stop the others.
 *
 * Who is asked for a vote answers by log and term alone: it may be a voter without knowing it yet,
 * and so may be who asks (thesis §4.1). What a removed node can do is bounded by the three above;
 * and it is told.
 */
import { assert } from '../../assert.ts';
import { logIndex, type NodeId } from '../scalars.ts';
import { tellRemoved } from './membership.ts';
import { peersOf } from './peers.ts';
import type { EntryId, Message, Readiness } from './protocol.ts';
import { majority } from './quorum.ts';
import { Rounds } from './reads.ts';
import { appendOwn, broadcastAppends } from './replication.ts';
import { becomeFollower } from './roles.ts';
import type { Leader, State } from './state.ts';

type RequestVote = Extract<Message, { kind: 'requestVote' }>;
type VoteReply = Extract<Message, { kind: 'voteReply' }>;

/**
 * Wait before campaigning again after a split vote or a broken connection to the leader: some
 * round trips between nodes, so that one of them gets ahead, and far less than a timeout.
 */
const HURRY_TICKS_MIN = 2;
const HURRY_TICKS_MAX = 8;

/** Maximal election timeouts by which a reluctant node lets the others go first. */
const RELUCTANCE_TIMEOUTS = 2;
/** Whoever asks so often for a vote that its log is too short for has not won without it. */
const ASKED_IN_VAIN = 3;

export function onElectionTick(s: State): void {
  assert(s.role.kind !== 'leader', 'a leader has no election timeout');
  if (s.quietTicks > 0) s.quietTicks--;
  if (s.promisedTicks !== null && s.promisedTicks > 0) s.promisedTicks--;
  if (s.role.kind === 'follower') {
    s.role.leaderSilentTicks++;
    if (s.role.leaderSilentTicks >= s.limits.electionTicksMin) s.role.isLeaderHeard = false;
  }
  s.electionElapsed++;
  if (s.electionElapsed < s.electionTimeout + reluctance(s)) {
    if (s.electionElapsed % s.limits.heartbeatTicks === 0) askAgain(s);
    return;
  }
  // A disk slower than the timeout: nobody was asked yet, and a still later term would start over.
  const isSaving = s.role.kind === 'candidate' && !s.role.hasAsked;
  if (canCampaign(s) && isSaving) return;
  if (canCampaign(s)) campaign(s);
  else if (s.role.kind !== 'follower') becomeFollower(s, s.term, null, 'may not campaign');
  else if (s.role.leader !== null) forgetLeader(s);
}

export function onReadiness(s: State, readiness: Readiness): void {
  s.readiness = readiness;
  const isCampaigning = s.role.kind === 'preCandidate' || s.role.kind === 'candidate';
  if (isCampaigning && !canCampaign(s)) becomeFollower(s, s.term, null, 'may not campaign');
}

/** The connection to the leader broke: a hint that it is gone, so this node need not wait. */
export function onLeaderLost(s: State): void {
  assert(s.role.kind === 'follower', 'only a follower has a leader to lose');
  // A promise outlives the connection that it was given on.
  if (!s.role.isLeaderHeard || s.promisedTicks !== null) return;
  s.role.isLeaderHeard = false;
  hurry(s);
}

export function onRequestVote(s: State, from: NodeId, message: RequestVote): void {
  if (tellRemoved(s, from, message.last)) return;
  if (!message.transfer && isSticky(s)) return;
  const { trail } = s;
  const isLongEnough = !isAhead(trail.last, message.last);
  if (message.pre) {
    // Granting promises nothing, and raises nobody's term.
    const granted = isLongEnough && message.term > s.term;
    if (!isLongEnough) s.shorterRefused++;
    const term = granted ? message.term : s.term;
    s.send(from, { kind: 'voteReply', term, pre: true, granted });
    return;
  }
  if (message.term > s.term) becomeFollower(s, message.term, null, `${from} asks for a later term`);
  const isFree = s.hard.votedFor === from || (s.hard.votedFor === null && s.leader === null);
  if (message.term < s.term || !isFree || !isLongEnough) {
    s.send(from, { kind: 'voteReply', term: s.term, pre: false, granted: false });
    return;
  }
  s.setHard({ term: s.term, votedFor: from });
  s.restartElectionTimer();
  s.owedVote = from;
  sayOwedVote(s);
}

export function onVoteReply(s: State, from: NodeId, message: VoteReply): void {
  if (!s.configuration.voters.includes(from)) return;
  const isGrantedPre = message.pre && message.granted;
  if (!isGrantedPre && message.term > s.term) {
    becomeFollower(s, message.term, null, `${from} is in a later term`);
    return;
  }
  const { role } = s;
  if (role.kind === 'preCandidate' && isGrantedPre && message.term === s.term + 1) {
    role.granted.add(from);
    if (role.granted.size >= majority(s.configuration.voters.length)) becomeCandidate(s, false);
    return;
  }
  if (role.kind !== 'candidate' || message.pre || message.term !== s.term || !role.hasAsked) return;
  if (message.granted) {
    role.granted.add(from);
    if (role.granted.size >= majority(s.configuration.voters.length)) becomeLeader(s);
    return;
  }
  // A majority agreed to this candidacy, so somebody else runs at the same time. The voters that
  // are gone will not decide it: whoever tries again first does.
  if (role.rejected.size === 0) hurry(s);
  role.rejected.add(from);
}

export function onHardStateSaved(s: State): void {
  if (!s.isHardSaved) return;
  sayOwedVote(s);
  const { role } = s;
  if (role.kind !== 'candidate' || role.hasAsked) return;
  role.hasAsked = true;
  if (s.isVoter) role.granted.add(s.id);
  if (role.granted.size >= majority(s.configuration.voters.length)) becomeLeader(s);
  else for (const voter of s.configuration.voters) askForVote(s, voter);
}

/** The leader hands over: campaign at once, over everybody's stickiness (thesis §3.10). */
export function onTimeoutNow(s: State, from: NodeId, term: number): void {
  if (term !== s.term || s.role.kind !== 'follower' || s.role.leader !== from) return;
  // Its leader gave up its lease before it said so.
  s.promisedTicks = s.promisedTicks === null ? null : 0;
  if (canCampaign(s)) becomeCandidate(s, true);
}

/** A peer came within reach: what was asked of it may have been lost. */
export function askForVote(s: State, voter: NodeId): void {
  if (voter === s.id || !s.configuration.voters.includes(voter)) return;
  const { role } = s;
  const { last } = s.trail;
  if (role.kind === 'preCandidate') {
    const term = (s.term + 1) as RequestVote['term'];
    s.send(voter, { kind: 'requestVote', term, pre: true, transfer: false, last });
  } else if (role.kind === 'candidate' && role.hasAsked) {
    const { transfer } = role;
    s.send(voter, { kind: 'requestVote', term: s.term, pre: false, transfer, last });
  }
}

/** Check-quorum: a leader that hears no majority for a minimal election timeout is none. */
export function hasQuorum(s: State, leader: Leader): boolean {
  let heard = s.isVoter ? 1 : 0;
  for (const peer of leader.peers)
    if (peer.isVoter && peer.silentTicks < s.limits.electionTicksMin) heard++;
  return heard >= majority(s.configuration.voters.length);
}

function canCampaign(s: State): boolean {
  if (isPromised(s) || s.removedAt > s.trail.last.index) return false;
  const isNeeded = s.isVoter || s.isLeaving;
  return isNeeded && s.readiness !== 'barred' && s.installing === null && s.quietTicks === 0;
}

/** What only it has and is committed, it must bring to the others itself (holes H5). */
function reluctance(s: State): number {
  if (s.readiness !== 'reluctant' || s.isSoleVoter || s.shorterRefused >= ASKED_IN_VAIN) return 0;
  return RELUCTANCE_TIMEOUTS * s.limits.electionTicksMax;
}

/** Questions get lost, and a voter that ignored one may have missed the leader since. */
function askAgain(s: State): void {
  const { role } = s;
  if (role.kind !== 'preCandidate' && role.kind !== 'candidate') return;
  for (const voter of s.configuration.voters) {
    const isAnswered =
      role.granted.has(voter) || (role.kind === 'candidate' && role.rejected.has(voter));
    if (!isAnswered) askForVote(s, voter);
  }
}

function campaign(s: State): void {
  if (s.isSoleVoter) {
    becomeCandidate(s, false);
    return;
  }
  s.role = { kind: 'preCandidate', granted: new Set(s.isVoter ? [s.id] : []) };
  s.restartElectionTimer();
  s.announceLeader();
  for (const voter of s.configuration.voters) askForVote(s, voter);
}

/** The vote for itself goes to disk first; the questions follow in `onHardStateSaved`. */
function becomeCandidate(s: State, transfer: boolean): void {
  s.setHard({ term: (s.term + 1) as RequestVote['term'], votedFor: s.id });
  s.role = {
    kind: 'candidate',
    transfer,
    granted: new Set(),
    rejected: new Set(),
    hasAsked: false,
  };
  s.restartElectionTimer();
  s.announceLeader();
}

/** The no-op commits what earlier terms left (Raft §8; thesis §6.4). */
function becomeLeader(s: State): void {
  assert(s.isHardSaved, 'the vote of a leader is on disk');
  assert(s.isVoter || s.isLeaving, 'a leader is a voter, or its removal is not committed');
  const noop = { index: logIndex(s.trail.last.index + 1), term: s.term };
  const leader: Leader = {
    kind: 'leader',
    noop,
    peers: peersOf(s, []),
    rounds: new Rounds(),
    heartbeatElapsed: 0,
    handover: null,
    promotion: null,
  };
  s.role = leader;
  s.shorterRefused = 0;
  s.emit({ kind: 'becameLeader', term: s.term, noop });
  s.announceLeader();
  appendOwn(s, [new Uint8Array(0)]);
  broadcastAppends(s, leader);
}

function forgetLeader(s: State): void {
  assert(s.role.kind === 'follower', 'only a follower has a leader to forget');
  s.role.leader = null;
  s.announceLeader();
}

function hurry(s: State): void {
  s.electionElapsed = 0;
  s.electionTimeout = s.randomBetween(HURRY_TICKS_MIN, HURRY_TICKS_MAX);
}

/** Whoever hears its leader helps nobody to depose it. A leader hears itself. */
function isSticky(s: State): boolean {
  if (isPromised(s)) return true;
  return s.role.kind === 'leader' || (s.role.kind === 'follower' && s.role.isLeaderHeard);
}

function isPromised(s: State): boolean {
  return s.promisedTicks !== null && s.promisedTicks > 0 && !s.isSoleVoter;
}

function sayOwedVote(s: State): void {
  if (s.owedVote === null || !s.isHardSaved) return;
  s.send(s.owedVote, { kind: 'voteReply', term: s.term, pre: false, granted: true });
  s.owedVote = null;
}

/** Raft §5.4.1: the log with the later last term wins, then the longer one. */
function isAhead(own: EntryId, other: EntryId): boolean {
  return own.term > other.term || (own.term === other.term && own.index > other.index);
}
