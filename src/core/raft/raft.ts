/**
 * One Raft node of one group: `step(event) -> effects`, synchronous, without clock or chance.
 *
 * Reader's map: protocol.ts is the vocabulary; state.ts what a node knows; election.ts who leads;
 * replication.ts and following.ts the two halves of §5.3; membership.ts who counts; commit.ts,
 * reads.ts, handover.ts and restoring.ts one rule each; invariants.ts what holds after every step;
 * driver.ts performs the effects.
 */
import { assert, unreachable } from '../../assert.ts';
import { type LogIndex, logIndex, type NodeId, type Term } from '../scalars.ts';
import { advanceCommit } from './commit.ts';
import { isConfigurationPayload } from './configuration.ts';
import {
  askForVote,
  hasQuorum,
  onElectionTick,
  onHardStateSaved,
  onLeaderLost,
  onReadiness,
  onRequestVote,
  onTimeoutNow,
  onVoteReply,
} from './election.ts';
import { onAppend, onEntriesPersisted, onTermSaved } from './following.ts';
import { onHandoverTick, onResignWanted, onTransferWanted, pushHandover } from './handover.ts';
import { Invariants } from './invariants.ts';
import {
  onChangeWanted,
  onMembershipTick,
  onRemoved,
  pushPromotion,
  releaseLeaving,
} from './membership.ts';
import type { RaftOptions } from './options.ts';
import { peersOf } from './peers.ts';
import type {
  Configuration,
  Effect,
  EntryId,
  HardState,
  Message,
  RaftEvent,
  RaftRole,
  RaftView,
  SnapshotMeta,
} from './protocol.ts';
import {
  appendOwn,
  askForEchoes,
  broadcastAppends,
  broadcastHeartbeats,
  onAppendReply,
  onPeerLost,
  payCommit,
  sendAppends,
  sendHeartbeat,
} from './replication.ts';
import { onOffer, onStored } from './restoring.ts';
import { becomeFollower } from './roles.ts';
import { State } from './state.ts';

export class Raft {
  readonly #s: State;
  readonly #invariants: Invariants;

  constructor(options: RaftOptions) {
    this.#s = new State(options);
    this.#invariants = new Invariants(this.#s);
  }

  get id(): NodeId {
    return this.#s.id;
  }

  get role(): RaftRole {
    return this.#s.role.kind;
  }

  get term(): Term {
    return this.#s.term;
  }

  /** In the present term. */
  get votedFor(): NodeId | null {
    return this.#s.hard.votedFor;
  }

  get leader(): NodeId | null {
    return this.#s.leader;
  }

  get last(): EntryId {
    return this.#s.trail.last;
  }

  get base(): EntryId {
    return this.#s.trail.base;
  }

  get committed(): LogIndex {
    return this.#s.committed;
  }

  get persisted(): LogIndex {
    return this.#s.persisted.index;
  }

  get snapshot(): SnapshotMeta | null {
    return this.#s.snapshot;
  }

  /** In force: the newest in the log, committed or not. */
  get configuration(): Configuration {
    return this.#s.configuration;
  }

  /** Nobody else is needed, for anything. */
  get isSoleVoter(): boolean {
    return this.#s.isSoleVoter;
  }

  /** What a snapshot of everything up to `index` has to carry; null when that is not known. */
  configurationAt(index: LogIndex): Configuration | null {
    return this.#s.roster.at(index)?.configuration ?? null;
  }

  get uncommittedBytes(): number {
    return this.#s.trail.bytesBetween(this.#s.committed, this.#s.trail.last.index);
  }

  /** What a leader's own disk lags behind; the others may commit without it meanwhile. */
  get unpersistedBytes(): number {
    return this.#s.trail.bytesBetween(this.#s.persisted.index, this.#s.trail.last.index);
  }

  /** How long the disk has kept the oldest write waiting. Whoever leads so should hand over. */
  get diskWaitTicks(): number {
    return this.#s.diskWaitTicks;
  }

