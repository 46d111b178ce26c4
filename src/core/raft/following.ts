/**
 * The follower's half of replication (Raft §5.3): takes entries, and says what it has on disk.
 *
 * Disk before word: an acknowledgement never names more than is persisted, and none leaves before
 * the term it belongs to is on disk. Heartbeats are answered at once with what is persisted so
 * far, so that a busy disk costs neither rounds nor leadership.
 */
import { assert } from '../../assert.ts';
import { type LogIndex, logIndex, type NodeId, type Term } from '../scalars.ts';
import { commitUpTo } from './commit.ts';
import { decodeConfiguration, isConfigurationPayload } from './configuration.ts';
import type { Entry, EntryId, Message } from './protocol.ts';
import { becomeFollower } from './roles.ts';
import type { Follower, State } from './state.ts';

type Append = Extract<Message, { kind: 'append' }>;

/** The follower state when `from` leads the current term; null when it is deposed. */
export function heardLeader(s: State, from: NodeId, term: Term, round: number): Follower | null {
  if (term < s.term) {
    const hint = s.trail.last;
    s.send(from, { kind: 'appendReply', term: s.term, ok: false, index: hint.index, hint, round });
    return null;
  }
  if (term > s.term) becomeFollower(s, term, from, `${from} leads a later term`);
  assert(s.role.kind !== 'leader', 'a term has at most one leader');
  if (s.role.kind !== 'follower') becomeFollower(s, term, from, 'another candidate won');
  const { role } = s;
  assert(role.kind === 'follower', 'only a follower has a leader');
  if (role.leader !== from) {
    assert(role.leader === null, 'a term has at most one leader');
    role.leader = from;
    s.announceLeader();
  }
  if (!role.isLeaderHeard) s.restartElectionTimer();
  role.isLeaderHeard = true;
  role.leaderSilentTicks = 0;
  s.shorterRefused = 0;
  if (s.promisedTicks !== null) s.promisedTicks = s.limits.electionTicksMin;
  s.electionElapsed = 0;
  role.round = Math.max(role.round, round);
  return role;
}

export function onAppend(s: State, from: NodeId, message: Append): void {
  const role = heardLeader(s, from, message.term, message.round);
  if (role === null) return;
  if (s.installing !== null) {
    acknowledge(s);
    return;
  }
  const { after, entries } = message;
  if (!isWellFormed(message)) return;
  if (!agreesAt(s, after)) {
    const hint = s.trail.lastUpTo(after.index, after.term);
    reject(s, role, from, after, hint.index < s.committed ? s.trail.idAt(s.committed) : hint);
    return;
  }
  const isNew = takeEntries(s, role, entries);
  const upTo = logIndex(after.index + entries.length);
  if (upTo > role.matched) role.matched = upTo;
  commitUpTo(s, logIndex(Math.min(message.commit, upTo)));
  // New entries are acknowledged when they are on disk.
  if (!isNew) acknowledge(s);
}

/** Says how far this log, on disk, equals the leader's. What is committed always does. */
export function acknowledge(s: State): void {
  const { role } = s;
  if (role.kind !== 'follower' || role.leader === null) return;
  role.owesAck = !s.isTermSaved;
  if (role.owesAck) return;
  const index = ackIndex(s, role);
  role.acknowledged = index;
  s.send(role.leader, {
    kind: 'appendReply',
    term: s.term,
    ok: true,
    index,
    hint: s.trail.last,
    round: role.round,
  });
}

export function onEntriesPersisted(s: State): void {
  const { role } = s;
  if (role.kind !== 'follower' || role.leader === null) return;
  if (role.matched > role.acknowledged && ackIndex(s, role) > role.acknowledged) acknowledge(s);
}

/** The term is on disk: what waited for it may be said. */
export function onTermSaved(s: State): void {
  const { role } = s;
  if (role.kind !== 'follower' || role.leader === null) return;
  if (role.owedReject !== null) s.send(role.leader, role.owedReject);
  role.owedReject = null;
  if (role.owesAck) acknowledge(s);
}

function ackIndex(s: State, role: Follower): LogIndex {
  return logIndex(Math.min(Math.max(role.matched, s.committed), s.persisted.index));
}

/** What is committed is in every later leader's log (Raft §5.4.3), so it needs no comparing. */
function agreesAt(s: State, after: EntryId): boolean {
  if (after.index > s.committed) return s.trail.holds(after);
  const term = s.trail.termAt(after.index);
  assert(term === null || term === after.term, 'a leader never disagrees with what is committed');
  return true;
}

/** True when there was something new, which is now on its way to the disk. */
function takeEntries(s: State, role: Follower, entries: readonly Entry[]): boolean {
  const { trail } = s;
  let skipped = 0;
  let cut = false;
  for (const entry of entries) {
    if (entry.index > trail.last.index) break;
    const term = trail.termAt(entry.index);
    if (term !== null && term !== entry.term) {
      assert(entry.index > s.committed, 'what is committed is never truncated');
      assert(entry.index > role.matched, 'a leader never takes back what it sent');
      cut = true;
      break;
    }
    skipped++;
  }
  if (skipped === entries.length) return false;
  const fresh = skipped === 0 ? entries : entries.slice(skipped);
  const first = fresh[0];
  assert(first !== undefined, 'an entry is left to take');
  if (cut) {
    s.truncateAfter(logIndex(first.index - 1));
  }
  assert(first.index === trail.last.index + 1, 'entries follow the log without a gap');
  s.append(fresh);
  return true;
}

/** Garbage from a peer costs that message; it must not reach the trail's own asserts. */
function isWellFormed({ term, after, entries }: Append): boolean {
  let previous = after;
  for (const entry of entries) {
    if (entry.index !== previous.index + 1 || entry.term < previous.term) return false;
    const { payload } = entry;
    if (isConfigurationPayload(payload) && decodeConfiguration(payload) === null) return false;
    previous = entry;
  }
  return previous.term <= term;
}

function reject(s: State, role: Follower, to: NodeId, after: EntryId, hint: EntryId): void {
  const message: Message = {
    kind: 'appendReply',
    term: s.term,
    ok: false,
    index: after.index,
    hint,
    round: role.round,
  };
  if (s.isTermSaved) s.send(to, message);
  else role.owedReject = message;
}
