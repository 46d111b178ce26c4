/**
 * Takes a snapshot of the own server through a replica connection that asks for the RDB only, so
 * that the server does not count it as a replica (`facts/holes.md` H2 C).
 *
 * The server says at which offset of which history it stands, and that is checked: a follower's
 * must carry the deployment's history id and lie within what is committed; a leader's must carry
 * its reign's id, and counts once its offset is committed in that reign (H1, H7).
 */
import type { Socket } from 'node:net';
import type { ReplOffset } from '../core/scalars.ts';
import type { StorageError } from '../io/storage/errors.ts';
import { ReplicaLink } from './replica-link.ts';

/** The part of the snapshot writer that is used here. */
export interface RdbWriter {
  append(bytes: Uint8Array, done: (error: StorageError | null) => void): void;
  abort(done: (error: StorageError | null) => void): void;
}

export interface TakerOptions<Writer extends RdbWriter> {
  readonly connect: () => Socket;
  readonly auth: { readonly user: string; readonly password: string };
  readonly version: string;
  /** Whether a snapshot at `offset` of history `replid` is of use; begins the file if so. */
  readonly begin: (
    replid: string,
    offset: ReplOffset,
    done: (writer: Writer | null, why: string) => void,
  ) => void;
  /** All bytes are written; or null, and why. Called once. */
  readonly done: (writer: Writer | null, why: string) => void;
}

/** The transfer stands still for so long: given up. */
const STALL_MS_MAX = 30_000;

export function takeSnapshot<Writer extends RdbWriter>(options: TakerOptions<Writer>): void {
  let writer: Writer | null = null;
  let isWriting = false;
  let isComplete = false;
  let isOver = false;
  const queue: Uint8Array[] = [];

  const stall = setTimeout(() => giveUp('the server sends nothing more'), STALL_MS_MAX);
  const finish = (result: Writer | null, why: string) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(stall);
    link.close();
    options.done(result, why);
  };
  const giveUp = (why: string) => {
    if (isOver) return;
    const begun = writer;
    finish(null, why);
    begun?.abort(() => undefined);
  };
  const write = () => {
    if (writer === null || isWriting || isOver) return;
    const bytes = queue.shift();
    if (bytes === undefined) {
      link.setPaused(false);
      if (isComplete) finish(writer, '');
      return;
    }
    isWriting = true;
    writer.append(bytes, (error) => {
      isWriting = false;
      if (error === null) write();
      else giveUp(error.message);
    });
  };
  const link: ReplicaLink = new ReplicaLink({
    connect: options.connect,
    replica: {
      auth: options.auth,
      listeningPort: 1,
      version: options.version,
      rdbOnly: true,
      after: null,
    },
    onEvent: (event) => {
      stall.refresh();
      switch (event.kind) {
        case 'fullResync':
          options.begin(event.replid, event.offset, (begun, why) => {
            if (begun === null) giveUp(why);
            else if (isOver) begun.abort(() => undefined);
            else {
              writer = begun;
              write();
            }
          });
          return;
        case 'rdbBytes':
          queue.push(event.bytes);
          // The socket stays paused while the disk is behind: at most one chunk waits.
          link.setPaused(true);
          write();
          return;
        case 'rdbEnd':
          isComplete = true;
          write();
          return;
        default:
          giveUp(event.kind === 'refused' ? event.text : `unexpected ${event.kind}`);
      }
    },
    // A server hangs up on who wants no more than the RDB.
    onClosed: (why) => {
      if (!isComplete) giveUp(why);
    },
  });
}
