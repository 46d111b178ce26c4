/**
 * What a former primary took alone: where its append-only file leaves the stream that the next one
 * has of the same history.
 *
 * Both hold the same commands in the same bytes, from one point on. Only the stream has what a
 * primary says to its replicas of itself, and each names the database where it has to.
 */
const STAR = 0x2a;
const CR = 13;
const LF = 10;
const OWN_WORDS = new Set(['ping', 'replconf', 'select']);

export interface Alone {
  /** At the end of the file, and not in the stream. */
  readonly bytes: number;
  /** The file ends first: there may have been more that was not written yet. */
  readonly isShort: boolean;
}

/** What is cut off at the end of either counts for neither. Null: the two do not go together. */
export function aloneIn(stream: Uint8Array, file: Uint8Array): Alone | null {
  const ours = commandsOf(file);
  for (const command of commandsOf(stream)) {
    if (command === null) return null;
    const { value, done } = ours.next();
    if (done === true) return { bytes: 0, isShort: true };
    if (value === null || Buffer.compare(value, command) !== 0) return null;
  }
  let bytes = 0;
  for (const command of ours) {
    if (command === null) return null;
    bytes += command.length;
  }
  return { bytes, isShort: false };
}

/** Views, in order, but for those that are in one of the two only. Null: no command; the last. */
function* commandsOf(bytes: Uint8Array): Generator<Uint8Array | null, void> {
  for (let at = 0; at < bytes.length; ) {
    const end = endOf(bytes, at);
    if (end === 'cut off') return;
    if (end === null) return yield null;
    const command = bytes.subarray(at, end);
    if (!OWN_WORDS.has(nameOf(command))) yield command;
    at = end;
  }
}

function endOf(bytes: Uint8Array, from: number): number | 'cut off' | null {
  if (bytes[from] !== STAR) return null;
  const head = lineOf(bytes, from);
  if (head === null) return 'cut off';
  let at = head.end;
  for (let n = 0; n < head.count; n++) {
    const size = lineOf(bytes, at);
    if (size === null) return 'cut off';
    at = size.end + size.count + 2;
  }
  return Number.isSafeInteger(at) ? (at <= bytes.length ? at : 'cut off') : null;
}

/** A sign, digits, and the end of the line. */
function lineOf(bytes: Uint8Array, from: number): { count: number; end: number } | null {
  const end = bytes.indexOf(LF, from);
  if (end < 0) return null;
  return { count: Number(textOf(bytes.subarray(from + 1, end - 1))), end: end + 1 };
}

/** `*1\r\n$4\r\nPING\r\n` */
function nameOf(command: Uint8Array): string {
  const size = lineOf(command, command.indexOf(LF) + 1);
  if (size === null) return '';
  return textOf(command.subarray(size.end, command.indexOf(CR, size.end))).toLowerCase();
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
