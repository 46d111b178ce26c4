/** A data group's snapshots where there is a server: taken from it, and given to it to load. */
import { asBuffer } from '../../core/bytes.ts';
import type { EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import { type NodeId, type ReplOffset, replOffset } from '../../core/scalars.ts';
import type { SnapshotWriter } from '../../io/storage/snapshot-writer.ts';
import type { SnapshotBody, SnapshotUnreadable } from '../strong/ports.ts';
import type { Reign } from '../strong/reign.ts';
import { readSnapshotNote, type SnapshotNote } from '../strong/stream-recovery.ts';
import type { Strong } from '../strong/strong.ts';
import { KeptSnapshots, type KeptSnapshotsOptions } from './kept-snapshots.ts';
import type { GroupServer } from './ports.ts';
import { SnapshotTaker } from './snapshot-taker.ts';

export interface GroupSnapshotsOptions extends KeptSnapshotsOptions {
  readonly id: NodeId;
  readonly historyId: string;
  readonly server: GroupServer;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  readonly strong: () => Strong;
}

export class GroupSnapshots extends KeptSnapshots {
  readonly #o: GroupSnapshotsOptions;
  #problem: string | null = null;
  #taker: SnapshotTaker<SnapshotWriter> | null = null;
  /** Of the own server, in this life of the node. */
  taken = 0;

  constructor(options: GroupSnapshotsOptions) {
    super(options);
    this.#o = options;
  }

  /** Why the own server cannot load the newest, as of the last attempt. */
  get problem(): string | null {
    return this.#problem;
  }

  tick(): void {
    this.#taker?.tick();
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
