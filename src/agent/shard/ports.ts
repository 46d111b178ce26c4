/**
 * What a shard needs of the world beside strong mode's ports: the whole of its own server, chance,
 * the end of the present turn, and somebody who writes down what happens. The agent gives it a
 * process and a clock, the simulator a model and virtual time.
 */
import type { ReplicaEvent } from '../../core/psync/as-replica.ts';
import type { RaftLimits } from '../../core/raft/options.ts';
import type { Done, LogStore } from '../../core/raft/ports.ts';
import type { EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { ReplOffset } from '../../core/scalars.ts';
import type { OpenedGroup } from '../../io/storage/recovery.ts';
import type { RoleSeen, ServerPort } from '../strong/ports.ts';
import type { StrongLimits } from '../strong/strong.ts';

/** What comes back from a server, each with the life that it belongs to. */
export interface ServerEvents {
  serverUp(life: number): void;
  serverDown(life: number, why: string): void;
  serverFailed(life: number, why: string): void;
  roleSeen(life: number, role: RoleSeen): void;
  promoted(life: number, replid: string, offset: ReplOffset): void;
  demoted(life: number): void;
  attached(life: number, replid: string): void;
  captured(life: number, chunk: Buffer): void;
  detached(life: number, why: string): void;
  fenceSent(): void;
  readonly isFenceWanted: boolean;
  fenceAnswered(life: number, role: RoleSeen): 'done' | 'askAgain';
}

export interface GroupServer extends ServerPort {
  /** Who hears what happens. Set once, before `start`. */
  listen(events: ServerEvents): void;
  /** Above 0 on a follower: commands of the stream failed there (H3). Null: it did not say. */
  unexpectedErrors(done: (errors: number | null) => void): void;
  /** Remembers for people that it was no prefix of what was agreed on. */
  diverged(why: string): void;
  /** Product and version, for the snapshots that it makes. */
  readonly versionText: string;
  /** `unloadable` judges by so many first bytes of an RDB. */
  readonly rdbHeadBytes: number;
  /** Null when this server can load an RDB that begins so; otherwise why not, in words. */
  unloadable(head: Uint8Array): string | null;
  /** A connection that asks for the RDB only; events come after this call has returned. */
  openSnapshot(receiver: SnapshotReceiver): SnapshotConnection;
}

export interface SnapshotReceiver {
  /** Every event but `send`. Bytes are the receiver's. */
  readonly onEvent: (event: Exclude<ReplicaEvent, { readonly kind: 'send' }>) => void;
  /** The connection ended, by whatever cause but `close`. Called once. */
  readonly onClosed: (why: string) => void;
}

export interface SnapshotConnection {
  setPaused(isPaused: boolean): void;
  /** Nothing comes back after this. */
  close(): void;
}

/** The log store with what compaction and status need of it. */
export interface ShardLog extends LogStore {
  /** The entry just before the first one held. */
  readonly base: EntryId;
  /** On disk, all segments. */
  readonly bytes: number;
  /** What compaction can free of them, at most. */
  readonly closedBytes: number;
  readonly syncs: number;
  /** Drops what the durable `snapshot` replaces, but keeps `keepBytes` of records before it. */
  compactTo(snapshot: SnapshotMeta, keepBytes: number, done: Done): void;
  settle(): void;
}

/** The shard's files, opened. What the log store is asked for may be listened to on its way. */
export type ShardFiles = Omit<OpenedGroup, 'store'> & { readonly store: ShardLog };

/** For the journal: an event's name and facts. */
export type Note = (
  level: 'info' | 'warn' | 'error',
  event: string,
  facts: Readonly<Record<string, unknown>>,
) => void;

/** Every bound of a shard; the agent's table of limits says why each is what it is. */
export interface ShardLimits
  extends StrongLimits,
    Omit<RaftLimits, 'windowBytesMax' | 'uncommittedBytesMax'> {
  readonly appendWindowBytes: number;
  readonly snapshotReadsMax: number;
  readonly snapshotAloneTicks: number;
  readonly diskWaitTicksMax: number;
  readonly diskHandOverRetryTicks: number;
  readonly logHardFactor: number;
  readonly logHardBytesMin: number;
}
