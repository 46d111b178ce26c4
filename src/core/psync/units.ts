/**
 * Cuts the server's replication stream into execution units: one command, or MULTI .. EXEC.
 *
 * The log may only be cut at unit boundaries (design §3.3: only whole units reach a follower's
 * server), and every offset that `ROLE` tells is such a boundary. A SELECT before MULTI is a unit
 * of its own; since 8.0 it may also stand inside (`facts/engine.md` §6.3).
 *
 * Cost: bulk bodies are skipped, headers are read once, only what has to wait is copied.
 * Ownership: of what was pushed nothing is kept. The pieces given back may be views of it.
 * Bound: what waits for the end of its unit is at most `unitBytesMax` and one chunk.
 */
import { assert } from '../../assert.ts';
import { NUMBER_BYTES_MAX } from '../resp/number.ts';

const LF = 10;
const CR = 13;
const STAR = 0x2a;
const DOLLAR = 0x24;
const ZERO = 0x30;

/** Where the walk stands: at the first byte of a header, in its digits, or in a body. */
const SIGN = 0;
const DIGITS = 1;
const BODY = 2;

/** Names of one argument's bytes in lower case, as a number in base 256. */
const MULTI = codeOf('multi');
const EXEC = codeOf('exec');

export type Cut =
  | {
      readonly kind: 'cut';
      /** Whole units, in order; empty when no unit ended in this chunk. */
      readonly pieces: readonly Uint8Array[];
      readonly byteCount: number;
      readonly unitCount: number;
    }
  | {
      readonly kind: 'failed';
      /** UNIT_TOO_LARGE: over `unitBytesMax`. NOT_A_STREAM: no primary sends this. Both final. */
      readonly code: 'UNIT_TOO_LARGE' | 'NOT_A_STREAM';
      readonly text: string;
    };

export class UnitCutter {
  readonly #unitBytesMax: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  #state = SIGN;
  /** What the header being read begins with. */
  #sign = STAR;
  #number = 0;
  #digits = 0;
  #argsLeft = 0;
  #isFirstArg = false;
  #bodyLeft = 0;
  /** The first argument so far, when it is at most five bytes; else 0. */
  #nameCode = 0;
  #isNameShort = false;
  #isInMulti = false;
  #failure: Cut | null = null;

  constructor(unitBytesMax: number) {
    assert(unitBytesMax > 0, 'a unit limit is not optional');
    this.#unitBytesMax = unitBytesMax;
  }

  /** Bytes that wait for the end of their unit. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  push(chunk: Uint8Array): Cut {
    if (this.#failure !== null) return this.#failure;
    let boundary = 0;
    let unitCount = 0;
    let at = 0;
    while (at < chunk.length) {
      at = this.#state === BODY ? this.#skipBody(chunk, at) : this.#readHeader(chunk, at);
      if (at < 0) return this.#fail('NOT_A_STREAM', 'bytes that are no command');
      if (this.#argsLeft > 0 || this.#state !== SIGN) continue;
      if (!this.#endCommand()) return this.#fail('NOT_A_STREAM', 'MULTI and EXEC out of order');
      if (this.#isInMulti) continue;
      const unitBytes = at - boundary + (unitCount === 0 ? this.#pendingBytes : 0);
      if (unitBytes > this.#unitBytesMax) return this.#tooLarge();
      boundary = at;
      unitCount += 1;
    }
    return this.#give(chunk, boundary, unitCount);
  }

  #give(chunk: Uint8Array, boundary: number, unitCount: number): Cut {
    const rest = chunk.length - boundary;
    if (unitCount === 0) {
      this.#pending.push(copyOf(chunk));
      this.#pendingBytes += chunk.length;
      if (this.#pendingBytes > this.#unitBytesMax) return this.#tooLarge();
      return { kind: 'cut', pieces: [], byteCount: 0, unitCount: 0 };
    }
    const pieces = this.#pending;
    pieces.push(rest === 0 ? chunk : chunk.subarray(0, boundary));
    const byteCount = this.#pendingBytes + boundary;
    this.#pending = rest === 0 ? [] : [copyOf(chunk.subarray(boundary))];
    this.#pendingBytes = rest;
    if (rest > this.#unitBytesMax) return this.#tooLarge();
    return { kind: 'cut', pieces, byteCount, unitCount };
  }

  /** Reads a header or the part of it that is there; where it stopped, or -1. */
  #readHeader(chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#state === SIGN) {
      this.#sign = this.#argsLeft === 0 ? STAR : DOLLAR;
      if (chunk[at] !== this.#sign) return -1;
      this.#state = DIGITS;
      this.#number = 0;
      this.#digits = 0;
      at += 1;
    }
    for (; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (byte >= ZERO && byte <= ZERO + 9) {
        this.#number = this.#number * 10 + byte - ZERO;
        this.#digits += 1;
        if (this.#digits > NUMBER_BYTES_MAX) return -1;
      } else if (byte === LF) {
        return this.#endHeader() ? at + 1 : -1;
      } else if (byte !== CR) {
        return -1;
      }
    }
    return at;
  }

  #endHeader(): boolean {
    if (this.#digits === 0) return false;
    if (this.#sign === STAR) {
      this.#argsLeft = this.#number;
      this.#isFirstArg = true;
      this.#state = SIGN;
      return this.#number > 0;
    }
    this.#bodyLeft = this.#number + 2;
    this.#state = BODY;
    if (this.#isFirstArg) {
      this.#nameCode = 0;
      this.#isNameShort = this.#number <= 5;
    }
    return true;
  }

  #skipBody(chunk: Uint8Array, from: number): number {
    const count = Math.min(this.#bodyLeft, chunk.length - from);
    if (this.#isFirstArg && this.#isNameShort) {
      const named = Math.min(count, this.#bodyLeft - 2);
      for (let i = 0; i < named; i++) {
        this.#nameCode = this.#nameCode * 256 + ((chunk[from + i] as number) | 0x20);
      }
    }
    this.#bodyLeft -= count;
    if (this.#bodyLeft === 0) {
      this.#state = SIGN;
      this.#isFirstArg = false;
      this.#argsLeft -= 1;
    }
    return from + count;
  }

  #endCommand(): boolean {
    const name = this.#isNameShort ? this.#nameCode : 0;
    if (name === MULTI) {
      if (this.#isInMulti) return false;
      this.#isInMulti = true;
    } else if (name === EXEC) {
      if (!this.#isInMulti) return false;
      this.#isInMulti = false;
    }
    return true;
  }

  #tooLarge(): Cut {
    const text = `one execution unit is larger than ${this.#unitBytesMax} bytes`;
    return this.#fail('UNIT_TOO_LARGE', text);
  }

  #fail(code: 'UNIT_TOO_LARGE' | 'NOT_A_STREAM', text: string): Cut {
    this.#failure = { kind: 'failed', code, text };
    this.#pending = [];
    this.#pendingBytes = 0;
    return this.#failure;
  }
}

/** A Buffer's own `slice` is a view. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function codeOf(name: string): number {
  let code = 0;
  for (let i = 0; i < name.length; i++) code = code * 256 + name.charCodeAt(i);
  return code;
}
