/**
 * Everything one Raft node knows, and the only way in which its rules speak: `emit`.
 *
 * The rules live in the files beside this one, as functions on this state; raft.ts is the door.
 */
import { assert } from '../../assert.ts';
import { type LogIndex, logIndex, type NodeId, type Term } from '../scalars.ts';
import { decodeConfiguration, isConfigurationPayload } from './configuration.ts';
import type { RaftLimits, RaftOptions } from './options.ts';
import { Persisted } from './persisted.ts';
import type { Peer } from './progress.ts';
import type {
  Configuration,
  ConfigurationAt,
  Effect,
  Entry,
  EntryId,
  HardState,
  MemberChange,
  Message,
  Readiness,
  SnapshotMeta,
} from './protocol.ts';
import type { Rounds } from './reads.ts';
import { Roster } from './roster.ts';
import { Trail } from './trail.ts';

export interface Follower {
  readonly kind: 'follower';
  leader: NodeId | null;
  /** False once the leader was silent for a minimal election timeout, or its connection broke. */
  isLeaderHeard: boolean;
  leaderSilentTicks: number;
  /** The log equals the leader's up to here, as far as this term's messages have shown. */
  matched: LogIndex;
  /** The highest index acknowledged to this leader. */
  acknowledged: LogIndex;
  /** The highest round of this leader seen. */
  round: number;
  /** Replies that wait until the term is on disk. */
  owesAck: boolean;
  owedReject: Message | null;
}

export interface PreCandidate {
  readonly kind: 'preCandidate';
  readonly granted: Set<NodeId>;
}

export interface Candidate {
  readonly kind: 'candidate';
  readonly transfer: boolean;
  readonly granted: Set<NodeId>;
  readonly rejected: Set<NodeId>;
  /** False until the vote for itself is on disk: before that it asks nobody. */
  hasAsked: boolean;
}

export interface Handover {
  /** Null while a resigning leader has found nobody to hand over to. */
  to: NodeId | null;
  /** A resigning leader steps down at the bound; otherwise it goes on as leader. */
  readonly isResignation: boolean;
  readonly why: string;
  ticks: number;
  isSent: boolean;
}

/** A learner that is to be made a voter, while it catches up in rounds (thesis §4.2.1). */
export interface Promotion {
  readonly change: MemberChange;
  readonly decision: number;
  /** The round ends when the learner has the log up to here, where it ended as the round began. */
  target: LogIndex;
  rounds: number;
  roundTicks: number;
  /** What the learner had when it moved last, and for how long it has not. */
  match: LogIndex;
  stillTicks: number;
}

export interface Leader {
  readonly kind: 'leader';
  readonly noop: EntryId;
  /** Sorted by id, so that every run sends in the same order. */
  peers: Peer[];
  readonly rounds: Rounds;
  heartbeatElapsed: number;
  handover: Handover | null;
  promotion: Promotion | null;
}

export type Role = Follower | PreCandidate | Candidate | Leader;

export class State {
  readonly id: NodeId;
  readonly limits: RaftLimits;
  readonly #entropy: () => number;
  readonly roster: Roster;
  hard: HardState;
  /** What of `hard` survives a power cut. */
  savedHard: HardState;
  #isHardDirty = false;
  readonly trail: Trail;
  readonly persisted: Persisted;
  committed: LogIndex;
  /** The newest snapshot on disk. */
  snapshot: SnapshotMeta | null;
  /** Being made the base of the log: no entry is taken and nobody campaigns meanwhile. */
  installing: SnapshotMeta | null = null;
  copies: readonly NodeId[] = [];
  witnesses: readonly NodeId[] = [];
  /** Pre-votes that it refused to shorter logs since it heard a leader. */
  shorterRefused = 0;
  readiness: Readiness = 'level';
  /** Of a committed configuration that it is not in, as it was told. */
  removedAt: LogIndex = logIndex(0);
  /** After a resignation: it votes, and does not campaign. */
  quietTicks = 0;
  /** Ticks since the disk last completed a write of entries, while some are under way. */
  diskWaitTicks = 0;
  /** Ticks for which a promise binds; null where none is made. */
  promisedTicks: number | null;
  electionElapsed = 0;
  electionTimeout = 0;
  /** Whom `hard.votedFor` was promised to, until the promise is on disk. */
  owedVote: NodeId | null = null;
  role: Role;
  #announced: { readonly term: Term; readonly leader: NodeId | null };
  #effects: Effect[] = [];

  constructor(options: RaftOptions) {
    this.id = options.id;
    this.limits = options.limits;
    this.#entropy = options.entropy;
    this.hard = options.hardState;
    this.savedHard = options.hardState;
    this.trail = new Trail(options.base, options.heads);
    const { base, snapshot, configurations } = options;
    this.roster = new Roster(options.configuration, base.index, snapshot, configurations);
    this.persisted = new Persisted(this.trail.last.index);
    this.committed = options.base.index;
    this.snapshot = options.snapshot;
    this.role = follower(null);
    this.#announced = { term: this.hard.term, leader: null };
    assert(
      options.base.index === 0 || (options.snapshot?.last.index ?? -1) >= options.base.index,
      'a compacted log has a snapshot that reaches its base',
    );
    assert(this.trail.last.term <= this.hard.term, 'no entry is newer than the term on disk');
    // Before this start it may have promised.
    this.promisedTicks = options.keepsPromises ? options.limits.electionTicksMin : null;
    this.restartElectionTimer();
  }

