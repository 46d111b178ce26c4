/**
 * One client connection with one command outstanding: just enough RESP2 to try the promise.
 *
 * A command that fails or takes too long ends the connection: whether it was executed is then
 * unknown, and an answer that comes late must not be taken for the next one's.
 */
import { createConnection, type Socket } from 'node:net';

export type Reply = string | number | null | RespError | readonly Reply[];

export class RespError extends Error {
  override readonly name = 'RespError';
}

/** Our own commands answer with far less; anything longer is not a server. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024;

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly limit: NodeJS.Timeout;
}

export class RespClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | null = null;
  #failure: Error | null = null;

  constructor(port: number) {
    this.#socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  get isBroken(): boolean {
    return this.#failure !== null;
  }

  call(args: readonly string[], patienceMs: number): Promise<Reply> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting) return Promise.reject(new Error('one command at a time'));
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => this.#fail(new Error('no answer in time')), patienceMs);
      this.#waiting = { resolve, reject, limit };
      this.#socket.write(encode(args));
    });
  }

  close(): void {
    this.#fail(new Error('closed'));
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    if (this.#received.length > REPLY_BYTES_MAX) {
      this.#fail(new Error('reply too long'));
      return;
    }
    const parsed = parseReply(this.#received, 0);
    if (parsed === null) return;
    this.#received = this.#received.subarray(parsed.next);
    const waiting = this.#waiting;
    if (!waiting) {
      this.#fail(new Error('an answer that nobody asked for'));
      return;
    }
    this.#waiting = null;
    clearTimeout(waiting.limit);
    waiting.resolve(parsed.reply);
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.destroy();
    if (!this.#waiting) return;
    clearTimeout(this.#waiting.limit);
    this.#waiting.reject(error);
    this.#waiting = null;
  }
}

function encode(args: readonly string[]): string {
  const words = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return `*${args.length}\r\n${words.join('')}`;
}

/** Null while the reply is not complete. */
export function parseReply(bytes: Buffer, at: number): { reply: Reply; next: number } | null {
  const end = bytes.indexOf('\r\n', at);
  if (end < 0) return null;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  const line = bytes.toString('utf8', at + 1, end);
  const next = end + 2;
  switch (kind) {
    case '+':
      return { reply: line, next };
    case '-':
      return { reply: new RespError(line), next };
    case ':':
      return { reply: Number(line), next };
    case '$':
      return parseBulk(bytes, next, Number(line));
    case '*':
      return parseArray(bytes, next, Number(line));
    default:
      return { reply: new RespError(`not RESP: ${kind}${line.slice(0, 40)}`), next };
  }
}

function parseBulk(bytes: Buffer, at: number, length: number): ReturnType<typeof parseReply> {
  if (length < 0) return { reply: null, next: at };
  if (bytes.length < at + length + 2) return null;
  return { reply: bytes.toString('utf8', at, at + length), next: at + length + 2 };
}

function parseArray(bytes: Buffer, at: number, length: number): ReturnType<typeof parseReply> {
  if (length < 0) return { reply: null, next: at };
  const replies: Reply[] = [];
  let next = at;
  for (let i = 0; i < length; i++) {
    const parsed = parseReply(bytes, next);
    if (parsed === null) return null;
    replies.push(parsed.reply);
    next = parsed.next;
  }
  return { reply: replies, next };
}
