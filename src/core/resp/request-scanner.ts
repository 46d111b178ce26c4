/**
 * Finds the commands in what a client sends, for the relay's hot path.
 *
 *   scanner.push(chunk);
 *   for (let found = scanner.next(); found !== 'starved'; found = scanner.next()) {
 *     // scanner.bytes[scanner.start, scanner.end) are the bytes that `found` is about
 *   }
 *
 * Every byte fed appears in exactly one result, in order, however the stream is cut, so that the
 * results' bytes laid end to end are the stream. Framing follows the server's own
 * (`processMultibulkBuffer`, `processInlineBuffer`): what is malformed here is malformed there, and
 * what is whole here is whole there, or a client could hide a command from us.
 *
 * Cost: no object per command or argument. Bounds: at most a head (name and small arguments, under
 * 1 KiB and one inline line of 64 KiB) waits here, or `gatherBytesMax`, or for a watched command
 * `wholeBytesMax`.
 * Ownership: `bytes` belongs to whoever called `push`, or was allocated for this stretch; it is not
 * written again, so that slices of it may be kept.
 */
import { assert } from '../../assert.ts';
import { CommandNames, NAME_BYTES_MAX } from './command-names.ts';
import { splitInline } from './inline.ts';
import { NUMBER_BYTES_MAX, parseLength } from './number.ts';

/** The server's own bound for a line without end (`PROTO_INLINE_MAX_SIZE`). */
export const INLINE_BYTES_MAX = 64 * 1024;
/** The server's own bound for the number of arguments (`INT_MAX` since 7.0). */
const ARGUMENTS_MAX = 0x7fff_ffff;
/** A head is the name and the arguments before this index, up to the first long one. */
export const HEAD_ARGUMENTS = 5;
export const HEAD_ARGUMENT_BYTES = 64;
/** `*`, sign and digits, CR, LF. */
const HEADER_BYTES_MAX = NUMBER_BYTES_MAX + 3;

const CR = 13;
const LF = 10;
const STAR = 0x2a;
const DOLLAR = 0x24;

export interface ScannerLimits {
  /** Largest argument the server takes (`proto-max-bulk-len`). */
  readonly bulkBytesMax: number;
  /** A watched command above this comes in parts like any other, with `isWhole` false. */
  readonly wholeBytesMax: number;
  /** A command below this is told when it is whole, one above it with the first that is known. */
  readonly gatherBytesMax: number;
}

/**
 * - `command`: a command begins. `name`, `argc`, `isWhole`, `argument()` tell about it; the bytes
 *   are all of it when `isWhole`, else its beginning, and parts follow.
 * - `part`: more of the command begun before; `isLast` tells whether it ends here.
 * - `blank`: bytes that make no command and get no reply (an empty line, `*0`). Do not pass them
 *   on: after a line of spaces Valkey 8.0 takes an array for inline text, and sees other commands
 *   in what follows than we do.
 * - `malformed`: from here on the server would answer `-ERR` and `text`, and hang up; the scanner
 *   stays here. The safe thing is to answer so instead of the server: bytes that we cannot read and
 *   pass on all the same are safe only as long as no version of the server can read them.
 * - `starved`: nothing more to say before the next `push`.
 */
export type Found = 'command' | 'part' | 'blank' | 'malformed' | 'starved';

export class RequestScanner {
  readonly #isWatched: (name: string) => boolean;
  readonly #limits: ScannerLimits;
  readonly #names: CommandNames;

  /** Results of the last `next`. Name in upper case, '' when no command is called that. */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  name = '';
  argc = 0;
  isWhole = false;
  isLast = false;
  isInline = false;
  text = '';

  /** The bytes not yet given away are `#buffer[#from, #to)`; `#at` is where the walk stands. */
  #buffer: Buffer = EMPTY;
  #from = 0;
  #to = 0;
  #at = 0;
  /** Whether `#buffer` is ours, so that bytes after `#to` may be written. */
  #isOwned = false;
  /** Arguments of the command being walked: -1 = its first line was not read yet. */
  #argc = -1;
  #argIndex = 0;
  /** Bytes of the current argument and its CRLF: -1 = its header was not read yet. */
  #argBytes = -1;
  /** Whether the command being walked was announced already and its rest passes through. */
  #isPassing = false;
  #name = '';
  #inline: Buffer[] = [];

  /** `names` may be shared by any number of scanners: it keeps 8 KiB, and no state of a stream. */
  constructor(
    isWatched: (name: string) => boolean,
    limits: ScannerLimits,
    names = new CommandNames(),
  ) {
    assert(limits.bulkBytesMax > 0 && limits.wholeBytesMax > 0, 'scanner limits are positive');
    this.#isWatched = isWatched;
    this.#limits = limits;
    this.#names = names;
  }

