/**
 * What strong mode needs of the world: its server, its peers, its clients. Every call returns at
 * once; what comes of it comes back as an event (a method of `Strong` or `Feed`).
 *
 * `life` numbers the processes of the server that this agent has started, from 1. Whatever belongs
 * to an earlier life is late and is ignored.
 */
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import type { NodeId, ReplOffset } from '../../core/scalars.ts';
import type { FollowerReads } from './follower-reads.ts';
import type { Lease } from './lease.ts';

/** What a server said of itself when asked `ROLE`. */
export type RoleSeen =
  | { readonly kind: 'primary'; readonly offset: ReplOffset; readonly replicas: number }
  /** `offset` is what it has applied; it means something only when it is connected. */
  | { readonly kind: 'replica'; readonly isConnected: boolean; readonly offset: ReplOffset }
  /** A script runs, or it is loading: it lives, but has no answer yet. */
  | { readonly kind: 'busy'; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string };

export interface ServerPort {
  /** Starts a fresh, empty server as a replica of our feed. Answers `serverUp` or `serverDown`. */
  start(life: number): void;
  /** SIGKILL. Answers `serverDown` once the process is reaped. */
  kill(life: number, why: string): void;
  /** Asks `ROLE` after `afterMs` ms. Answers `roleSeen`. */
  askRole(life: number, afterMs: number): void;
  /**
   * Kills what clients may have left, then `REPLICAOF NO ONE`. Answers `promoted`, or
   * `serverFailed` when the server refuses.
   */
  promote(life: number): void;
  /** Whether clients may be at the server's own port, where it has one; `promote` closes it too. */
  serveReads(life: number, isServed: boolean): void;
  /** Makes a primary follow our feed again. Answers `demoted` or `serverFailed`. */
  demote(life: number): void;
  /**
   * Connects the fence, then the capture from byte `from + 1`. Answers `attached` or `detached`.
   */
  attach(life: number, replid: string, from: ReplOffset): void;
  /** Drops fence and capture connections; nothing more of them comes back. */
  detach(): void;
  /** One `ROLE` on the fence connection, at the end of this turn. Answers `fenceAnswered`. */
  sendFence(): void;
  /** Tells the server how far its stream is committed. */
  acknowledge(offset: ReplOffset): void;
  /** Stops and restarts reading the capture: the back-pressure of the uncommitted cap. */
  setCapturePaused(isPaused: boolean): void;
  /** Stops writes, expiry and eviction for at most `forMs` ms, or lets them go on (0). */
  pauseWrites(life: number, forMs: number): void;
}

export interface RaftPort {
  /** Answered by the notice `accepted` or `refused`, in order. */
  propose(payload: Uint8Array): void;
  wantRound(round: number): void;
  /** Planned hand-over; `to` null chooses the best. Ends in `steppedDown` or `transferEnded`. */
  transfer(to: NodeId | null): void;
  /** Hand over or step down, because this node cannot lead. */
  resign(why: string): void;
  setReadiness(readiness: 'level' | 'reluctant'): void;
}

export interface RelayPort {
  /** Clients may be served from now on. */
  open(reign: number): void;
  /** Drops every connection to the server, and every client that may have something in flight. */
  endReign(why: string): void;
  /** Where clients are passed to while this node does not serve them itself; null: nowhere. */
  setLeader(leader: NodeId | null): void;
  setReadsPaused(isPaused: boolean): void;
  /** The server follows without a break, and may be read: in which spell; null: not any more. */
  setSpell(spell: number | null): void;
}

/**
 * Hears what decides over the replies that other threads hold in the present reign, each before
 * this thread acts on it. Not there where no other thread serves clients.
 */
export interface ReignWatch {
  /** Every round that began has a number below `next`, and no message of a later one has left. */
  began(next: number): void;
  executed(offset: ReplOffset): void;
  committed(offset: ReplOffset): void;
  confirmed(round: number): void;
  /** Reads by lease: until when, on the monotonic clock; 0 when it is given up. */
  leased(untilMs: number): void;
  /** How many other nodes at least hold whatever was answered. */
  replicasHolding(count: number): void;
}

export interface StrongPorts {
  readonly server: ServerPort;
  readonly raft: RaftPort;
  readonly relay: RelayPort;
  readonly watch?: ReignWatch;
  /** Hears when the server follows, and what it says of itself. */
  readonly reads?: Pick<FollowerReads, 'following' | 'roleSeen'>;
  /** A lease of one reign; not there where every read waits for a round. */
  readonly newLease?: () => Lease;
  /** An event name and facts, for the journal. */
  readonly note: (event: string, facts: Readonly<Record<string, unknown>>) => void;
}

/** Reads the log, for the feed. `LogStore.read`. */
export interface LogReader {
  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void;
}

/** A local snapshot, opened: its body is the server's RDB. */
export interface SnapshotBody {
  readonly kind: 'body';
  readonly offset: ReplOffset;
  readonly bytes: number;
  /** Yields up to `bytesMax` bytes at `position` of the body; null when it cannot be read. */
  read(position: number, bytesMax: number, done: (bytes: Buffer | null) => void): void;
  close(): void;
}

/** A snapshot that this node's server could not load, and in words why. It must not be tried. */
export interface SnapshotUnreadable {
  readonly kind: 'unreadable';
  readonly why: string;
}

/** The connection on which our server follows us. Writes answer false when the buffer is full. */
export interface FeedWire {
  /** `+CONTINUE replid`. */
  continue(replid: string): void;
  /** `+FULLRESYNC replid offset`, then a payload of exactly `rdbBytes` bytes. */
  full(replid: string, offset: ReplOffset, rdbBytes: number): void;
  /** Payload or stream bytes. `onDrain` of the feed follows a false. */
  write(bytes: Buffer): boolean;
  close(): void;
}
