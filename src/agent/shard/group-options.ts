/** What a data group is built from. */
import type { Notice } from '../../core/raft/driver.ts';
import type { FetchLimits, TransferMessage } from '../../core/raft/fetch.ts';
import type {
  Configuration,
  ConfigurationAt,
  Message,
  SnapshotMeta,
} from '../../core/raft/protocol.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { ReignWatch, RelayPort } from '../strong/ports.ts';
import type { StreamIndex } from '../strong/stream-index.ts';
import type { ReadMessage } from './group-reads.ts';
import type { GroupServer, Note, ShardFiles, ShardLimits } from './ports.ts';

/** What the group needs of the peers. */
export interface GroupPeers {
  send(to: NodeId, message: Message): void;
  sendTransfer(to: NodeId, message: TransferMessage): void;
  sendRead(to: NodeId, message: ReadMessage): void;
  /** To every peer that is up. */
  announceSnapshot(snapshot: SnapshotMeta): void;
}

export interface DataGroupOptions {
  readonly id: NodeId;
  /** Of the founding; the log and its snapshot know what became of it. */
  readonly configuration: Configuration;
  readonly configurations: readonly ConfigurationAt[];
  readonly opened: ShardFiles;
  readonly index: StreamIndex;
  /** The one id of this deployment's history. */
  readonly historyId: string;
  readonly server: GroupServer;
  readonly peers: GroupPeers;
  readonly relay: RelayPort;
  /** Null: no other thread serves clients. */
  readonly watch?: ReignWatch | null;
  readonly logLimitBytes: number;
  readonly limits: ShardLimits;
  readonly fetchLimits: FetchLimits;
  /** Reads by lease: the monotonic clock, and what a tick is of it. Without it, by rounds. */
  readonly leases?: { readonly nowMs: () => number; readonly tickMs: number } | null;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  /** Runs it once what came in together was dealt with: at the end of this turn. */
  readonly soon: (run: () => void) => void;
  readonly note: Note;
  /** Hears every word of Raft before it is acted on. */
  readonly onNotice: (notice: Notice) => void;
  /** The disk failed: this node ends (design §3.6). */
  readonly fatal: (error: Error) => void;
}