  /** The number of the next broadcast; a round that proves leadership from now on. 0: no leader. */
  get nextRound(): number {
    const { role } = this.#s;
    return role.kind === 'leader' ? role.rounds.next : 0;
  }

  get confirmedRound(): number {
    const { role } = this.#s;
    return role.kind === 'leader' ? role.rounds.confirmed : 0;
  }

  view(): RaftView {
    const s = this.#s;
    return {
      id: s.id,
      role: s.role.kind,
      term: s.term,
      leader: s.leader,
      last: s.trail.last,
      committed: s.committed,
      configuration: s.configuration,
      peers: s.role.kind === 'leader' ? s.role.peers.map((peer) => peer.view()) : [],
    };
  }

  step(event: RaftEvent): readonly Effect[] {
    this.#take(event);
    this.#invariants.check(this.#s);
    return this.#s.takeEffects();
  }

  #take(event: RaftEvent): void {
    const s = this.#s;
    switch (event.kind) {
      case 'tick':
        this.#tick();
        return;
      case 'received':
        if (event.from !== s.id) this.#received(event.from, event.message);
        return;
      case 'proposed':
        this.#propose(event.payloads);
        return;
      case 'hardStateSaved':
        this.#hardStateSaved(event.hardState);
        return;
      case 'entriesPersisted':
        this.#persisted(event.upTo);
        return;
      case 'roundWanted':
        if (s.role.kind === 'leader' && s.role.rounds.want(event.round)) askForEchoes(s, s.role);
        return;
      case 'commitWanted':
        this.#commitWanted(event.peer);
        return;
      case 'transferWanted':
        onTransferWanted(s, event.to);
        return;
      case 'changeWanted':
        onChangeWanted(s, event);
        return;
      case 'peerLost':
        this.#peerLost(event.peer);
        return;
      case 'peerFound':
        this.#peerFound(event.peer);
        return;
      case 'witnessesKnown':
        s.witnesses = event.witnesses;
        return;
      case 'copiesKnown':
        this.#copiesKnown(event.copies);
        return;
      case 'compacted':
      case 'snapshotFetched':
      case 'snapshotInstalled':
        onStored(s, event);
        return;
      case 'readinessChanged':
        onReadiness(s, event.readiness);
        return;
      case 'resignWanted':
        onResignWanted(s, event.why);
        return;
      default:
        unreachable(event);
    }
  }

  #hardStateSaved(hardState: HardState): void {
    const s = this.#s;
    s.savedHard = hardState;
    if (s.isTermSaved) onTermSaved(s);
    onHardStateSaved(s);
  }

  #persisted(upTo: EntryId): void {
    const s = this.#s;
    s.persisted.done(upTo);
    s.diskWaitTicks = 0;
    if (s.role.kind === 'leader') advanceCommit(s, s.role);
    else onEntriesPersisted(s);
  }

  #received(from: NodeId, message: Message): void {
    const s = this.#s;
    switch (message.kind) {
      case 'requestVote':
        onRequestVote(s, from, message);
        return;
      case 'voteReply':
        onVoteReply(s, from, message);
        return;
      case 'append':
        onAppend(s, from, message);
        return;
      case 'appendReply':
        this.#appendReply(from, message);
        return;
      case 'offerSnapshot':
        onOffer(s, from, message);
        return;
      case 'timeoutNow':
        onTimeoutNow(s, from, message.term);
        return;
      case 'removed':
        onRemoved(s, from, message);
        return;
      default:
        unreachable(message);
    }
  }

  /** Counts only from a peer that this leader feeds, and only in its own term. */
  #appendReply(from: NodeId, message: Extract<Message, { kind: 'appendReply' }>): void {
    const s = this.#s;
    const leader = s.role;
    if (leader.kind !== 'leader' || message.term < s.term) return;
    const peer = leader.peers.find((candidate) => candidate.id === from);
    if (peer === undefined) return;
    if (message.term > s.term) {
      // Who was removed deposes nobody.
      if (peer.standing === 'leaving') leader.peers = leader.peers.filter((p) => p !== peer);
      else becomeFollower(s, message.term, null, `${from} is in a later term`);
      return;
    }
    onAppendReply(s, leader, peer, message);
    if (s.role !== leader) return;
    if (peer.standing === 'learner') pushPromotion(s, leader);
    releaseLeaving(s, leader);
    pushHandover(s, leader);
  }

  #tick(): void {
    const s = this.#s;
    const leader = s.role;
    s.diskWaitTicks = s.persisted.isIdle ? 0 : s.diskWaitTicks + 1;
    if (leader.kind !== 'leader') {
      onElectionTick(s);
      return;
    }
    for (const peer of leader.peers) peer.tick();
    if (!hasQuorum(s, leader)) {
      becomeFollower(s, s.term, null, 'no majority was heard for an election timeout');
      return;
    }
    leader.heartbeatElapsed++;
    const isOverdue = leader.rounds.tick();
    if (isOverdue || leader.heartbeatElapsed >= s.limits.heartbeatTicks)
      broadcastHeartbeats(s, leader);
    onMembershipTick(s, leader);
    onHandoverTick(s, leader);
  }

  #propose(payloads: readonly Uint8Array[]): void {
    const s = this.#s;
    const leader = s.role;
    assert(payloads.length > 0, 'a proposal has at least one payload');
    if (leader.kind !== 'leader') {
      s.emit({ kind: 'refused', why: 'notLeader' });
      return;
    }
    if (leader.handover !== null) {
      s.emit({ kind: 'refused', why: 'handingOver' });
      return;
    }
    let bytes = 0;
    for (const payload of payloads) {
      assert(payload.length > 0, 'only the no-op of a new leader is empty');
      assert(!isConfigurationPayload(payload), 'only the core appends configurations');
      bytes += payload.length;
    }
    // One unit of the server may be larger than the cap: alone it is always taken.
    const ahead = this.uncommittedBytes;
    if (ahead > 0 && ahead + bytes > s.limits.uncommittedBytesMax) {
      s.emit({ kind: 'refused', why: 'tooMuchUncommitted' });
      return;
    }
    const first = logIndex(s.trail.last.index + 1);
    const last = logIndex(s.trail.last.index + payloads.length);
    s.emit({ kind: 'accepted', first, last });
    appendOwn(s, payloads);
    broadcastAppends(s, leader);
  }

  #peerLost(id: NodeId): void {
    const { role } = this.#s;
    if (role.kind === 'follower' && role.leader === id) onLeaderLost(this.#s);
    if (role.kind !== 'leader') return;
    const peer = role.peers.find((candidate) => candidate.id === id);
    if (peer !== undefined) onPeerLost(peer);
  }

  #copiesKnown(copies: readonly NodeId[]): void {
    const s = this.#s;
    s.copies = copies;
    if (s.role.kind === 'leader') s.role.peers = peersOf(s, s.role.peers);
  }

  #commitWanted(id: NodeId): void {
    const s = this.#s;
    if (s.role.kind !== 'leader') return;
    const peer = s.role.peers.find((each) => each.id === id);
    if (peer === undefined) return;
    peer.commitOwed = s.committed;
    payCommit(s, s.role, peer);
  }

  #peerFound(id: NodeId): void {
    const s = this.#s;
    const { role } = s;
    if (role.kind !== 'leader') {
      askForVote(s, id);
      return;
    }
    const peer = role.peers.find((candidate) => candidate.id === id);
    if (peer === undefined) return;
    if (peer.progress.state === 'probing') {
      peer.progress.isProbeInFlight = false;
      sendAppends(s, role, peer);
    } else {
      sendHeartbeat(s, role, peer);
    }
  }
}
