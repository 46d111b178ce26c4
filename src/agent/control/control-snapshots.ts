/**
 * The control group's snapshots: the state as bytes, written when enough has been applied since the
 * last one, and made the base of the log.
 */
import { encodeState } from '../../core/control/state-codec.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import type { LogIndex, NodeId } from '../../core/scalars.ts';
import type { SnapshotWriter } from '../../io/storage/snapshot-writer.ts';
import type { Note, ShardFiles } from '../shard/ports.ts';
import type { Stand } from './open-control.ts';

/** Some hundred commands: little to play again at a start, and little room on disk. */
export const SNAPSHOT_BYTES = 256 * 1024;
/** Kept before a snapshot for peers that are a little behind. */
const KEEP_BYTES = 64 * 1024;

export interface ControlSnapshotsOptions {
  readonly id: NodeId;
  readonly opened: Pick<ShardFiles, 'store' | 'snapshots'>;
  /** Null when the log does not say it any more. */
  readonly configurationAt: (index: LogIndex) => Configuration | null;
  readonly compacted: (snapshot: SnapshotMeta, base: EntryId) => void;
  /** Unsigned 32-bit numbers. */
  readonly entropy: () => number;
  readonly note: Note;
  readonly fatal: (error: Error) => void;
}

export class ControlSnapshots {
  readonly #o: ControlSnapshotsOptions;
  #isBusy = false;

  constructor(options: ControlSnapshotsOptions) {
    this.#o = options;
  }

  /** Of what is committed only. `done` when the log begins there, or when nothing came of it. */
  take({ state, applied }: Stand, done: () => void): void {
    const configuration = this.#o.configurationAt(applied.index);
    if (this.#isBusy || configuration === null) return;
    this.#isBusy = true;
    const { opened, entropy, id, note } = this.#o;
    const chance = entropy().toString(16).padStart(8, '0').slice(2);
    const name = `${applied.index}-${applied.term}-${id.slice(-8)}-${chance}`;
    const start = { id: name, last: applied, configuration };
    const finish = (error: Error | null, snapshot: SnapshotMeta | null): void => {
      this.#isBusy = false;
      // The log goes on without it; the next command tries again.
      if (error !== null) note('warn', 'control.snapshotFailed', { error });
      if (snapshot !== null) this.#adopt(snapshot, done);
    };
    opened.snapshots.begin(start, {}, (beginError, writer) => {
      if (writer === null) finish(beginError, null);
      else this.#write(writer, encodeState(state), finish);
    });
  }

  #write(
    writer: SnapshotWriter,
    body: Buffer,
    finish: (error: Error | null, snapshot: SnapshotMeta | null) => void,
  ): void {
    writer.append(body, (error) => {
      if (error !== null) writer.abort(() => finish(error, null));
      else writer.finish(finish);
    });
  }

  #adopt(snapshot: SnapshotMeta, done: () => void): void {
    const { store } = this.#o.opened;
    // A newer one from the leader has replaced the log meanwhile.
    if (store.termAt(snapshot.last.index) === snapshot.last.term) {
      store.compactTo(snapshot, KEEP_BYTES, (error) => {
        if (error !== undefined) this.#o.fatal(error);
      });
      this.#o.compacted(snapshot, store.base);
    }
    done();
  }
}
