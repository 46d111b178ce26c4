/**
 * The agent's own calls to its server, over the private unix socket: pipelined, each with a time
 * bound. An error reply is an answer (`ErrorReply`), not an exception; exceptions mean that the
 * connection is over, because after a call without answer nothing else can be matched.
 */
import { connect, type Socket } from 'node:net';
import { ErrorReply, type Reply, ReplyReader } from '../../core/resp/reply-reader.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { PendingCalls } from '../pending-calls.ts';
import type { ReadBuffer } from '../read-buffer.ts';
import { ServerError } from './errors.ts';
import { parseInfo, type ServerInfo } from './info.ts';

/** INFO everything of a server with many commands and clients is under 100 KB; CLIENT LIST more. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024;
/** Calls that may wait for an answer at one time: far more than the agent ever has. */
const CALLS_MAX = 1_000;

export interface AdminOptions {
  readonly socketPath: string;
  readonly user: string;
  readonly password: string;
  /** For each call that does not say otherwise, and for connecting. */
  readonly callMsMax: number;
}

/** A connection to the server without any handshake: for sessions, fence, capture. */
export function connectServer(socketPath: string, reads: ReadBuffer): Socket {
  return reads.dial({ path: socketPath });
}

export class Admin {
  readonly #socket: Socket;
  readonly #callMsMax: number;
  readonly #reader = new ReplyReader(REPLY_BYTES_MAX);
  readonly #calls = new PendingCalls<Reply, ServerError>(CALLS_MAX);
  /** Called once when the connection is over, for whatever reason but `close`. */
  onOver: (error: ServerError) => void = () => undefined;

  private constructor(socket: Socket, callMsMax: number) {
    this.#socket = socket;
    this.#callMsMax = callMsMax;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (cause) => this.#end('SERVER_GONE', `the connection failed`, cause));
    socket.on('close', () => this.#end('SERVER_GONE', 'the server closed the connection'));
  }

  /** Connects and authenticates. */
  static async connect(options: AdminOptions): Promise<Admin> {
    const admin = new Admin(connect({ path: options.socketPath }), options.callMsMax);
    const reply = await admin.call(['AUTH', options.user, options.password]);
    if (reply instanceof ErrorReply) {
      admin.close();
      throw new ServerError('SERVER_FAILED', `the server does not know its agent: ${reply.code}`);
    }
    return admin;
  }

  get isOver(): boolean {
    return this.#calls.isOver;
  }

  /** One command, its answer. Rejects with SERVER_SILENT or SERVER_GONE. */
  call(words: readonly (string | Uint8Array)[], msMax = this.#callMsMax): Promise<Reply> {
    return this.#calls.call({
      msMax,
      send: () => this.#socket.write(encodeCommand(words)),
      // The words may hold a password: only the command's name is ever shown.
      onLate: () => this.#end('SERVER_SILENT', `no answer to ${String(words[0])} in ${msMax} ms`),
      crowded: () => new ServerError('SERVER_SILENT', `${CALLS_MAX} calls wait for an answer`),
    });
  }

  /** Like `call`, and an error reply is an exception too: for calls that must succeed. */
  async must(words: readonly (string | Uint8Array)[], msMax = this.#callMsMax): Promise<Reply> {
    const reply = await this.call(words, msMax);
    if (!(reply instanceof ErrorReply)) return reply;
    throw new ServerError('SERVER_FAILED', `${words[0]} was answered: ${reply.text}`);
  }

  async info(section = 'default'): Promise<ServerInfo> {
    return parseInfo(String(await this.must(['INFO', section])));
  }

  /**
   * Makes the server a primary. The feed's password goes first: clients may read CONFIG while
   * they are served, and they are served by a primary only.
   */
  async promote(): Promise<void> {
    await this.must(['CONFIG', 'SET', 'masteruser', '', 'masterauth', '']);
    await this.must(['REPLICAOF', 'NO', 'ONE']);
  }

  /** Makes the server a replica of the agent's feed. */
  async follow(feed: { port: number; user: string; password: string }): Promise<void> {
    await this.must(['CONFIG', 'SET', 'masteruser', feed.user, 'masterauth', feed.password]);
    await this.must(['REPLICAOF', '127.0.0.1', String(feed.port)]);
  }

  close(): void {
    this.onOver = () => undefined;
    this.#end('SERVER_GONE', 'the agent closed the connection');
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk, (reply) => this.#calls.answered(reply));
    } catch (cause) {
      this.#end('SERVER_FAILED', 'an answer cannot be read', cause);
    }
  }

  #end(code: 'SERVER_SILENT' | 'SERVER_GONE' | 'SERVER_FAILED', detail: string, cause?: unknown) {
    if (this.isOver) return;
    const error = new ServerError(code, detail, { cause });
    this.#socket.destroy();
    this.#calls.end(error);
    this.onOver(error);
  }
}
