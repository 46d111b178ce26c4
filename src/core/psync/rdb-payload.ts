/**
 * The RDB inside a replication connection: `$<n>` and n bytes, or `$EOF:<mark>` and bytes up to the
 * 40-byte mark (diskless, the default since 7.0). Bare newlines before the header keep the
 * connection alive and are skipped.
 */
import { assert } from '../../assert.ts';
import { asBuffer } from '../bytes.ts';
import { parseLength } from '../resp/number.ts';
import { LineReader } from './line-reader.ts';

const MARK_BYTES = 40;

export interface PayloadRead {
  readonly bytes: readonly Uint8Array[];
  readonly isOver: boolean;
  /** What followed the payload in the chunk; empty before it is over. */
  readonly rest: Uint8Array;
  /** The line that came instead of a header. Final. */
  readonly failure: string | null;
}

export class RdbPayload {
  readonly #lines = new LineReader();
  #mark: Buffer | null = null;
  /** Bytes still to come; null until the header was read, or when a mark ends the payload. */
  #left: number | null = null;
  /** The last bytes received, which may be the beginning of the mark. */
  #held: Uint8Array = NOTHING;

  push(chunk: Uint8Array): PayloadRead {
    if (this.#mark !== null) return this.#readToMark(chunk);
    if (this.#left !== null) return this.#readCounted(chunk, this.#left);
    const read = this.#lines.push(chunk);
    if (read.line === null) return read.isTooLong ? failed('a header without end') : going([]);
    if (read.line !== '' && !this.#begin(read.line)) return failed(read.line);
    // An empty RDB has nothing more to wait for; otherwise the rest is read in the same way.
    if (read.rest.length > 0 || this.#left === 0) return this.push(read.rest);
    return going([]);
  }

  #begin(line: string): boolean {
    if (line.startsWith('$EOF:')) {
      this.#mark = Buffer.from(line.slice(5), 'latin1');
      return this.#mark.length === MARK_BYTES;
    }
    const length = parseLength(Buffer.from(line, 'latin1'), 1, line.length);
    if (!line.startsWith('$') || !(length >= 0)) return false;
    this.#left = length;
    return true;
  }

  #readCounted(chunk: Uint8Array, left: number): PayloadRead {
    const count = Math.min(left, chunk.length);
    this.#left = left - count;
    const bytes = count > 0 ? [chunk.subarray(0, count)] : [];
    if (this.#left > 0) return going(bytes);
    return { bytes, isOver: true, rest: chunk.subarray(count), failure: null };
  }

  #readToMark(chunk: Uint8Array): PayloadRead {
    assert(this.#mark !== null, 'a mark was announced');
    const held = this.#held;
    const seam = Buffer.concat([held, chunk.subarray(0, MARK_BYTES)]);
    const inSeam = seam.indexOf(this.#mark);
    const inChunk = inSeam >= 0 ? inSeam - held.length : asBuffer(chunk).indexOf(this.#mark);
    if (inSeam >= 0 || inChunk >= 0) {
      const bytes = [held.subarray(0, Math.max(0, held.length + Math.min(inChunk, 0)))];
      if (inChunk > 0) bytes.push(chunk.subarray(0, inChunk));
      const rest = chunk.subarray(inChunk + MARK_BYTES);
      return {
        bytes: bytes.filter((piece) => piece.length > 0),
        isOver: true,
        rest,
        failure: null,
      };
    }
    return this.#holdTail(held, chunk);
  }

  /** Gives all but the last bytes, in which the mark may have begun. */
  #holdTail(held: Uint8Array, chunk: Uint8Array): PayloadRead {
    const tailBytes = MARK_BYTES - 1;
    if (chunk.length >= tailBytes) {
      this.#held = chunk.subarray(chunk.length - tailBytes);
      return going([held, chunk.subarray(0, chunk.length - tailBytes)]);
    }
    const joined = Buffer.concat([held, chunk]);
    const given = Math.max(0, joined.length - tailBytes);
    this.#held = joined.subarray(given);
    return going([joined.subarray(0, given)]);
  }
}

const NOTHING = new Uint8Array(0);

function going(bytes: readonly Uint8Array[]): PayloadRead {
  const pieces = bytes.filter((piece) => piece.length > 0);
  return { bytes: pieces, isOver: false, rest: NOTHING, failure: null };
}

function failed(failure: string): PayloadRead {
  return { bytes: [], isOver: false, rest: NOTHING, failure };
}
