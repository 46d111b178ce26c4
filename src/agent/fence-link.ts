/**
 * The fence: a connection of its own to the server for nothing but `ROLE`.
 *
 * Spelled in a way that no client would use, so that the relay can leave it out of what MONITOR
 * shows; otherwise each fence would make bytes that need another fence (`facts/holes.md` H6).
 *
 * Before it is let in it asks nothing: no reply waits for it yet, and what is asked of a connection
 * that is refused would be taken for asked. Once closed it asks nothing more: a later reign's fence
 * gets no answer that it did not ask for.
 */
import type { Socket } from 'node:net';
import { FENCE } from '../core/lanes/lane.ts';
import { parseRole, type Role } from '../core/psync/role.ts';
import { ErrorReply, type Reply, ReplyError, ReplyReader } from '../core/resp/reply-reader.ts';
import { encodeCommand } from '../core/resp/writer.ts';

/** ROLE lists the replicas: one or two lines. */
const REPLY_BYTES_MAX = 64 * 1024;

/** Answers that come before the first ROLE: to AUTH and to NO-EVICT. */
const GREETINGS = 2;
/** A script runs: look again soon. */
const BUSY_RETRY_MS = 5;

export interface FenceLinkOptions {
  readonly connect: () => Socket;
  readonly auth: { readonly user: string; readonly password: string };
  readonly onReady: () => void;
  /** Asked before each `ROLE` whether replies wait for it, and told when it is on its way. */
  readonly isWanted: () => boolean;
  readonly onSent: () => void;
  readonly onRole: (role: Role) => 'done' | 'askAgain';
  readonly onClosed: (why: string) => void;
}

export class FenceLink {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX);
  readonly #options: FenceLinkOptions;
  #isReady = false;
  #isDue = false;
  #greetings = 0;
  #isClosed = false;

  constructor(options: FenceLinkOptions) {
    this.#options = options;
    const { user, password } = options.auth;
    let why = 'the server closed the connection';
    const socket = options.connect();
    this.#socket = socket;
    socket.once('connect', () => {
      socket.write(encodeCommand(['AUTH', user, password]));
      // The bound on clients' buffers (`maxmemory-clients`) is for clients.
      socket.write(encodeCommand(['CLIENT', 'NO-EVICT', 'ON']));
    });
    socket.on('data', (chunk) => {
      try {
        this.#reader.push(chunk, (reply) => this.#received(reply));
      } catch (error) {
        if (!(error instanceof ReplyError)) throw error;
        why = error.message;
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      options.onClosed(why);
    });
  }

  /** At the end of this turn, so that one `ROLE` serves every reply that was read in it. */
  askSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (!this.#isReady || this.#isClosed || !this.#options.isWanted()) return;
      this.#options.onSent();
      this.#ask();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #ask(): void {
    if (!this.#isClosed) this.#socket.write(FENCE);
  }

  #received(reply: Reply): void {
    if (this.#isClosed) return;
    if (this.#isReady) {
      if (this.#options.onRole(parseRole(reply)) === 'askAgain')
        setTimeout(() => this.#ask(), BUSY_RETRY_MS);
    } else if (reply instanceof ErrorReply) {
      this.#socket.destroy(new Error(`the fence was not let in: ${reply.text}`));
    } else {
      this.#greetings += 1;
      if (this.#greetings < GREETINGS) return;
      this.#isReady = true;
      this.#options.onReady();
    }
  }
}