  /** Bytes fed and not yet given away in a result. */
  get pendingBytes(): number {
    return this.#to - this.#from;
  }

  /** Call only when `next` said `starved`. */
  push(chunk: Uint8Array): void {
    if (this.#from === this.#to) {
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      this.#isOwned = false;
      this.#at = 0;
      this.#from = 0;
      this.#to = chunk.length;
      return;
    }
    this.#reserve(chunk.length);
    this.#buffer.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  next(): Found {
    this.bytes = this.#buffer;
    this.start = this.#from;
    this.end = this.#from;
    if (this.text !== '') return this.#malformed(this.text);
    if (this.#isPassing) return this.#pass();
    if (this.#from === this.#to) return 'starved';
    if (this.#argc < 0) {
      if (this.#buffer[this.#from] !== STAR) return this.#readInline();
      const count = this.#readHeader(STAR);
      if (count === UNFINISHED) return 'starved';
      if (!(count <= ARGUMENTS_MAX)) {
        return this.#malformed('Protocol error: invalid multibulk length');
      }
      if (count <= 0) return this.#give('blank', this.#at);
      this.#argc = count;
    }
    return this.#readHead();
  }

  /**
   * Argument `index` of the last `command`, 0 being the name as the client wrote it; null when it
   * is not wholly in the bytes. Always there when `isWhole`; else for those of the head.
   */
  argument(index: number): Buffer | null {
    if (this.isInline) return this.#inline[index] ?? null;
    if (index >= this.argc) return null;
    const bytes = this.bytes;
    let at = afterLine(bytes, this.start, this.end);
    for (let i = 0; at >= 0; i++) {
      const body = afterLine(bytes, at, this.end);
      if (body < 0) return null;
      const length = parseLength(bytes, at + 1, body - 2);
      if (body + length + 2 > this.end) return null;
      if (i === index) return Buffer.from(bytes.buffer, bytes.byteOffset + body, length);
      at = body + length + 2;
    }
    return null;
  }

  /** All arguments of the last `command` that are wholly in its bytes, at most `countMax`. */
  argumentsUpTo(countMax: number): Buffer[] {
    if (this.isInline) return this.#inline.slice(0, countMax);
    const found: Buffer[] = [];
    const bytes = this.bytes;
    let at = afterLine(bytes, this.start, this.end);
    while (at >= 0 && found.length < Math.min(countMax, this.argc)) {
      const body = afterLine(bytes, at, this.end);
      if (body < 0) break;
      const length = parseLength(bytes, at + 1, body - 2);
      if (body + length + 2 > this.end) break;
      found.push(Buffer.from(bytes.buffer, bytes.byteOffset + body, length));
      at = body + length + 2;
    }
    return found;
  }

  #readHead(): Found {
    while (this.#argIndex < this.#argc) {
      if (this.#argBytes < 0) {
        const length = this.#readHeader(DOLLAR);
        if (length === UNFINISHED) return this.#isHeadKnown(0) ? this.#begin(false) : 'starved';
        if (!(length >= 0 && length <= this.#limits.bulkBytesMax)) return this.#badBulk(length);
        this.#argBytes = length + 2;
      }
      if (this.#argBytes > this.#to - this.#at) {
        if (this.#argIndex === 0 && this.#argBytes - 2 > HEAD_ARGUMENT_BYTES) {
          // What is longer than any name is one all the same when a NUL byte ends it.
          const known = Math.min(this.#to, this.#at + NAME_BYTES_MAX + 1);
          if (known - this.#at <= NAME_BYTES_MAX) return 'starved';
          this.#name = this.#names.nameOf(this.#buffer, this.#at, known);
        }
        return this.#isHeadKnown(this.#argBytes) ? this.#begin(false) : 'starved';
      }
      if (this.#argIndex === 0) {
        this.#name = this.#names.nameOf(this.#buffer, this.#at, this.#at + this.#argBytes - 2);
      }
      this.#at += this.#argBytes;
      this.#argBytes = -1;
      this.#argIndex += 1;
    }
    return this.#begin(true);
  }

  /** Whether an unfinished command may be announced; `wantedBytes` is what its argument needs. */
  #isHeadKnown(wantedBytes: number): boolean {
    const isLong = wantedBytes > HEAD_ARGUMENT_BYTES + 2;
    const size = this.#at - this.#from + wantedBytes;
    if (size <= this.#limits.gatherBytesMax) return false;
    if (this.#argIndex === 0) return isLong;
    if (this.#isWatched(this.#name)) return size > this.#limits.wholeBytesMax;
    return isLong || this.#argIndex >= HEAD_ARGUMENTS;
  }

  #begin(isWhole: boolean): Found {
    this.isInline = false;
    this.name = this.#name;
    this.argc = this.#argc;
    this.isWhole = isWhole;
    if (isWhole) return this.#give('command', this.#at);
    this.#isPassing = true;
    return this.#give('command', this.#skipInBody());
  }

  /** Passes on what there is of a command that was announced. */
  #pass(): Found {
    this.#skipInBody();
    while (this.#argBytes < 0 && this.#argIndex < this.#argc) {
      const length = this.#readHeader(DOLLAR);
      if (length === UNFINISHED) break;
      if (!(length >= 0 && length <= this.#limits.bulkBytesMax)) return this.#badBulk(length);
      this.#argBytes = length + 2;
      this.#skipInBody();
    }
    if (this.#at === this.#from) return 'starved';
    this.isLast = this.#argIndex === this.#argc;
    return this.#give('part', this.#at);
  }

  /** Moves over as much of the current argument as is there, and returns where that is. */
  #skipInBody(): number {
    if (this.#argBytes < 0) return this.#at;
    const skipped = Math.min(this.#argBytes, this.#to - this.#at);
    this.#at += skipped;
    this.#argBytes -= skipped;
    if (this.#argBytes === 0) {
      this.#argBytes = -1;
      this.#argIndex += 1;
    }
    return this.#at;
  }

  /** Reads `<sign><number>CR?` at `#at`: the number, UNFINISHED, or NaN for anything else. */
  #readHeader(sign: number): number {
    const from = this.#at;
    if (from === this.#to) return UNFINISHED;
    if (this.#buffer[from] !== sign) return Number.NaN;
    const last = Math.min(this.#to, from + HEADER_BYTES_MAX);
    let at = from + 1;
    while (at < last && this.#buffer[at] !== CR) at += 1;
    if (at === last) return last === this.#to && last - from < HEADER_BYTES_MAX ? UNFINISHED : NaN;
    // The server wants one byte after the CR, and does not look at it.
    if (at + 1 === this.#to) return UNFINISHED;
    const value = parseLength(this.#buffer, from + 1, at);
    if (!Number.isNaN(value)) this.#at = at + 2;
    return value;
  }

  #readInline(): Found {
    let at = this.#at;
    while (at < this.#to && this.#buffer[at] !== LF && this.#buffer[at] !== 0) at += 1;
    this.#at = at;
    if (at === this.#to && at - this.#from <= INLINE_BYTES_MAX) return 'starved';
    // A NUL byte hides the line's end from the server until the line is too long.
    if (this.#buffer[at] !== LF) return this.#malformed('Protocol error: too big inline request');
    const end = at > this.#from && this.#buffer[at - 1] === CR ? at - 1 : at;
    const words = splitInline(this.#buffer.subarray(this.#from, end));
    if (words === null) return this.#malformed('Protocol error: unbalanced quotes in request');
    const first = words[0];
    if (first === undefined) return this.#give('blank', at + 1);
    this.#inline = words;
    this.isInline = true;
    this.name = this.#names.nameOf(first, 0, first.length);
    this.argc = words.length;
    this.isWhole = true;
    return this.#give('command', at + 1);
  }

  #badBulk(length: number): Found {
    const byte = this.#buffer[this.#at] as number;
    return this.#malformed(
      Number.isNaN(length) && byte !== DOLLAR
        ? `Protocol error: expected '$', got '${printable(byte)}'`
        : 'Protocol error: invalid bulk length',
    );
  }

  #malformed(text: string): Found {
    this.text = text;
    if (this.#from === this.#to) return 'starved';
    this.start = this.#from;
    this.end = this.#to;
    this.#from = this.#to;
    return 'malformed';
  }

  #give(found: 'command' | 'part' | 'blank', end: number): Found {
    this.start = this.#from;
    this.end = end;
    this.#from = end;
    this.#at = end;
    const isBegun = found === 'command' && !this.isWhole;
    if (!isBegun && (found !== 'part' || this.isLast)) {
      this.#argc = -1;
      this.#argIndex = 0;
      this.#argBytes = -1;
      this.#isPassing = false;
    }
    return found;
  }

  /** Moves what is pending to the start of a buffer of ours that has room for `count` more. */
  #reserve(count: number): void {
    const pending = this.#to - this.#from;
    if (this.#isOwned && this.#to + count <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * (pending + count), 1024));
    this.#buffer.copy(grown, 0, this.#from, this.#to);
    this.#buffer = grown;
    this.#isOwned = true;
    this.#at -= this.#from;
    this.#from = 0;
    this.#to = pending;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
/** Below every length and count, so that no valid one looks like it. */
const UNFINISHED = Number.NEGATIVE_INFINITY;

/** Where the line that begins at `at` has ended, -1 when it does not before `to`. */
function afterLine(bytes: Uint8Array, at: number, to: number): number {
  for (let i = at; i + 1 < to; i++) if (bytes[i] === CR) return i + 2;
  return -1;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
}
