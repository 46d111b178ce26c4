/**
 * The smallest RDB that every supported server loads: a dataset without keys.
 *
 * Magic and version 9, readable by everything from Redis 5 on (`facts/engine.md` §6.8); the
 * end-of-file opcode; eight zero bytes, which mean that no checksum was computed.
 */
export function emptyRdb(): Uint8Array {
  return Buffer.concat([Buffer.from('REDIS0009'), Buffer.from([0xff]), Buffer.alloc(8)]);
}
