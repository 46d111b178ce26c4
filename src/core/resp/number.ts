/** Lengths in RESP headers, read by the rules of the server's `string2ll`. */

/** No valid length is longer; bounds how much of a header is ever kept. */
export const NUMBER_BYTES_MAX = 20;

/** What `parseLength` gives for text that is no length. */
export const NOT_A_LENGTH = Number.NaN;

const ZERO = 0x30;
const MINUS = 0x2d;

/** Digits with at most one leading minus, no plus, no leading zeros; anything else is NaN. */
export function parseLength(bytes: Uint8Array, from: number, to: number): number {
  const isNegative = bytes[from] === MINUS;
  const first = isNegative ? from + 1 : from;
  if (first >= to || to - from > NUMBER_BYTES_MAX) return NOT_A_LENGTH;
  if (bytes[first] === ZERO) return to - first === 1 && !isNegative ? 0 : NOT_A_LENGTH;
  let value = 0;
  for (let i = first; i < to; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return NOT_A_LENGTH;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}
