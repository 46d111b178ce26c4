/**
 * Takes the agent's own fence out of what a MONITOR session is sent. Every fence would otherwise
 * make bytes that need another fence, without end (`facts/holes.md` H6).
 *
 * The agent spells its fence `RoLe`, as no client does, and MONITOR repeats the spelling. The line
 * ends with `] "RoLe"`; inside an argument the quote would be escaped, and before a second argument
 * there is a quote and no bracket, so that nothing else ends that way.
 */
const LF = 10;
const PLUS = 0x2b;
const FENCE_TAIL = Buffer.from('] "RoLe"\r\n');
/** The time, the database, a path of a unix socket (108 at most) and the tail are shorter. */
const FENCE_LINE_BYTES_MAX = 256;

const EMPTY = Buffer.alloc(0);

export class MonitorFilter {
  /** The beginning of a line that may yet become a fence's. */
  #kept: Buffer = EMPTY;
  /** Whether the present line is already known not to be one. */
  #isOther = false;

  /** The bytes to send: a view of `chunk` where nothing was taken out. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = EMPTY;
    const pieces: Buffer[] = [];
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      const newline = bytes.indexOf(LF, at);
      if (newline < 0) break;
      const line = bytes.subarray(at, newline + 1);
      if (!this.#isOther && isFence(line)) {
        if (from < at) pieces.push(bytes.subarray(from, at));
        from = newline + 1;
      }
      this.#isOther = false;
      at = newline + 1;
    }
    const rest = bytes.length - at;
    if (rest > 0 && !this.#isOther) {
      this.#isOther = bytes[at] !== PLUS || rest > FENCE_LINE_BYTES_MAX;
      if (!this.#isOther) this.#kept = Buffer.from(bytes.subarray(at));
    }
    const to = bytes.length - this.#kept.length;
    if (pieces.length === 0) return bytes.subarray(from, to);
    pieces.push(bytes.subarray(from, to));
    return Buffer.concat(pieces);
  }
}

function isFence(line: Buffer): boolean {
  if (line[0] !== PLUS || line.length > FENCE_LINE_BYTES_MAX) return false;
  return line.subarray(-FENCE_TAIL.length).equals(FENCE_TAIL);
}
