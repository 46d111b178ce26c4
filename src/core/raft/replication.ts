/**
 * The leader's half of replication (Raft §5.3): appends, heartbeats, and what the replies mean.
 *
 * Everything is sent from what the trail knows; the driver reads the payloads. Lost messages are
 * found by the replies to heartbeats: a probe is repeated with each of them, and a stream that
 * has not moved for a while is asked about its end.
 */
import { assert, unreachable } from '../../assert.ts';
import { type LogIndex, logIndex } from '../scalars.ts';
import { advanceCommit } from './commit.ts';
import type { Peer } from './progress.ts';
import type { Entry, EntryId, Message } from './protocol.ts';
import { majority, majorityValue } from './quorum.ts';
import type { Leader, State } from './state.ts';

type AppendReply = Extract<Message, { kind: 'appendReply' }>;

/** Heartbeats without any acknowledgement of what is in flight, before the stream is doubted. */
const STALL_HEARTBEATS = 2;

/** Nothing comes before the first entry, so every log agrees with it. */
const NOTHING: EntryId = { index: 0 as EntryId['index'], term: 0 as EntryId['term'] };

/** Appends to the leader's own log; replication and its own disk go on side by side. */
export function appendOwn(s: State, payloads: readonly Uint8Array[]): void {
  const next = s.trail.last.index + 1;
  const entries: Entry[] = payloads.map((payload, i) => {
    return { index: logIndex(next + i), term: s.term, payload };
  });
  s.append(entries);
}

export function broadcastAppends(s: State, leader: Leader): void {
  leader.rounds.begin();
  for (const peer of leader.peers) sendAppends(s, leader, peer);
  confirmRounds(s, leader);
}

export function broadcastHeartbeats(s: State, leader: Leader): void {
  leader.heartbeatElapsed = 0;
  beat(s, leader, leader.peers);
}

/** Heartbeats for the sake of their echoes, to as many as are needed: those who echoed last. */
export function askForEchoes(s: State, leader: Leader): void {
  const voters = leader.peers.filter((peer) => peer.isVoter).sort((a, b) => b.round - a.round);
  const needed = majority(s.configuration.voters.length) - (s.isVoter ? 1 : 0);
  beat(s, leader, voters.slice(0, needed));
}

function beat(s: State, leader: Leader, peers: readonly Peer[]): void {
  leader.rounds.beginHeartbeat();
  for (const peer of peers) sendHeartbeat(s, leader, peer);
  confirmRounds(s, leader);
}

/** Sends what the peer lacks, as far as its state and the window allow. */
export function sendAppends(s: State, leader: Leader, peer: Peer): void {
  const { progress } = peer;
  switch (progress.state) {
    case 'probing':
      if (progress.isProbeInFlight) return;
      if (progress.next <= s.trail.base.index) {
        offerSnapshot(s, leader, peer);
        return;
      }
      progress.isProbeInFlight = true;
      if (progress.next > s.trail.last.index) sendEmpty(s, leader, peer, progress.next - 1);
      else sendChunk(s, leader, peer, logIndex(progress.next - 1));
      return;
    case 'streaming':
      if (progress.next <= s.trail.base.index) {
        offerSnapshot(s, leader, peer);
        return;
      }
      while (progress.next <= s.trail.last.index) {
        const sent = logIndex(progress.next - 1);
        if (s.trail.bytesBetween(peer.match, sent) >= s.limits.windowBytesMax) return;
        const last = sendChunk(s, leader, peer, sent);
        progress.next = logIndex(last.index + 1);
      }
      return;
    case 'restoring':
      return;
    default:
      unreachable(progress);
  }
}

export function sendHeartbeat(s: State, leader: Leader, peer: Peer): void {
  const { progress } = peer;
  const base = s.trail.base.index;
  if (progress.state === 'restoring' || progress.next <= base) {
    offerSnapshot(s, leader, peer);
    return;
  }
  if (progress.state === 'probing') {
    progress.isProbeInFlight = true;
    sendEmpty(s, leader, peer, progress.next - 1);
    return;
  }
  const isStalled = progress.stalledTicks >= STALL_HEARTBEATS * s.limits.heartbeatTicks;
  sendEmpty(s, leader, peer, isStalled ? progress.next - 1 : peer.match);
}

