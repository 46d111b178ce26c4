/**
 * Takes a snapshot of the own server through a replica connection that asks for the RDB only, so
 * that the server does not count it as a replica (`facts/holes.md` H2 C).
 *
 * The server says at which offset of which history it stands, and that is for `begin` to check: a
 * follower's must carry the deployment's history id and lie within what is committed; a leader's
 * must carry its reign's id, and counts once its offset is committed in that reign (H1, H7).
 */
import type { ReplicaEvent } from '../../core/psync/as-replica.ts';
import type { ReplOffset } from '../../core/scalars.ts';
import type { StorageError } from '../../io/storage/errors.ts';
import type { SnapshotConnection, SnapshotReceiver } from './ports.ts';

/** The part of the snapshot writer that is used here. */
export interface RdbWriter {
  append(bytes: Uint8Array, done: (error: StorageError | null) => void): void;
  abort(done: (error: StorageError | null) => void): void;
}

export interface TakerOptions<Writer extends RdbWriter> {
  readonly connect: (receiver: SnapshotReceiver) => SnapshotConnection;
  /** Whether a snapshot at `offset` of history `replid` is of use; begins the file if so. */
  readonly begin: (
    replid: string,
    offset: ReplOffset,
    done: (writer: Writer | null, why: string) => void,
  ) => void;
  /** All bytes are written; or null, and why. Called once. */
  readonly done: (writer: Writer | null, why: string) => void;
}

/** The transfer stands still for so long, 30 s: given up. */
export const STALL_TICKS_MAX = 1200;

export class SnapshotTaker<Writer extends RdbWriter> {
  readonly #o: TakerOptions<Writer>;
  readonly #link: SnapshotConnection;
  #stillTicks = 0;
  /** The connection is paused while the disk is behind: what one chunk held, at most. */
  readonly #queue: Uint8Array[] = [];
  #writer: Writer | null = null;
  #isWriting = false;
  #isComplete = false;
  #isOver = false;

  constructor(options: TakerOptions<Writer>) {
    this.#o = options;
    this.#link = options.connect({
      onEvent: (event) => this.#received(event),
      // A server hangs up on who wants no more than the RDB.
      onClosed: (why) => {
        if (!this.#isComplete) this.#giveUp(why);
      },
    });
  }

  tick(): void {
    this.#stillTicks += 1;
    if (this.#stillTicks > STALL_TICKS_MAX) this.#giveUp('the server sends nothing more');
  }

  #received(event: Exclude<ReplicaEvent, { readonly kind: 'send' }>): void {
    this.#stillTicks = 0;
    switch (event.kind) {
      case 'fullResync':
        this.#o.begin(event.replid, event.offset, (writer, why) => this.#begun(writer, why));
        return;
      case 'rdbBytes':
        this.#queue.push(event.bytes);
        this.#link.setPaused(true);
        this.#write();
        return;
      case 'rdbEnd':
        this.#isComplete = true;
        this.#write();
        return;
      default:
        this.#giveUp(event.kind === 'refused' ? event.text : `unexpected ${event.kind}`);
    }
  }

  #begun(writer: Writer | null, why: string): void {
    if (writer === null) {
      this.#giveUp(why);
    } else if (this.#isOver) {
      writer.abort(() => undefined);
    } else {
      this.#writer = writer;
      this.#write();
    }
  }

  #write(): void {
    const writer = this.#writer;
    if (writer === null || this.#isWriting || this.#isOver) return;
    const bytes = this.#queue.shift();
    if (bytes === undefined) {
      this.#link.setPaused(false);
      if (this.#isComplete) this.#finish(writer, '');
      return;
    }
    this.#isWriting = true;
    writer.append(bytes, (error) => {
      this.#isWriting = false;
      this.#stillTicks = 0;
      if (error === null) this.#write();
      else this.#giveUp(error.message);
    });
  }

  #giveUp(why: string): void {
    if (this.#isOver) return;
    this.#finish(null, why);
    this.#writer?.abort(() => undefined);
  }

  #finish(writer: Writer | null, why: string): void {
    this.#isOver = true;
    this.#link.close();
    this.#o.done(writer, why);
  }
}
