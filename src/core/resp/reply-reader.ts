/**
 * Reads whole replies into values: for the few replies that we ask for ourselves (ROLE, INFO, ACL),
 * never for clients' traffic. A reply waits here until it is whole, within `replyBytesMax`.
 */
import { assert } from '../../assert.ts';
import { parseLength } from './number.ts';
import { ReplyCounter } from './reply-counter.ts';

/** The server answered with an error. Its text begins with the code. */
export class ErrorReply {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** `NOAUTH` of `-NOAUTH Authentication required.` */
  get code(): string {
    return this.text.split(' ', 1)[0] ?? '';
  }
}

/**
 * Strings are decoded as UTF-8, or one character per byte (`latin1`) where keys are read. RESP3
 * maps come as flat arrays (key, value, key, value, …) as in RESP2, sets as arrays, doubles and big
 * numbers as text; attributes are dropped.
 */
export type Reply = string | number | boolean | null | ErrorReply | readonly Reply[];

export type ReplyFailure = 'REPLY_MALFORMED' | 'REPLY_TOO_LARGE';

export type ReplyEncoding = 'utf8' | 'latin1';

/** What the server sent cannot be read: close the connection. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
  readonly code: ReplyFailure;

  constructor(code: ReplyFailure, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
  }
}

export class ReplyReader {
  readonly #replyBytesMax: number;
  readonly #encoding: ReplyEncoding;
  readonly #counter = new ReplyCounter();
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(replyBytesMax: number, encoding: ReplyEncoding = 'utf8') {
    assert(replyBytesMax > 0, 'a reply limit is not optional');
    this.#replyBytesMax = replyBytesMax;
    this.#encoding = encoding;
  }

  /** Calls back for every reply that is whole now, in order. Throws `ReplyError`. */
  push(
    chunk: Uint8Array,
    onReply: (reply: Reply) => void,
    onPush: (message: Reply) => void = () => undefined,
  ): void {
    const counter = this.#counter;
    counter.push(chunk);
    let from = 0;
    for (;;) {
      const found = counter.next();
      if (found === 'malformed') throw new ReplyError('REPLY_MALFORMED', 'no RESP');
      if (found === 'starved') break;
      const value = this.#take(chunk.subarray(from, counter.end));
      from = counter.end;
      if (found === 'reply') onReply(value);
      else onPush(value);
    }
    this.#pendingBytes += chunk.length - from;
    if (this.#pendingBytes > this.#replyBytesMax) {
      throw new ReplyError('REPLY_TOO_LARGE', `a reply of more than ${this.#replyBytesMax} bytes`);
    }
    if (from < chunk.length) this.#pieces.push(chunk.subarray(from));
  }

  #take(last: Uint8Array): Reply {
    const bytes = Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    this.#pendingBytes = 0;
    return new Cursor(bytes, this.#encoding).value(0);
  }
}

/** Nesting that no reply of ours has; bounds the recursion. */
const DEPTH_MAX = 32;

/** Walks over one reply that is known to be whole. */
class Cursor {
  readonly #bytes: Buffer;
  readonly #encoding: ReplyEncoding;
  #at = 0;

  constructor(bytes: Buffer, encoding: ReplyEncoding) {
    this.#bytes = bytes;
    this.#encoding = encoding;
  }

  value(depth: number): Reply {
    if (depth > DEPTH_MAX) throw new ReplyError('REPLY_MALFORMED', 'nested too deeply');
    const sign = String.fromCharCode(this.#bytes[this.#at] as number);
    const line = this.#line();
    switch (sign) {
      case '+':
      case ',':
      case '(':
        return line;
      case '-':
        return new ErrorReply(line);
      case ':':
        return Number(line);
      case '_':
        return null;
      case '#':
        return line === 't';
      case '$':
        return this.#bulk(line);
      case '=':
        return this.#bulk(line)?.slice(4) ?? null;
      case '!':
        return new ErrorReply(this.#bulk(line) ?? '');
      case '|':
        this.#values(2 * lengthOf(line), depth);
        return this.value(depth + 1);
      case '%':
        return this.#values(2 * lengthOf(line), depth);
      default:
        return lengthOf(line) < 0 ? null : this.#values(lengthOf(line), depth);
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf('\n', this.#at);
    const from = this.#at + 1;
    this.#at = end + 1;
    return this.#bytes.toString(
      this.#encoding,
      from,
      this.#bytes[end - 1] === 0x0d ? end - 1 : end,
    );
  }

  #bulk(line: string): string | null {
    const length = lengthOf(line);
    if (length < 0) return null;
    const from = this.#at;
    this.#at = from + length + 2;
    return this.#bytes.toString(this.#encoding, from, from + length);
  }

  #values(count: number, depth: number): Reply[] {
    const found: Reply[] = [];
    for (let i = 0; i < count; i++) found.push(this.value(depth + 1));
    return found;
  }
}

function lengthOf(line: string): number {
  const length = parseLength(Buffer.from(line), 0, line.length);
  if (Number.isNaN(length)) throw new ReplyError('REPLY_MALFORMED', 'a bad length');
  return length;
}
