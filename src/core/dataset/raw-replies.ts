/**
 * Replies as the bytes that they are: for data, which are passed on or compared and hardly ever
 * looked into. Values that are read are read without decoding, since keys and values may be any
 * bytes.
 */
import { assert } from '../../assert.ts';
import { ReplyCounter } from '../resp/reply-counter.ts';
import { ErrorReply } from '../resp/reply-reader.ts';

export type RawValue = Buffer | number | null | ErrorReply | readonly RawValue[];

const LF = 10;
const MINUS = 0x2d;
/** Nesting that no reply to ours has; bounds the recursion. */
const DEPTH_MAX = 16;

/**
 * Cuts what a server sends at the ends of replies.
 *
 * Ownership: a reply is a view of what was pushed, or a copy where it came in pieces: who pushes a
 * chunk gives it away. Every byte is copied at most once.
 */
export class RawReplies {
  readonly #counter = new ReplyCounter();
  #pieces: Uint8Array[] = [];

  /** False: this is no RESP, and nothing that follows can be trusted. */
  push(chunk: Buffer, onReply: (raw: Buffer) => void): boolean {
    const counter = this.#counter;
    counter.push(chunk);
    let from = 0;
    for (;;) {
      const found = counter.next();
      if (found === 'malformed') return false;
      if (found === 'starved') break;
      const last = chunk.subarray(from, counter.end);
      from = counter.end;
      const raw = this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last]);
      this.#pieces = [];
      if (found === 'reply') onReply(raw);
    }
    if (from < chunk.length) this.#pieces.push(chunk.subarray(from));
    return true;
  }
}

export function isError(raw: Buffer): boolean {
  return raw[0] === MINUS;
}

/** Of an error reply, in the server's words. */
export function errorText(raw: Buffer): string {
  return raw.toString('utf8', 1, raw.length - 2);
}

/** Of one whole reply of RESP2. Strings are views of `raw`. */
export function readValue(raw: Buffer): RawValue {
  return new Walk(raw).value(0);
}

class Walk {
  readonly #raw: Buffer;
  #at = 0;

  constructor(raw: Buffer) {
    this.#raw = raw;
  }

  value(depth: number): RawValue {
    assert(depth < DEPTH_MAX, 'a reply is nested as deeply as what was asked for');
    const sign = String.fromCharCode(this.#raw[this.#at] as number);
    const line = this.#line();
    if (sign === '+') return line;
    if (sign === '-') return new ErrorReply(line.toString('utf8'));
    const number = Number(line.toString('latin1'));
    if (sign === ':') return number;
    if (number < 0) return null;
    if (sign === '*') return Array.from({ length: number }, () => this.value(depth + 1));
    const from = this.#at;
    this.#at = from + number + 2;
    return this.#raw.subarray(from, from + number);
  }

  #line(): Buffer {
    const end = this.#raw.indexOf(LF, this.#at);
    const line = this.#raw.subarray(this.#at + 1, end - 1);
    this.#at = end + 1;
    return line;
  }
}
