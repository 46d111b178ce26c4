/**
 * A connection to one node of a cluster that is not ours: pipelined calls, each with a time bound.
 * An error reply is an answer (`ErrorReply`); exceptions mean that the connection is over.
 *
 * Texts of replies have one character per byte, since keys may be any bytes: `textOf` decodes what
 * is for people, and a word that came in a reply goes back through `bytesOf`.
 */
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { ErrorReply, type Reply, ReplyReader } from '../../core/resp/reply-reader.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { PendingCalls } from '../pending-calls.ts';
import { ClusterError, refusal } from './errors.ts';

/** CLUSTER NODES of a thousand nodes is 200 KB; a page of keys, each up to 512 MB, is the rest. */
const REPLY_BYTES_MAX = 1024 * 1024 * 1024;
/** Every slot may be asked about at once, twice. */
const CALLS_MAX = 40_000;

export interface Access {
  /** Empty for the default user. */
  readonly user: string;
  /** Empty for none. */
  readonly password: string;
  /** Null for a plain connection. */
  readonly tls: ConnectionOptions | null;
  /** For connecting, and for each call that does not say otherwise. */
  readonly callMsMax: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Word = string | Uint8Array;

/** A word of a reply as it was. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A text of a reply as people read it. */
export function textOf(text: string): string {
  return bytesOf(text).toString('utf8');
}

export class Connection {
  readonly #socket: Socket;
  readonly #where: string;
  readonly #callMsMax: number;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX, 'latin1');
  readonly #calls = new PendingCalls<Reply, ClusterError>(CALLS_MAX);
  #isCorked = false;

  private constructor(socket: Socket, where: string, callMsMax: number) {
    this.#socket = socket;
    this.#where = where;
    this.#callMsMax = callMsMax;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (cause: NodeJS.ErrnoException) =>
      this.#end('NODE_UNREACHABLE', cause.code ?? cause.message, cause),
    );
    socket.on('close', () => this.#end('NODE_UNREACHABLE', 'it closed the connection'));
  }

  /** Connects and authenticates. Rejects with NODE_UNREACHABLE, NODE_SILENT or NODE_REFUSED. */
  static async open({ host, port }: Address, access: Access): Promise<Connection> {
    const { tls, user, password, callMsMax } = access;
    const socket = tls === null ? connect({ host, port }) : connectTls({ ...tls, host, port });
    socket.setNoDelay(true);
    const connection = new Connection(socket, `${host}:${port}`, callMsMax);
    const reply = await connection.call(
      password === '' ? ['PING'] : ['AUTH', ...(user === '' ? [] : [user]), password],
    );
    if (!(reply instanceof ErrorReply) || isStarting(reply)) return connection;
    connection.close();
    throw new ClusterError('NODE_REFUSED', `${host}:${port}: ${textOf(reply.text)}`);
  }

  get isOver(): boolean {
    return this.#calls.isOver;
  }

  /** One command, its answer. Rejects with NODE_SILENT or NODE_UNREACHABLE. */
  call(words: readonly Word[], msMax = this.#callMsMax): Promise<Reply> {
    return this.#calls.call({
      msMax,
      send: () => {
        this.#cork();
        this.#socket.write(encodeCommand(words));
      },
      // The words may hold a password: only the command's name is ever shown.
      onLate: () => this.#end('NODE_SILENT', `no answer to ${String(words[0])} in ${msMax} ms`),
      crowded: () => new ClusterError('NODE_SILENT', `${this.#where}: ${CALLS_MAX} calls wait`),
    });
  }

  /** Like `call`, and an error reply is NODE_REFUSED: for calls that must succeed. */
  async must(words: readonly Word[], msMax = this.#callMsMax): Promise<Reply> {
    const reply = await this.call(words, msMax);
    if (!(reply instanceof ErrorReply)) return reply;
    const what = words.slice(0, 2).map(String).join(' ');
    throw refusal(`${this.#where}: ${what}: ${textOf(reply.text)}`);
  }

  close(): void {
    this.#end('NODE_UNREACHABLE', 'closed');
  }

  /** What one turn of the event loop sends is one write. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk, (reply) => this.#calls.answered(reply));
    } catch (cause) {
      this.#end('NOT_A_CLUSTER', 'what it answers cannot be read', cause);
    }
  }

  #end(
    code: 'NODE_SILENT' | 'NODE_UNREACHABLE' | 'NOT_A_CLUSTER',
    detail: string,
    cause?: unknown,
  ): void {
    if (this.isOver) return;
    this.#socket.destroy();
    this.#calls.end(new ClusterError(code, `${this.#where}: ${detail}`, { cause }));
  }
}

/** PING is answered so while it loads; what it says of the cluster can be asked all the same. */
function isStarting({ code }: ErrorReply): boolean {
  return code === 'LOADING' || code === 'MASTERDOWN' || code === 'CLUSTERDOWN';
}
