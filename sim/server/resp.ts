/**
 * RESP as the model keeps it: text of one character per byte (latin1), so that keys, values and
 * whole replies are plain strings.
 */
import { parseLength } from '../../src/core/resp/number.ts';

const CR = 13;
const LF = 10;
const STAR = 0x2a;
/** As the server: an inline command may not be longer. */
const INLINE_BYTES_MAX = 64 * 1024;

export const OK = '+OK\r\n';
export const QUEUED = '+QUEUED\r\n';
export const NULL_BULK = '$-1\r\n';
export const NULL_ARRAY = '*-1\r\n';

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

export function integer(value: number | bigint): string {
  return `:${value}\r\n`;
}

export function array(replies: readonly string[]): string {
  return `*${replies.length}\r\n${replies.join('')}`;
}

export function bulks(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

/** A command that is answered with an error. The text begins with the code. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reply: string;

  constructor(text: string) {
    super(text);
    this.reply = `-${text}\r\n`;
  }
}

export type Read = readonly string[] | 'starved' | 'malformed';

/** Cuts bytes into commands: arrays of bulk strings, and inline words without quotes. */
export class CommandReader {
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Bytes of everything given away so far, empty lines included. */
  consumed = 0;
  /** An empty line was read since this was last set back: a heartbeat of a loading replica. */
  sawBlank = false;

  push(bytes: Buffer): void {
    this.#buffer =
      this.#at === this.#buffer.length
        ? bytes
        : Buffer.concat([this.#buffer.subarray(this.#at), bytes]);
    this.#at = 0;
  }

  next(): Read {
    for (;;) {
      if (this.#at === this.#buffer.length) return 'starved';
      const read = this.#buffer[this.#at] === STAR ? this.#readArray() : this.#readInline();
      if (typeof read === 'string' || read.length > 0) return read;
      this.sawBlank = true;
    }
  }

  #readArray(): Read {
    const buffer = this.#buffer;
    let end = lineEnd(buffer, this.#at);
    if (end < 0) return 'starved';
    const count = parseLength(buffer, this.#at + 1, end - 2);
    if (Number.isNaN(count)) return 'malformed';
    const words: string[] = [];
    while (words.length < count) {
      const body = lineEnd(buffer, end);
      if (body < 0) return 'starved';
      const length = parseLength(buffer, end + 1, body - 2);
      if (!(length >= 0) || buffer[end] !== 0x24) return 'malformed';
      end = body + length + 2;
      if (end > buffer.length) return 'starved';
      words.push(buffer.toString('latin1', body, body + length));
    }
    this.#take(end);
    return words;
  }

  #readInline(): Read {
    const buffer = this.#buffer;
    const at = buffer.indexOf(LF, this.#at);
    if (at < 0) return buffer.length - this.#at > INLINE_BYTES_MAX ? 'malformed' : 'starved';
    const line = buffer.toString('latin1', this.#at, at).trim();
    this.#take(at + 1);
    return line === '' ? [] : line.split(/\s+/);
  }

  #take(end: number): void {
    this.consumed += end - this.#at;
    this.#at = end;
  }
}

/** Behind the CR LF that ends the line at `at`; -1 when it has not come. */
function lineEnd(buffer: Buffer, at: number): number {
  for (let i = at; i + 1 < buffer.length; i += 1) if (buffer[i] === CR) return i + 2;
  return -1;
}

/** The server's `string2ll`: no plus, no leading zeros, 64 bits. Null for anything else. */
export function parseInteger(text: string): bigint | null {
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return value >= INTEGER_MIN && value <= INTEGER_MAX ? value : null;
}

export const INTEGER_MAX = 2n ** 63n - 1n;
export const INTEGER_MIN = -(2n ** 63n);

export function integerOf(text: string | undefined): number {
  const value = parseInteger(text ?? '');
  if (value === null) throw new Refusal('ERR value is not an integer or out of range');
  return Number(value);
}
