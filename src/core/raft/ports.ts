/** What the driver needs of the world. Kept by `io`, and by the simulator's disk and network. */
import type { LogIndex, NodeId } from '../scalars.ts';
import type { Entry, EntryId, HardState, Message, SnapshotMeta } from './protocol.ts';

/** Called once, when the request would survive a power cut, never inside the call that took it. */
export type Done = (error?: Error) => void;

/**
 * The log of one group.
 *
 * Contract: requests take effect in the order of the calls, and `done` callbacks come in that
 * order too. After an error nothing later succeeds: the node ends (design §3.6).
 */
export interface LogStore {
  saveHardState(hardState: HardState, done: Done): void;
  /** Drops everything after `after`, appends `entries`, and syncs. */
  persist(after: EntryId, entries: readonly Entry[], done: Done): void;
  /**
   * Yields entries after `after` up to `last`, at least one and then as many as fit `bytesMax`;
   * null when the log does not hold `after` and `last`, term and index: deposed, or compacted.
   * Entries handed to `persist` can be read at once, before they are synced.
   * May call `done` inside the call when the entries are in memory.
   */
  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void;
  /** The term of the entry at `index`, null when the log does not hold it (the base's is held). */
  termAt(index: LogIndex): EntryId['term'] | null;
  /** Makes a fetched snapshot the base of the log; see the effect `installSnapshot`. */
  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void;
}

/** Best effort: may drop, delay, repeat and reorder, and never blocks. */
export interface Outbox {
  send(to: NodeId, message: Message): void;
}

/** Pulls snapshot files from peers, in chunks, resuming after a break. Idempotent. */
export interface SnapshotFetcher {
  /** `done(null)` when given up: the leader will offer again. */
  fetch(from: NodeId, snapshot: SnapshotMeta, done: (fetched: SnapshotMeta | null) => void): void;
}
