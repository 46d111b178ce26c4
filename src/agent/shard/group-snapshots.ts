/**
 * A data group's snapshots: taken from the own server, given to it and to peers, adopted as the
 * base of the log. Each carries its exact place: the last entry it replaces, the stream offset of
 * the RDB, and the reigns before it.
 */
import { assert } from '../../assert.ts';
import { asBuffer } from '../../core/bytes.ts';
import { isSameConfiguration } from '../../core/raft/configuration.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { NodeId, ReplOffset } from '../../core/scalars.ts';
import { type LogIndex, replOffset } from '../../core/scalars.ts';
import type { SnapshotWriter } from '../../io/storage/snapshot-writer.ts';
import type { SnapshotBody, SnapshotUnreadable } from '../strong/ports.ts';
import type { Reign } from '../strong/reign.ts';
import type { StreamBase, StreamIndex } from '../strong/stream-index.ts';
import { readSnapshotNote, type SnapshotNote, streamBaseOf } from '../strong/stream-recovery.ts';
import type { Strong } from '../strong/strong.ts';
import type { GroupServer, Note, ShardFiles } from './ports.ts';
import { SnapshotTaker } from './snapshot-taker.ts';

export interface GroupSnapshotsOptions {
  readonly id: NodeId;
  /** Null when the log does not say it any more. */
  readonly configurationAt: (index: LogIndex) => Configuration | null;
  readonly opened: ShardFiles;
  readonly index: StreamIndex;
  readonly historyId: string;
  readonly server: GroupServer;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  readonly note: Note;
  readonly strong: () => Strong;
  readonly fatal: (error: Error) => void;
}

export class GroupSnapshots {
  readonly #o: GroupSnapshotsOptions;
  #problem: string | null = null;
  #taker: SnapshotTaker<SnapshotWriter> | null = null;
  /** Of the own server, and of peers, in this life of the node. */
  taken = 0;
  fetched = 0;

  constructor(options: GroupSnapshotsOptions) {
    this.#o = options;
  }

  /** Why the own server cannot load the newest, as of the last attempt. */
  get problem(): string | null {
    return this.#problem;
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

  tick(): void {
    this.#taker?.tick();
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

  /** For the own server to load. */
  open(done: (found: SnapshotBody | SnapshotUnreadable | null) => void): void {
    const { opened, note, fatal } = this.#o;
    opened.snapshots.openLatest((error, reader) => {
      if (error !== null) {
        fatal(error);
        return;
      }
      if (reader === null) {
        done(null);
        return;
      }
      const described = readSnapshotNote(reader.extra);
      if (described === null) {
        fatal(new Error(`SNAPSHOT_UNKNOWN: ${reader.meta.id} was written by another version`));
        return;
      }
      const body: SnapshotBody = {
        kind: 'body',
        offset: replOffset(described.offset),
        bytes: reader.bodyBytes,
        read: (position, bytesMax, readDone) =>
          reader.read(position, bytesMax, (readError, bytes) => {
            if (readError !== null) note('error', 'snapshot.unreadable', { error: readError });
            readDone(readError === null ? asBuffer(bytes) : null);
          }),
        close: () => reader.close(),
      };
      this.#check(body, described, done);
    });
  }

  /** Gives what the own server can load; what it cannot must never reach it (H3). */
  #check(
    body: SnapshotBody,
    { serverVersion }: SnapshotNote,
    done: (found: SnapshotBody | SnapshotUnreadable) => void,
  ): void {
    const { server, note } = this.#o;
    body.read(0, Math.min(server.rdbHeadBytes, body.bytes), (head) => {
      const why = head === null ? 'it cannot be read' : server.unloadable(head);
      this.#problem = why === null ? null : `the snapshot made by ${serverVersion}: ${why}`;
      if (this.#problem === null) {
        done(body);
        return;
      }
      body.close();
      note('error', 'snapshot.notLoadable', { why: this.#problem });
      done({ kind: 'unreadable', why: this.#problem });
    });
  }

  /** Of the own server, now. Null: it could not be had; the journal says why. */
  take(done: (snapshot: SnapshotMeta | null) => void): void {
    const { server, note, historyId, index } = this.#o;
    const { stage } = this.#o.strong();
    const reign = stage.kind === 'open' ? stage.reign : null;
    let offsetTaken = 0;
    let lastTaken: EntryId | null = null;
    this.#taker = new SnapshotTaker<SnapshotWriter>({
      connect: (receiver) => server.openSnapshot(receiver),
      begin: (replid, offset, began) => {
        offsetTaken = offset;
        const { committedOffset: committed, committedIndex } = this.#o.strong();
        if (replid !== (reign?.replid ?? historyId))
          began(null, 'the server is of another history');
        else if (reign === null && offset > committed)
          began(null, `the server stands at ${offset}, beyond what is committed at ${committed}`);
        else {
          const notAfter = reign === null ? committedIndex : index.last.index;
          lastTaken = index.lastEndingBy(offset, notAfter);
          this.#begin(offset, lastTaken, began);
        }
      },
      done: (writer, why) => {
        this.#taker = null;
        if (writer === null) {
          note('warn', 'snapshot.failed', { why });
          done(null);
        } else if (reign !== null && !this.#isCommittedIn(reign, offsetTaken, lastTaken)) {
          writer.abort(() => done(null));
        } else {
          writer.finish((error, meta) => {
            if (error !== null) note('error', 'snapshot.failed', { error });
            else this.taken += 1;
            done(meta);
          });
        }
      },
    });
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

  /**
   * A leader's own snapshot counts once its offset is committed, in the same reign (H1), and so is
   * its last entry: a configuration ends where the bytes before it do.
   */
  #isCommittedIn(reign: Reign, offset: number, last: EntryId | null): boolean {
    const { stage, committedOffset, committedIndex } = this.#o.strong();
    const isSame = stage.kind === 'open' && stage.reign === reign;
    return isSame && committedOffset >= offset && committedIndex >= (last?.index ?? 0);
  }

  #begin(
    offset: ReplOffset,
    last: EntryId | null,
    began: (writer: SnapshotWriter | null, why: string) => void,
  ): void {
    const { index, id, configurationAt, server, opened, entropy } = this.#o;
    if (last === null) {
      began(null, 'the log no longer holds its offset');
      return;
    }
    const configuration = configurationAt(last.index);
    if (configuration === null) {
      began(null, 'the members at its place are not known');
      return;
    }
    const note: SnapshotNote = {
      offset,
      lastOffset: index.endAt(last.index),
      reigns: index.reignsUpTo(last.index),
      serverVersion: server.versionText,
    };
    const chance = entropy().toString(16).padStart(8, '0').slice(2);
    const name = `${last.index}-${last.term}-${id.slice(-8)}-${chance}`;
    opened.snapshots.begin({ id: name, last, configuration }, { ...note }, (error, writer) => {
      began(writer, error?.message ?? '');
    });
  }
}
