/**
 * The whole vocabulary of the Raft core: messages, events in, effects out.
 *
 * The core is one pure machine per group: `step(event) -> effects`. It knows indexes, terms and
 * sizes (its trail), never payloads. Time is a `tick`. What must wait for the disk (a vote, an
 * acknowledgement; thesis §3.8) is not emitted before the completion event has arrived.
 */
import type { LogIndex, NodeId, Term } from '../scalars.ts';

export interface EntryId {
  readonly index: LogIndex;
  readonly term: Term;
}

/** One log entry. An empty payload is the no-op that a leader appends at the start of its term. */
export interface Entry extends EntryId {
  readonly payload: Uint8Array;
}

/** What the trail remembers of an entry. `bytes` is the payload's length. */
export interface EntryHead extends EntryId {
  readonly bytes: number;
}

/** Term and vote: durable before any message that depends on them leaves (Raft §5.1, fig. 2). */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | null;
}

/**
 * Who counts: from an entry on, as soon as that entry is in a log, committed or not (thesis §4.1).
 * Nobody is in it twice.
 */
export interface Configuration {
  readonly voters: readonly NodeId[];
  /** They get everything and count for nothing, until one of them is made a voter. */
  readonly learners: readonly NodeId[];
  /** The index of the control group's decision behind it, 0 where there is none (holes H10). */
  readonly decision: number;
}

/** A configuration and the entry that it came with. */
export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** One node at a time: a new one learns first, and votes when it is level (thesis §4.2.1). */
export interface MemberChange {
  readonly kind: 'addLearner' | 'promote' | 'remove';
  readonly node: NodeId;
}

/** A finished snapshot, wherever it lies. `id` is unique to one file of one node. */
export interface SnapshotMeta {
  readonly id: string;
  /** The last entry that the snapshot replaces, and its term. */
  readonly last: EntryId;
  readonly configuration: Configuration;
  /** Size of the file in bytes, its header included. */
  readonly bytes: number;
}

/**
 * Between peers. `round` counts the leader's broadcasts in its term; a reply echoes the highest
 * it has seen, so that a majority of echoes >= r proves leadership after r was begun (thesis §6.4).
 */
export type Message =
  | {
      readonly kind: 'requestVote';
      readonly term: Term;
      /** A pre-vote asks without raising anybody's term (thesis §9.6). */
      readonly pre: boolean;
      /** True when the leader asked for it (`timeoutNow`): stickiness does not apply. */
      readonly transfer: boolean;
      readonly last: EntryId;
    }
  | {
      readonly kind: 'voteReply';
      readonly term: Term;
      readonly pre: boolean;
      readonly granted: boolean;
    }
  | {
      readonly kind: 'append';
      readonly term: Term;
      readonly after: EntryId;
      /** Empty for a heartbeat. */
      readonly entries: readonly Entry[];
      /** Already capped at what this message brings the receiver to. */
      readonly commit: LogIndex;
      readonly round: number;
    }
  | {
      readonly kind: 'appendReply';
      readonly term: Term;
      readonly ok: boolean;
      /** ok: the log matches the leader's up to here, persisted. not ok: the rejected `after`. */
      readonly index: LogIndex;
      /** not ok: where the leader should probe next (last entry of a term it may share). */
      readonly hint: EntryId;
      readonly round: number;
    }
  /** The follower needs what the log no longer holds: it should fetch this from the sender. */
  | {
      readonly kind: 'offerSnapshot';
      readonly term: Term;
      readonly snapshot: SnapshotMeta;
      readonly round: number;
    }
  | { readonly kind: 'timeoutNow'; readonly term: Term }
  /** To who asked for a vote: up to `index`, which its log does not reach, it was removed. */
  | { readonly kind: 'removed'; readonly term: Term; readonly index: LogIndex };

/** An append whose entries the driver reads from the log store. */
export interface AppendHeader {
  readonly term: Term;
  readonly after: EntryId;
  readonly last: EntryId;
  readonly commit: LogIndex;
  readonly round: number;
}

