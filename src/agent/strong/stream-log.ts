/** The log store as Raft's driver sees it, with the stream index kept in step with every change. */
import type { Done, LogStore } from '../../core/raft/ports.ts';
import type { Entry, EntryId, HardState, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { LogIndex } from '../../core/scalars.ts';
import type { StreamBase, StreamIndex } from './stream-index.ts';

export class StreamLog implements LogStore {
  readonly #store: LogStore;
  readonly #index: StreamIndex;
  readonly #baseOf: (snapshot: SnapshotMeta) => StreamBase;

  constructor(store: LogStore, index: StreamIndex, baseOf: (snapshot: SnapshotMeta) => StreamBase) {
    this.#store = store;
    this.#index = index;
    this.#baseOf = baseOf;
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
    else this.#index.reset(this.#baseOf(snapshot));
    this.#store.installSnapshot(snapshot, keepSuffix, done);
  }
}
