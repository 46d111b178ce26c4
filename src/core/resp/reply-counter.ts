/**
 * Counts the replies in what a server sends, without keeping any of it.
 *
 * RESP2 and RESP3 (redis-specifications, RESP3): aggregates may nest, attributes (`|`) belong to
 * the reply that follows, pushes (`>`) are out-of-band and no replies. There are no closing marks,
 * so one number, how many values are still to come, stands for the whole stack.
 *
 * Cost: every header byte is looked at once, bulk bodies are skipped, nothing is allocated.
 */
import { NUMBER_BYTES_MAX } from './number.ts';

const LF = 10;
const CR = 13;
const MINUS = 0x2d;
const ZERO = 0x30;
const PUSH = 0x3e;

/** How a value of this type goes on after its first byte. */
const LINE = 1;
const BULK = 2;
const ARRAY = 3;
const MAP = 4;
const ATTRIBUTE = 5;

const SHAPES: Uint8Array = shapes();

function shapes(): Uint8Array {
  const table = new Uint8Array(256);
  for (const [signs, shape] of [
    ['+-:_,#(', LINE],
    ['$!=', BULK],
    ['*~>', ARRAY],
    ['%', MAP],
    ['|', ATTRIBUTE],
  ] as const) {
    for (const sign of signs) table[sign.charCodeAt(0)] = shape;
  }
  return table;
}

/** `malformed` is final: the connection cannot be trusted any more. */
export type Counted = 'reply' | 'push' | 'starved' | 'malformed';

export class ReplyCounter {
  /** First byte of the reply or push just found: `-` 0x2d tells an error, for one. */
  type = 0;
  /** Where it ended in the chunk: the position after its last byte. */
  end = 0;
  /** Set by `countAll`. */
  replies = 0;
  pushes = 0;

  #chunk: Uint8Array = EMPTY;
  #at = 0;
  /** Values still to be read before the current reply is whole; 0 = between replies. */
  #wanted = 0;
  #type = 0;
  #isTypeKnown = false;
  /** The first line of what has begun tells that it is a value. */
  #isClear = false;
  /** Shape of the value whose first line is being read, 0 = the next byte is a type. */
  #shape = 0;
  #number = 0;
  #isNegative = false;
  #digits = 0;
  /** The line so far ends with a CR: an LF by itself is text of it (of an error in a script). */
  #hasCr = false;
  #skip = 0;
  #isMalformed = false;

  /** Whether a reply has begun that has not ended: its bytes so far are after `end`. */
  get isInside(): boolean {
    return this.#wanted > 0;
  }

  /**
   * What has begun and not ended. `unclear`: so far it may be no reply at all, and turn out to be
   * malformed with the next byte; so much is at most a number long.
   */
  get begun(): 'nothing' | 'unclear' | 'reply' | 'push' {
    if (this.#wanted === 0) return 'nothing';
    if (this.#type === PUSH) return 'push';
    return this.#isClear ? 'reply' : 'unclear';
  }

  /** As new: for another stream. */
  restart(): void {
    this.#wanted = 0;
    this.#shape = 0;
    this.#skip = 0;
    this.#isMalformed = false;
  }

  /** Call only when `next` said `starved`. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.end = 0;
  }

  /** The next reply or push that ends in the chunk. */
  next(): Counted {
    if (this.#isMalformed) return 'malformed';
    const chunk = this.#chunk;
    const length = chunk.length;
    while (this.#at < length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, length - this.#at);
        this.#at += skipped;
        this.#skip -= skipped;
        if (this.#skip > 0) break;
        this.#wanted -= 1;
      } else if (this.#shape === 0) {
        this.#beginValue(chunk[this.#at] as number);
        this.#at += 1;
      } else if (this.#shape === LINE) {
        let at = this.#at;
        while (at < length && chunk[at] !== LF) at += 1;
        const hasCr = at > this.#at ? chunk[at - 1] === CR : this.#hasCr;
        this.#hasCr = at === length && hasCr;
        this.#at = at + 1;
        if (at === length) break;
        if (!hasCr) continue;
        this.#shape = 0;
        this.#wanted -= 1;
      } else {
        this.#readCount(chunk);
      }
      if (this.#isMalformed) return 'malformed';
      if (this.#wanted === 0) return this.#ended();
    }
    this.#at = length;
    return 'starved';
  }

  /** Counts all of `chunk`: `replies`, `pushes`, and `end`, which is 0 when none ended. */
  countAll(chunk: Uint8Array): 'starved' | 'malformed' {
    this.replies = 0;
    this.pushes = 0;
    this.push(chunk);
    for (;;) {
      const counted = this.next();
      if (counted === 'reply') this.replies += 1;
      else if (counted === 'push') this.pushes += 1;
      else return counted;
    }
  }

  #ended(): Counted {
    this.type = this.#type;
    this.end = this.#at;
    return this.#type === PUSH ? 'push' : 'reply';
  }

  #beginValue(type: number): void {
    this.#shape = SHAPES[type] as number;
    if (this.#shape === 0) this.#isMalformed = true;
    if (this.#wanted === 0) {
      this.#wanted = 1;
      this.#isTypeKnown = false;
      this.#isClear = this.#shape === LINE;
    }
    // With one value wanted and no other begun, this is the reply itself or an attribute of it.
    if (!this.#isTypeKnown && this.#wanted === 1) {
      this.#type = type;
      this.#isTypeKnown = this.#shape !== ATTRIBUTE;
    }
    this.#number = 0;
    this.#isNegative = false;
    this.#digits = 0;
    this.#hasCr = false;
  }

  /** Reads digits up to the line's end, then acts on the number by the value's shape. */
  #readCount(chunk: Uint8Array): void {
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at] as number;
      this.#at += 1;
      if (byte === LF) {
        this.#actOnCount();
        return;
      }
      if (byte === CR) continue;
      if (byte === MINUS && this.#digits === 0) this.#isNegative = true;
      else if (byte >= ZERO && byte <= ZERO + 9) this.#number = this.#number * 10 + byte - ZERO;
      else this.#isMalformed = true;
      this.#digits += 1;
      if (this.#digits > NUMBER_BYTES_MAX) this.#isMalformed = true;
      if (this.#isMalformed) return;
    }
  }

  #actOnCount(): void {
    const shape = this.#shape;
    this.#shape = 0;
    if (this.#digits === 0) this.#isMalformed = true;
    this.#isClear = true;
    // `$-1` and `*-1` are null: a value of its own.
    if (this.#isNegative) this.#wanted -= 1;
    else if (shape === BULK) this.#skip = this.#number + 2;
    else if (shape === ARRAY) this.#wanted += this.#number - 1;
    else if (shape === MAP) this.#wanted += 2 * this.#number - 1;
    else this.#wanted += 2 * this.#number;
  }
}

const EMPTY = new Uint8Array(0);
