/**
 * Upper-case command names from bytes, without making a new string for each command: a pipeline of
 * ten thousand SETs yields one and the same string ten thousand times.
 *
 * A name ends at a NUL byte: servers find a command by a hash of all bytes, and then compare with
 * `strcasecmp`, which stops there. One `MULTI\0…` in some hundred is a MULTI to them.
 */

/** Longer names than any command has: what is longer is unknown to every server, and named ''. */
export const NAME_BYTES_MAX = 64;

/** Power of two. Bounds what a client that invents names can make us keep. */
const SLOTS = 1024;

export class CommandNames {
  readonly #names: string[] = new Array<string>(SLOTS).fill('');

  /** The name in `bytes[from, to)` in upper case; '' when it is empty or too long. */
  nameOf(bytes: Uint8Array, from: number, to: number): string {
    let hash = 0;
    let end = from;
    for (; end < to && bytes[end] !== 0; end++) {
      if (end - from === NAME_BYTES_MAX) return '';
      hash = (hash * 31 + upperCase(bytes[end] as number)) | 0;
    }
    const length = end - from;
    if (length === 0) return '';
    hash = (hash + length) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#names[slot] as string;
    if (isSame(known, bytes, from, length)) return known;
    let name = '';
    for (let i = from; i < end; i++) name += String.fromCharCode(upperCase(bytes[i] as number));
    this.#names[slot] = name;
    return name;
  }
}

function isSame(name: string, bytes: Uint8Array, from: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (name.charCodeAt(i) !== upperCase(bytes[from + i] as number)) return false;
  }
  return true;
}

function upperCase(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}