/** Everything that can happen to a Raft node. */
export type RaftEvent =
  | { readonly kind: 'tick' }
  | { readonly kind: 'received'; readonly from: NodeId; readonly message: Message }
  /** Answered in the same step by an effect `accepted` or `refused`. */
  | { readonly kind: 'proposed'; readonly payloads: readonly Uint8Array[] }
  | { readonly kind: 'hardStateSaved'; readonly hardState: HardState }
  /** All entries up to this one, of this term, survive a power cut. */
  | { readonly kind: 'entriesPersisted'; readonly upTo: EntryId }
  /** Wants leadership confirmed by a broadcast numbered `round` or later; see `nextRound`. */
  | { readonly kind: 'roundWanted'; readonly round: number }
  /** `peer` should hear how far everything is committed before the next heartbeat. */
  | { readonly kind: 'commitWanted'; readonly peer: NodeId }
  | { readonly kind: 'transferWanted'; readonly to: NodeId | null }
  /** A hint, never proof: the connection to this peer broke (or came up again). */
  | { readonly kind: 'peerLost'; readonly peer: NodeId }
  | { readonly kind: 'peerFound'; readonly peer: NodeId }
  /** Answered by effects `configurationChanged` or `changeRefused`, at once or when it is level. */
  | {
      readonly kind: 'changeWanted';
      readonly change: MemberChange;
      /** Refused when it is lower than that of the configuration in force (holes H10). */
      readonly decision: number;
      /** Whether the leader may remove itself; otherwise it must hand over first. */
      readonly leaderMayLeave: boolean;
    }
  /** Who of the others is a witness: soft state, all of them. Nothing but the choice of heirs. */
  | { readonly kind: 'witnessesKnown'; readonly witnesses: readonly NodeId[] }
  /** Copies outside of the configuration that a leader should feed: soft state, all of them. */
  | { readonly kind: 'copiesKnown'; readonly copies: readonly NodeId[] }
  /**
   * The log store has a local snapshot and dropped all entries up to `base`. A tail of older
   * entries may stay for slow peers: `base.index <= snapshot.last.index`.
   */
  | { readonly kind: 'compacted'; readonly snapshot: SnapshotMeta; readonly base: EntryId }
  /** A snapshot that `fetchSnapshot` asked for is complete, verified and durable. */
  | { readonly kind: 'snapshotFetched'; readonly snapshot: SnapshotMeta }
  | { readonly kind: 'snapshotInstalled'; readonly snapshot: SnapshotMeta }
  /** Whether this node may campaign, and whether it should let others go first (H6). */
  | { readonly kind: 'readinessChanged'; readonly readiness: Readiness }
  /** The application wants out: hand over if possible, otherwise step down and stay quiet. */
  | { readonly kind: 'resignWanted'; readonly why: string };

/**
 * level: campaigns at its timeout. reluctant: its server is not level, or it is a witness, so it
 * waits a few more timeouts to let level nodes go first, but not while these ask in vain for its
 * vote. barred: never campaigns.
 */
export type Readiness = 'level' | 'reluctant' | 'barred';

/**
 * Everything a Raft node can ask of the world, to be carried out in this order.
 *
 * Requests to the log store form one queue and take effect in the order given. `steppedDown`
 * always comes before any `commit` that belongs to a later leader (H1: the reign ends first).
 */
export type Effect =
  | { readonly kind: 'saveHardState'; readonly hardState: HardState }
  /** Drops everything after `after`, then appends. */
  | { readonly kind: 'persistEntries'; readonly after: EntryId; readonly entries: readonly Entry[] }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: Message }
  | { readonly kind: 'sendEntries'; readonly to: NodeId; readonly header: AppendHeader }
  | { readonly kind: 'fetchSnapshot'; readonly from: NodeId; readonly snapshot: SnapshotMeta }
  /** Make the snapshot the base of the log; drop all entries that do not follow from it. */
  | {
      readonly kind: 'installSnapshot';
      readonly snapshot: SnapshotMeta;
      /** True when the log holds `snapshot.last`, so that later entries stay. */
      readonly keepSuffix: boolean;
    }
  /** Entries up to here are on a majority and may be applied. Only grows. */
  | { readonly kind: 'commit'; readonly upTo: EntryId }
  | { readonly kind: 'accepted'; readonly first: LogIndex; readonly last: LogIndex }
  | { readonly kind: 'refused'; readonly why: 'notLeader' | 'tooMuchUncommitted' | 'handingOver' }
  /** Won the election; the no-op `noop` is being appended, and is not committed yet. */
  | { readonly kind: 'becameLeader'; readonly term: Term; readonly noop: EntryId }
  | { readonly kind: 'steppedDown'; readonly term: Term; readonly why: string }
  | { readonly kind: 'leaderChanged'; readonly term: Term; readonly leader: NodeId | null }
  | { readonly kind: 'roundConfirmed'; readonly term: Term; readonly round: number }
  /**
   * The log's newest configuration is another, or is committed now. Rolled back: the entry at
   * `index` is gone, and `configuration` is in force again.
   */
  | {
      readonly kind: 'configurationChanged';
      readonly state: 'appended' | 'committed' | 'rolledBack';
      readonly index: LogIndex;
      readonly configuration: Configuration;
    }
  | { readonly kind: 'changeRefused'; readonly change: MemberChange; readonly why: string }
  /** `by` says that this node was removed, and its log does not show it yet: it stays quiet. */
  | { readonly kind: 'toldRemoved'; readonly by: NodeId; readonly index: LogIndex }
  /** A transfer or resignation stopped taking proposals, ended well, or gave up. */
  | {
      readonly kind: 'transfer';
      readonly state: 'began' | 'sent' | 'abandoned';
      readonly to: NodeId | null;
      readonly why: string;
    };

export type RaftRole = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** The leader's picture of one peer, for status and for choosing whom to hand over to. */
export interface PeerView {
  readonly peer: NodeId;
  readonly standing: 'voter' | 'learner' | 'copy' | 'leaving';
  readonly state: 'probing' | 'streaming' | 'restoring';
  readonly match: LogIndex;
  /** Ticks since anything was heard. */
  readonly silentTicks: number;
}

/** What others may read of the core between steps. A fresh picture on each call. */
export interface RaftView {
  readonly id: NodeId;
  readonly role: RaftRole;
  readonly term: Term;
  readonly leader: NodeId | null;
  readonly last: EntryId;
  readonly committed: LogIndex;
  readonly configuration: Configuration;
  readonly peers: readonly PeerView[];
}
