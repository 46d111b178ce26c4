/**
 * Splits an inline command (a line of words, as a person types it into netcat) into arguments, by
 * the rules of the server's `sdssplitargs`: double quotes with escapes, single quotes, and a
 * closing quote that must be followed by a space.
 */
const SPACE = ' '.charCodeAt(0);
const DOUBLE = '"'.charCodeAt(0);
const SINGLE = "'".charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const LOWER_X = 'x'.charCodeAt(0);

const ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ n: 10, r: 13, t: 9, b: 8, a: 7 }).map(([c, to]) => [c.charCodeAt(0), to]),
);

/** C's `isspace`. */
function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13);
}

/** Null when the quotes do not match: the server then answers with a protocol error. */
export function splitInline(line: Uint8Array): Buffer[] | null {
  const found: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at] as number)) at += 1;
    if (at === line.length) return found;
    const word: number[] = [];
    const next = readWord(line, at, word);
    if (next < 0) return null;
    found.push(Buffer.from(word));
    at = next;
  }
}

/** Appends the word's bytes and returns where it ended; -1 for unbalanced quotes. */
function readWord(line: Uint8Array, from: number, word: number[]): number {
  let at = from;
  while (at < line.length) {
    const byte = line[at] as number;
    if (isSpace(byte)) return at;
    if (byte === DOUBLE || byte === SINGLE) {
      at = byte === DOUBLE ? readDouble(line, at + 1, word) : readSingle(line, at + 1, word);
      if (at < 0 || (at < line.length && !isSpace(line[at] as number))) return -1;
      return at;
    }
    word.push(byte);
    at += 1;
  }
  return at;
}

function readDouble(line: Uint8Array, from: number, word: number[]): number {
  for (let at = from; at < line.length; at++) {
    const byte = line[at] as number;
    if (byte === DOUBLE) return at + 1;
    if (byte !== BACKSLASH || at + 1 === line.length) {
      word.push(byte);
      continue;
    }
    const escaped = line[at + 1] as number;
    const high = hexOf(line[at + 2]);
    const low = hexOf(line[at + 3]);
    if (escaped === LOWER_X && high >= 0 && low >= 0) {
      word.push(high * 16 + low);
      at += 3;
    } else {
      word.push(ESCAPES.get(escaped) ?? escaped);
      at += 1;
    }
  }
  return -1;
}

function readSingle(line: Uint8Array, from: number, word: number[]): number {
  for (let at = from; at < line.length; at++) {
    const byte = line[at] as number;
    if (byte === SINGLE) return at + 1;
    if (byte === BACKSLASH && line[at + 1] === SINGLE) {
      word.push(SINGLE);
      at += 1;
    } else {
      word.push(byte);
    }
  }
  return -1;
}

function hexOf(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
