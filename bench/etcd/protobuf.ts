/**
 * The little of protobuf that etcd's messages need: varints and length-delimited fields
 * (protobuf.dev/programming-guides/encoding). Groups and fixed-width fields are skipped or refused.
 */

export interface Field {
  readonly number: number;
  /** A varint as bigint (member ids use all 64 bits), or the bytes of a delimited field. */
  readonly value: bigint | Buffer;
}

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export function bytesField(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint((number << 3) | DELIMITED), varint(bytes.length), bytes]);
}

/** Every varint and delimited field at the top level, in order. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  while (at < message.length) {
    const tag = readVarint(message, at);
    const [number, kind] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    at = tag.next;
    if (kind === VARINT) {
      const { value, next } = readVarint(message, at);
      fields.push({ number, value });
      at = next;
    } else if (kind === DELIMITED) {
      const { value, next } = readVarint(message, at);
      const end = next + Number(value);
      if (end > message.length) throw new ProtobufError('a field goes beyond its message');
      fields.push({ number, value: message.subarray(next, end) });
      at = end;
    } else if (kind === FIXED64 || kind === FIXED32) {
      at += kind === FIXED64 ? 8 : 4;
    } else {
      throw new ProtobufError(`field ${number} has the unknown type ${kind}`);
    }
  }
  return fields;
}

function readVarint(bytes: Buffer, from: number): { value: bigint; next: number } {
  let value = 0n;
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) throw new ProtobufError('a varint is cut off');
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value, next: from + i + 1 };
  }
  throw new ProtobufError('a varint has more than ten bytes');
}
