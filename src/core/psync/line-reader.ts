/** Reads the short text lines of the replication handshake, however they are cut. */

/** The longest line of the handshake is an error's text; nothing honest is longer. */
const LINE_BYTES_MAX = 1024;
const LF = 10;

export interface LineRead {
  /** Without its line end; null when it has not ended yet. */
  readonly line: string | null;
  readonly isTooLong: boolean;
  /** What followed the line in the chunk. */
  readonly rest: Uint8Array;
}

export class LineReader {
  #text = '';

  push(chunk: Uint8Array): LineRead {
    const end = chunk.indexOf(LF);
    const upTo = end < 0 ? chunk.length : end;
    if (this.#text.length + upTo > LINE_BYTES_MAX) {
      return { line: null, isTooLong: true, rest: NOTHING };
    }
    for (let i = 0; i < upTo; i++) this.#text += String.fromCharCode(chunk[i] as number);
    if (end < 0) return { line: null, isTooLong: false, rest: NOTHING };
    const line = this.#text.endsWith('\r') ? this.#text.slice(0, -1) : this.#text;
    this.#text = '';
    return { line, isTooLong: false, rest: chunk.subarray(end + 1) };
  }
}

const NOTHING = new Uint8Array(0);
