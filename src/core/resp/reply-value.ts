/**
 * Replies that a door of our own gives, as values, and their bytes in either protocol: one value
 * says what is meant, RESP3 says it with its own types, RESP2 with arrays, as servers do.
 */
import { bulkReply, errorReply, integerReply, nullReply, simpleReply } from './writer.ts';

export type Protocol = 2 | 3;

/**
 * Text is a bulk string, a number an integer (whole, safe), null nothing at all. `nothing`: no
 * array, which RESP2 tells apart. `map`: its pairs. `push`: what nobody asked for.
 */
export type ReplyValue =
  | string
  | number
  | null
  | readonly ReplyValue[]
  | { readonly kind: 'simple' | 'error'; readonly text: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'map'; readonly pairs: readonly (readonly [string, ReplyValue])[] }
  | { readonly kind: 'push'; readonly items: readonly ReplyValue[] };

export const OK: ReplyValue = { kind: 'simple', text: 'OK' };

/** `text` begins with the code that clients match on. */
export function failure(text: string): ReplyValue {
  return { kind: 'error', text };
}

export function encodeReply(value: ReplyValue, protocol: Protocol): Buffer {
  if (typeof value === 'string') return bulkReply(value);
  if (typeof value === 'number') return integerReply(value);
  if (value === null) return nullReply(protocol);
  if (!('kind' in value)) return aggregate('*', value.length, value, protocol);
  switch (value.kind) {
    case 'simple':
      return simpleReply(value.text);
    case 'error':
      return errorReply(value.text);
    case 'nothing':
      return protocol === 3 ? nullReply(protocol) : Buffer.from('*-1\r\n');
    case 'map': {
      const { pairs } = value;
      const [sign, size] = protocol === 3 ? ['%', pairs.length] : ['*', 2 * pairs.length];
      return aggregate(sign, size, pairs.flat(), protocol);
    }
    case 'push': {
      const { items } = value;
      return aggregate(protocol === 3 ? '>' : '*', items.length, items, protocol);
    }
  }
}

function aggregate(
  sign: string,
  size: number,
  items: readonly ReplyValue[],
  protocol: Protocol,
): Buffer {
  const parts = items.map((item) => encodeReply(item, protocol));
  return Buffer.concat([Buffer.from(`${sign}${size}\r\n`), ...parts]);
}
