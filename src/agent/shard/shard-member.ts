/** A node's part of a shard as the rest of the node sees it: with a server, or as a witness. */
import type { TransferMessage } from '../../core/raft/fetch.ts';
import type { MemberChange, Message, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { Raft } from '../../core/raft/raft.ts';
import type { NodeId, ReplOffset } from '../../core/scalars.ts';
import type { StreamIndex } from '../strong/stream-index.ts';
import type { ChangeDone, ChangeOptions } from './member-changes.ts';

export interface ShardMember {
  readonly raft: Raft;
  readonly index: StreamIndex;
  readonly isLeader: boolean;
  readonly committedOffset: ReplOffset;
  /** On disk. */
  readonly logBytes: number;
  readonly syncs: number;
  /** Size and stream offset of the newest, zeros when there is none. */
  readonly snapshot: { readonly bytes: number; readonly offset: number };
  start(): void;
  /** Nothing is done after this; the log is closed by whoever opened it. */
  stop(): void;
  tick(): void;
  received(from: NodeId, message: Message): void;
  transferred(from: NodeId, message: TransferMessage): void;
  peerFound(peer: NodeId): void;
  peerLost(peer: NodeId): void;
  /** Who of the others is a witness: all of them. */
  witnessesKnown(witnesses: readonly NodeId[]): void;
  snapshotOffered(from: NodeId, snapshot: SnapshotMeta): void;
  /** Hands leadership over and tells how it ended. */
  handOver(to: NodeId | null, done: ChangeDone): void;
  /** Hands over if it can, otherwise steps down and stays quiet. */
  resign(why: string): void;
  /** On the leader: one node more or less, or a learner made a voter; tells how it ended. */
  changeMembers(change: MemberChange, options: ChangeOptions, done: ChangeDone): void;
}
