/** A raw client: bytes out, whole replies in as bytes, and nothing waits without a bound. */
import { connect, type Socket } from 'node:net';

export type Value = string | number | null | Failure | readonly Value[];
export type Word = string | number | Buffer;

/** An error reply, as a value. */
export class Failure {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Ours to wait; a failover fits in several times. */
export const PATIENCE_MS = 15_000;

export class Wire {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Nothing whole can be cut before there are so many. */
  #need = 1;
  readonly #replies: Buffer[] = [];
  #waiting: { take: () => boolean; fail: (error: Error) => void } | null = null;
  #end: Error | null = null;

  /** `where`: a port on loopback, the path of a unix socket, or a connection that there is. */
  constructor(where: number | string | Socket) {
    this.#socket =
      typeof where === 'number'
        ? connect({ host: '127.0.0.1', port: where, noDelay: true })
        : typeof where === 'string'
          ? connect(where)
          : where;
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#over(error));
    this.#socket.on('close', () => this.#over(new Error('the connection was closed')));
  }

  get isClosed(): boolean {
    return this.#end !== null;
  }

  send(bytes: Buffer | string): void {
    if (this.#end === null) this.#socket.write(bytes);
  }

  command(...words: readonly Word[]): void {
    this.send(encode(words));
  }

  /** The next whole reply or push, as its bytes. */
  async raw(patienceMs = PATIENCE_MS): Promise<Buffer> {
    await this.#wait('a reply', patienceMs, () => this.#replies.length > 0);
    return this.#replies.shift() as Buffer;
  }

  async reply(patienceMs = PATIENCE_MS): Promise<Value> {
    return readReply(await this.raw(patienceMs));
  }

  async call(...words: readonly Word[]): Promise<Value> {
    this.command(...words);
    return this.reply();
  }

  /** As `call`, and an error reply is thrown. */
  async must(...words: readonly Word[]): Promise<Value> {
    const value = await this.call(...words);
    if (value instanceof Failure) throw new Error(`${String(words[0])}: ${value.text}`);
    return value;
  }

  /** Replies that came and were not asked for yet. */
  get unread(): number {
    return this.#replies.length;
  }

  async closed(patienceMs = PATIENCE_MS): Promise<void> {
    await this.#wait('the end of the connection', patienceMs, () => this.#end !== null, true);
  }

  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
    this.#over(new Error('closed'));
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#need) return;
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    let at = 0;
    for (;;) {
      const end = endOf(all, at);
      if (end > all.length) {
        this.#need = Math.max(end - at, 1);
        break;
      }
      this.#replies.push(all.subarray(at, end));
      at = end;
    }
    this.#chunks = at === all.length ? [] : [all.subarray(at)];
    this.#bytes = all.length - at;
    this.#tell();
  }

  #over(error: Error): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#tell();
  }

  #tell(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    if (waiting.take()) this.#waiting = null;
    else if (this.#end !== null) {
      this.#waiting = null;
      waiting.fail(this.#end);
    }
  }

  #wait(what: string, ms: number, isThere: () => boolean, endIsFine = false): Promise<void> {
    if (isThere()) return Promise.resolve();
    if (this.#end !== null && !endIsFine) return Promise.reject(this.#end);
    if (this.#waiting !== null) return Promise.reject(new Error('one waits already'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = null;
        reject(new Error(`${what} did not come within ${ms} ms`));
      }, ms);
      this.#waiting = {
        take: () => {
          if (!isThere()) return false;
          clearTimeout(timer);
          resolve();
          return true;
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }
}

export function encode(words: readonly Word[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/** Where the reply at `at` ends; beyond the buffer when it is not whole yet. */
function endOf(bytes: Buffer, at: number): number {
  const line = bytes.indexOf('\r\n', at);
  if (line < 0) return bytes.length + 1;
  const kind = String.fromCharCode(bytes[at] as number);
  const next = line + 2;
  if (!'$=!*~>%|'.includes(kind)) return next;
  const count = Number(bytes.toString('latin1', at + 1, line));
  if (count < 0) return next;
  if ('$=!'.includes(kind)) return next + count + 2;
  // An attribute comes before the reply it belongs to.
  const elements = kind === '%' ? 2 * count : kind === '|' ? 2 * count + 1 : count;
  let end = next;
  for (let i = 0; i < elements && end <= bytes.length; i++) end = endOf(bytes, end);
  return end;
}

export function readReply(reply: Buffer): Value {
  return parse(reply, { at: 0 });
}

function parse(bytes: Buffer, place: { at: number }): Value {
  const line = bytes.indexOf('\r\n', place.at);
  const kind = String.fromCharCode(bytes[place.at] as number);
  const text = bytes.toString('utf8', place.at + 1, line);
  place.at = line + 2;
  if (kind === '+') return text;
  if (kind === '-') return new Failure(text);
  if (kind === ':' || kind === ',') return Number(text);
  if (kind === '_') return null;
  const count = Number(text);
  if (!'$=!*~>%'.includes(kind)) return text;
  if (count < 0) return null;
  if ('$=!'.includes(kind)) {
    const from = place.at;
    place.at += count + 2;
    const body = bytes.toString('utf8', from, from + count);
    return kind === '!' ? new Failure(body) : body;
  }
  return Array.from({ length: kind === '%' ? 2 * count : count }, () => parse(bytes, place));
}
