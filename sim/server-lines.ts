/**
 * The agent's side of its connections to the server: calls with an answer each, the fence, a
 * replica. What `agent/own-server.ts` does over sockets, over lines in virtual time.
 */
import { AsReplica, type ReplicaEvent, type ReplicaOptions } from '../src/core/psync/as-replica.ts';
import { parseRole, type Role } from '../src/core/psync/role.ts';
import { ErrorReply, type Reply, ReplyReader } from '../src/core/resp/reply-reader.ts';
import { encodeCommand } from '../src/core/resp/writer.ts';
import type { ReplOffset } from '../src/core/scalars.ts';

export interface LineEnds {
  readonly onBytes: (bytes: Buffer) => void;
  /** The server closed it. */
  readonly onClosed: () => void;
  /** It takes bytes again after `write` said no. */
  readonly onDrain?: () => void;
}

/** A connection that the agent made. */
export interface Line {
  /** False when much is under way. */
  write(bytes: Uint8Array): boolean;
  setPaused(isPaused: boolean): void;
  /** Nothing comes back after this. */
  close(): void;
}

export type OpenLine = (ends: LineEnds) => Line;

const REPLY_BYTES_MAX = 1 << 20;
export const AGENT = { user: 'althing', password: 'agent' };

/** Calls in order, an answer each; null when the connection ended first. */
export class CallLine {
  readonly #line: Line;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX);
  readonly #waiting: ((reply: Reply | null) => void)[] = [];
  #isOver = false;

  constructor(open: OpenLine) {
    this.#line = open({
      onBytes: (bytes) => this.#reader.push(bytes, (reply) => this.#waiting.shift()?.(reply)),
      onClosed: () => this.#end(),
    });
    this.call(['AUTH', AGENT.user, AGENT.password], () => undefined);
  }

  call(words: readonly string[], done: (reply: Reply | null) => void): void {
    if (this.#isOver) {
      done(null);
      return;
    }
    this.#waiting.push(done);
    this.#line.write(encodeCommand(words));
  }

  close(): void {
    this.#isOver = true;
    this.#waiting.length = 0;
    this.#line.close();
  }

  #end(): void {
    this.#isOver = true;
    for (const done of this.#waiting.splice(0)) done(null);
  }
}

export interface FenceOptions {
  readonly open: OpenLine;
  readonly onReady: () => void;
  readonly onRole: (role: Role) => void;
  readonly onClosed: (why: string) => void;
}

/** `agent/fence-link.ts`. */
export class FenceLine {
  readonly #line: Line;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX);
  readonly #o: FenceOptions;
  /** Answers to AUTH and NO-EVICT are still to come. */
  #greetings = 2;

  constructor(options: FenceOptions) {
    this.#o = options;
    this.#line = options.open({
      onBytes: (bytes) => this.#reader.push(bytes, (reply) => this.#received(reply)),
      onClosed: () => options.onClosed('the server closed the connection'),
    });
    this.#line.write(encodeCommand(['AUTH', AGENT.user, AGENT.password]));
    this.#line.write(encodeCommand(['CLIENT', 'NO-EVICT', 'ON']));
  }

  ask(): void {
    this.#line.write(encodeCommand(['RoLe']));
  }

  close(): void {
    this.#line.close();
  }

  #received(reply: Reply): void {
    if (this.#greetings === 0) {
      this.#o.onRole(parseRole(reply));
      return;
    }
    if (reply instanceof ErrorReply) {
      this.#line.close();
      this.#o.onClosed(`the fence was not let in: ${reply.text}`);
      return;
    }
    this.#greetings -= 1;
    if (this.#greetings === 0) this.#o.onReady();
  }
}

export interface ReplicaLineOptions {
  readonly open: OpenLine;
  readonly replica: ReplicaOptions;
  readonly onEvent: (event: Exclude<ReplicaEvent, { readonly kind: 'send' }>) => void;
  readonly onClosed: (why: string) => void;
}

/** `agent/replica-link.ts`. */
export class ReplicaLine {
  readonly #line: Line;
  readonly #replica: AsReplica;
  readonly #onEvent: ReplicaLineOptions['onEvent'];
  #isClosed = false;

  constructor({ open, replica, onEvent, onClosed }: ReplicaLineOptions) {
    this.#replica = new AsReplica(replica);
    this.#onEvent = onEvent;
    this.#line = open({
      onBytes: (bytes) => this.#handle(this.#replica.push(bytes)),
      onClosed: () => onClosed('the server closed the connection'),
    });
    this.#handle(this.#replica.start());
  }

  acknowledge(offset: ReplOffset): void {
    if (!this.#isClosed) this.#line.write(this.#replica.acknowledge(offset));
  }

  setPaused(isPaused: boolean): void {
    this.#line.setPaused(isPaused);
  }

  close(): void {
    this.#isClosed = true;
    this.#line.close();
  }

  #handle(events: readonly ReplicaEvent[]): void {
    for (const event of events) {
      if (this.#isClosed) return;
      if (event.kind === 'send') this.#line.write(event.bytes);
      else this.#onEvent(event);
    }
  }
}
