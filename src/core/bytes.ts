/** Bytes as a Buffer, and safe integers in them: eight bytes, big-endian, without a bigint. */

const HIGH = 2 ** 32;

export function writeUint64(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / HIGH), at);
  target.writeUInt32BE(value % HIGH, at + 4);
}

/** A value above 2^53 comes back inexact: the caller's checksum or range check refuses it. */
export function readUint64(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * HIGH + source.readUInt32BE(at + 4);
}

/** A Buffer over the same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
