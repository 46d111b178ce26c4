/** What a Raft node is built from, and every bound that it keeps. */
import type { NodeId } from '../scalars.ts';
import type {
  Configuration,
  ConfigurationAt,
  EntryHead,
  EntryId,
  HardState,
  SnapshotMeta,
} from './protocol.ts';

export interface RaftLimits {
  /** A leader speaks to every peer at least this often. */
  readonly heartbeatTicks: number;
  /** Stickiness and check-quorum use the minimum; timeouts are drawn from minimum to maximum. */
  readonly electionTicksMin: number;
  readonly electionTicksMax: number;
  /** Payload bytes in one append; one entry may be larger and then travels alone. */
  readonly appendBytesMax: number;
  /** Payload bytes sent to one peer and not yet acknowledged; passed by one append at most. */
  readonly windowBytesMax: number;
  /** Payload bytes that a leader accepts ahead of the commit (a lone proposal may be larger). */
  readonly uncommittedBytesMax: number;
}

/** For ticks of 25 ms: heartbeats every 100 ms, election timeouts of 750 to 1500 ms. */
export const RAFT_LIMITS: RaftLimits = {
  heartbeatTicks: 4,
  electionTicksMin: 30,
  electionTicksMax: 60,
  appendBytesMax: 1024 * 1024,
  windowBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
};

export interface RaftOptions {
  readonly id: NodeId;
  /** Of the founding: in force before the first entry. */
  readonly configuration: Configuration;
  /** Those of the entries that the log holds, in order. */
  readonly configurations: readonly ConfigurationAt[];
  /** As found on disk: term and vote, log and snapshot. */
  readonly hardState: HardState;
  /** The entry just before the first one held; 0/0 in a log that was never compacted. */
  readonly base: EntryId;
  /** Every entry on disk after `base`, in order and without gaps. */
  readonly heads: readonly EntryHead[];
  /** The newest snapshot on disk; it reaches at least to `base`. */
  readonly snapshot: SnapshotMeta | null;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  readonly limits: RaftLimits;
  /**
   * Whoever echoes a round helps nobody to depose its leader for a minimal election timeout,
   * whatever it hears and however often it starts: what leases rest on. The same on all nodes.
   */
  readonly keepsPromises?: boolean;
}