export function onAppendReply(s: State, leader: Leader, peer: Peer, reply: AppendReply): void {
  peer.isHeard = true;
  peer.silentTicks = 0;
  peer.round = Math.max(peer.round, Math.min(reply.round, leader.rounds.last));
  // Before the commit: whoever waits for both would otherwise ask for the round once more.
  confirmRounds(s, leader);
  if (reply.ok) {
    assert(reply.index <= s.trail.last.index, 'no peer has more committed than its leader has');
    peer.acknowledged(reply.index, s.trail.base.index);
    advanceCommit(s, leader);
    if (s.role !== leader) return;
    payCommit(s, leader, peer);
  } else {
    onRejected(s, peer, reply);
  }
  sendAppends(s, leader, peer);
}

/** Tells a peer that waits for it how far everything is committed, once it has so much itself. */
export function payCommit(s: State, leader: Leader, peer: Peer): void {
  const { commitOwed, match } = peer;
  if (commitOwed === 0 || match < commitOwed) return;
  peer.commitOwed = logIndex(0);
  sendHeartbeat(s, leader, peer);
}

/** A broken connection took everything in flight with it. */
export function onPeerLost(peer: Peer): void {
  if (peer.progress.state !== 'streaming') return;
  peer.probeFrom(logIndex(peer.match + 1));
}

function onRejected(s: State, peer: Peer, reply: AppendReply): void {
  const { progress } = peer;
  // A rejection of what the peer has acknowledged since, or of an older probe, is stale.
  if (progress.state === 'restoring' || reply.index <= peer.match) return;
  if (progress.state === 'probing' && reply.index !== progress.next - 1) return;
  if (progress.state === 'streaming' && reply.index >= progress.next) return;
  const shared = s.trail.lastUpTo(reply.hint.index, reply.hint.term);
  // A hint below the base, or a shared entry of the base alone, needs the snapshot.
  const hintIndex = Math.min(shared.index, reply.hint.index);
  const next = Math.max(peer.match + 1, Math.min(hintIndex + 1, reply.index));
  peer.probeFrom(logIndex(next));
}

function confirmRounds(s: State, leader: Leader): void {
  const { rounds } = leader;
  const echoes: number[] = s.isVoter ? [rounds.last] : [];
  for (const peer of leader.peers) if (peer.isVoter) echoes.push(peer.round);
  const round = majorityValue(echoes);
  if (!rounds.confirm(round)) return;
  s.emit({ kind: 'roundConfirmed', term: s.term, round });
  if (rounds.isHeartbeatDue) askForEchoes(s, leader);
}

function offerSnapshot(s: State, leader: Leader, peer: Peer): void {
  const { snapshot } = s;
  assert(snapshot !== null, 'a compacted log has a snapshot');
  if (peer.progress.state !== 'restoring') peer.restore();
  const round = leader.rounds.last;
  s.send(peer.id, { kind: 'offerSnapshot', term: s.term, snapshot, round });
}

function sendChunk(s: State, leader: Leader, peer: Peer, afterIndex: LogIndex): EntryId {
  const after = s.trail.idAt(afterIndex);
  const last = s.trail.fit(afterIndex, s.limits.appendBytesMax);
  const commit = logIndex(Math.min(s.committed, last.index));
  const header = { term: s.term, after, last, commit, round: leader.rounds.last };
  s.emit({ kind: 'sendEntries', to: peer.id, header });
  return last;
}

function sendEmpty(s: State, leader: Leader, peer: Peer, afterIndex: number): void {
  const isHeld = afterIndex >= s.trail.base.index;
  const after = isHeld ? s.trail.idAt(logIndex(afterIndex)) : NOTHING;
  s.send(peer.id, {
    kind: 'append',
    term: s.term,
    after,
    entries: [],
    commit: logIndex(Math.min(s.committed, after.index)),
    round: leader.rounds.last,
  });
}
