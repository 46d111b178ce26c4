/**
 * The snapshots of a data group that a node keeps, whatever it does with them: where the log begins
 * after one, and its adoption as the base of the log. Each carries its exact place: the last entry
 * it replaces, the stream offset of the RDB, and the reigns before it. Their bodies stay closed
 * here: a witness keeps them for others.
 */
import { assert } from '../../assert.ts';
import { isSameConfiguration } from '../../core/raft/configuration.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { LogIndex } from '../../core/scalars.ts';
import type { StreamBase, StreamIndex } from '../strong/stream-index.ts';
import { readSnapshotNote, streamBaseOf } from '../strong/stream-recovery.ts';
import type { Note, ShardFiles } from './ports.ts';

export interface KeptSnapshotsOptions {
  /** Null when the log does not say it any more. */
  readonly configurationAt: (index: LogIndex) => Configuration | null;
  readonly opened: ShardFiles;
  readonly index: StreamIndex;
  readonly note: Note;
  readonly fatal: (error: Error) => void;
}

export class KeptSnapshots {
  readonly #o: KeptSnapshotsOptions;
  /** Of peers, in this life of the node. */
  fetched = 0;

  constructor(options: KeptSnapshotsOptions) {
    this.#o = options;
  }

  /** Size and stream offset of the newest, zeros when there is none. */
  get newest(): { readonly bytes: number; readonly offset: number; readonly index: number } {
    const latest = this.#o.opened.snapshots.latest;
    const note = latest === null ? null : readSnapshotNote(latest.extra);
    return {
      bytes: latest?.meta.bytes ?? 0,
      offset: note?.offset ?? 0,
      index: latest?.meta.last.index ?? 0,
    };
  }

  /** Where the log begins after `snapshot`, which was fetched just now. */
  streamBaseOf(snapshot: SnapshotMeta): StreamBase {
    this.fetched += 1;
    const latest = this.#o.opened.snapshots.latest;
    assert(latest?.meta.id === snapshot.id, 'what is installed is the newest snapshot here');
    const note = readSnapshotNote(latest.extra);
    if (note === null)
      throw new Error('SNAPSHOT_UNKNOWN: a fetched snapshot was written by another version');
    return streamBaseOf(latest.meta, note);
  }

  /**
   * Whether it carries the members of its last entry, as far as the log knows them. The core would
   * end this node over one that does not: the log must still be whole then, and no such snapshot on
   * disk, where the next start would find it.
   */
  isOfThisLog({ id, last, configuration }: SnapshotMeta): boolean {
    const members = this.#o.configurationAt(last.index);
    if (members === null || isSameConfiguration(members, configuration)) return true;
    this.#o.note('error', 'snapshot.refused', { id, why: 'its members are not those of the log' });
    return false;
  }

  /**
   * Makes it the base of the log, but for a tail. Calls `compacted` with the new base at once, and
   * `done` when the room on disk is free.
   */
  adopt(
    snapshot: SnapshotMeta,
    keepBytes: number,
    compacted: (base: EntryId) => void,
    done: () => void,
  ): void {
    const { opened, index, fatal, note } = this.#o;
    const { store } = opened;
    if (store.termAt(snapshot.last.index) !== snapshot.last.term) {
      // The log was replaced by a newer snapshot meanwhile.
      done();
      return;
    }
    if (!this.isOfThisLog(snapshot)) {
      done();
      return;
    }
    store.compactTo(snapshot, keepBytes, (error) => {
      if (error !== undefined) fatal(error);
      else done();
    });
    index.compact(store.base);
    compacted(store.base);
    note('info', 'log.compacted', { upTo: snapshot.last.index, base: store.base.index });
  }
}