  /** The newest in the log, committed or not (thesis §4.1). */
  get configuration(): Configuration {
    return this.roster.current;
  }

  get term(): Term {
    return this.hard.term;
  }

  get isVoter(): boolean {
    return this.configuration.voters.includes(this.id);
  }

  /** The newest that is known to be committed, and where that began; see `Roster.at`. */
  get agreed(): ConfigurationAt | null {
    return this.roster.at(logIndex(Math.max(this.committed, this.snapshot?.last.index ?? 0)));
  }

  /**
   * Its removal is the last change in its log and may not be committed: it may be the only one that
   * has it, and so the only one that can be elected (thesis §4.2.2, figure 4.6). Its own vote does
   * not count. Once there is a later change its removal is committed, wherever a restart begins.
   */
  get isLeaving(): boolean {
    const { index } = this.roster;
    if (this.isVoter || index <= this.removedAt || index === this.agreed?.index) return false;
    const before = this.roster.at(logIndex(index - 1));
    return before?.configuration.voters.includes(this.id) === true;
  }

  get isSoleVoter(): boolean {
    return this.configuration.voters.length === 1 && this.isVoter;
  }

  get leader(): NodeId | null {
    if (this.role.kind === 'leader') return this.id;
    return this.role.kind === 'follower' ? this.role.leader : null;
  }

  get isTermSaved(): boolean {
    return this.savedHard.term === this.hard.term;
  }

  get isHardSaved(): boolean {
    return this.isTermSaved && this.savedHard.votedFor === this.hard.votedFor;
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  send(to: NodeId, message: Message): void {
    this.#effects.push({ kind: 'send', to, message });
  }

  takeEffects(): readonly Effect[] {
    this.#flushHard();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  setHard(hard: HardState): void {
    if (hard.term === this.hard.term && hard.votedFor === this.hard.votedFor) return;
    this.hard = hard;
    this.owedVote = null;
    this.#isHardDirty = true;
  }

  /** At the end of the log, and on their way to the disk: the term before any entry of it. */
  append(entries: readonly Entry[]): void {
    this.#flushHard();
    const after = this.trail.last;
    for (const { term, payload } of entries) this.trail.append(term, payload.length);
    this.persisted.asked(this.trail.last);
    this.emit({ kind: 'persistEntries', after, entries });
    for (const { index, payload } of entries) {
      if (!isConfigurationPayload(payload)) continue;
      const configuration = decodeConfiguration(payload);
      assert(configuration !== null, 'a configuration entry is of a known version');
      this.membersChange(() => this.roster.append(index, configuration));
      this.emit({ kind: 'configurationChanged', state: 'appended', index, configuration });
    }
  }

  truncateAfter(index: LogIndex): void {
    this.trail.truncateAfter(index);
    this.persisted.truncatedAfter(index);
    for (const gone of this.membersChange(() => this.roster.truncateAfter(index))) {
      const { configuration } = this;
      this.emit({ kind: 'configurationChanged', state: 'rolledBack', index: gone, configuration });
    }
  }

  /**
   * Who stops being the sole voter has somebody to wait for from now on. Who becomes it keeps its
   * timer: a leader that removes itself sees that committed.
   */
  membersChange<Result>(change: () => Result): Result {
    const wasSole = this.isSoleVoter;
    const result = change();
    if (wasSole && !this.isSoleVoter) this.restartElectionTimer();
    return result;
  }

  /** Tells the application whom this node takes for the leader, when that is news. */
  announceLeader(): void {
    const { term, leader } = this;
    if (leader === this.#announced.leader && (leader === null || term === this.#announced.term))
      return;
    this.#announced = { term, leader };
    this.emit({ kind: 'leaderChanged', term, leader });
  }

  /** A sole voter has nobody to wait for. */
  restartElectionTimer(): void {
    const { electionTicksMin, electionTicksMax } = this.limits;
    this.electionElapsed = 0;
    this.electionTimeout = this.isSoleVoter
      ? 1
      : this.randomBetween(electionTicksMin, electionTicksMax);
  }

  randomBetween(min: number, max: number): number {
    return min + (this.#entropy() % (max - min + 1));
  }

  #flushHard(): void {
    if (!this.#isHardDirty) return;
    this.#isHardDirty = false;
    this.emit({ kind: 'saveHardState', hardState: this.hard });
  }
}

export function follower(leader: NodeId | null): Follower {
  return {
    kind: 'follower',
    leader,
    isLeaderHeard: leader !== null,
    leaderSilentTicks: 0,
    matched: logIndex(0),
    acknowledged: logIndex(0),
    round: 0,
    owesAck: false,
    owedReject: null,
  };
}
