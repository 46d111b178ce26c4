/**
 * A connection on which this agent follows its own server: the capture, or a snapshot's transfer.
 */
import type { Socket } from 'node:net';
import { AsReplica, type ReplicaEvent, type ReplicaOptions } from '../core/psync/as-replica.ts';
import type { ReplOffset } from '../core/scalars.ts';

export interface ReplicaLinkOptions {
  readonly connect: () => Socket;
  readonly replica: ReplicaOptions;
  /** Every event but `send`. Bytes of an RDB may be kept, those of a stream not beyond the call. */
  readonly onEvent: (event: Exclude<ReplicaEvent, { kind: 'send' }>) => void;
  /** The connection ended, by whatever cause but `close`. Called once. */
  readonly onClosed: (why: string) => void;
}

export class ReplicaLink {
  readonly #socket: Socket;
  readonly #replica: AsReplica;
  #isClosed = false;

  constructor({ connect, replica, onEvent, onClosed }: ReplicaLinkOptions) {
    this.#replica = new AsReplica(replica);
    const socket = connect();
    this.#socket = socket;
    let why = 'the server closed the connection';
    const handle = (events: readonly ReplicaEvent[]) => {
      for (const event of events) {
        if (this.#isClosed) return;
        if (event.kind === 'send') socket.write(event.bytes);
        else onEvent(event);
      }
    };
    socket.once('connect', () => handle(this.#replica.start()));
    // A stream is copied into the log's entries at once (`io/read-buffer.ts`).
    for (const event of replica.rdbOnly ? ['data'] : ['data', 'view'])
      socket.on(event, (chunk: Buffer) => handle(this.#replica.push(chunk)));
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      onClosed(why);
    });
  }

  acknowledge(offset: ReplOffset): void {
    if (!this.#isClosed) this.#socket.write(this.#replica.acknowledge(offset));
  }

  setPaused(isPaused: boolean): void {
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Nothing comes back after this. */
  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }
}
