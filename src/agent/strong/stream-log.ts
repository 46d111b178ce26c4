/**
 * The log store as Raft's driver sees it, with the stream index kept in step with every change.
 *
 * A snapshot takes the log's place in the index as soon as it is asked for, like every other
 * change; whoever holds an index of the log from before is told within the same call.
 */
import type { Done, LogStore } from '../../core/raft/ports.ts';
import type { Entry, EntryId, HardState, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { LogIndex } from '../../core/scalars.ts';
import type { StreamBase, StreamIndex } from './stream-index.ts';

export interface StreamLogPorts {
  readonly baseOf: (snapshot: SnapshotMeta) => StreamBase;
  /** The log now begins after a snapshot, which is committed. */
  readonly replaced: () => void;
}

export class StreamLog implements LogStore {
  readonly #store: LogStore;
  readonly #index: StreamIndex;
  readonly #ports: StreamLogPorts;

  constructor(store: LogStore, index: StreamIndex, ports: StreamLogPorts) {
    this.#store = store;
    this.#index = index;
    this.#ports = ports;
  }

  saveHardState(hardState: HardState, done: Done): void {
    this.#store.saveHardState(hardState, done);
  }

  persist(after: EntryId, entries: readonly Entry[], done: Done): void {
    this.#index.append(after, entries);
    this.#store.persist(after, entries, done);
  }

  read(
    after: EntryId,
    last: EntryId,
    bytesMax: number,
    done: (entries: readonly Entry[] | null) => void,
  ): void {
    this.#store.read(after, last, bytesMax, done);
  }

  termAt(index: LogIndex): EntryId['term'] | null {
    return this.#store.termAt(index);
  }

  installSnapshot(snapshot: SnapshotMeta, keepSuffix: boolean, done: Done): void {
    if (keepSuffix) this.#index.compact(snapshot.last);
    else this.#index.reset(this.#ports.baseOf(snapshot));
    this.#ports.replaced();
    this.#store.installSnapshot(snapshot, keepSuffix, done);
  }
}
