/**
 * What the data group's log entries say: the payload codec.
 *
 * An empty payload is Raft's no-op, and kind 3 is Raft's own too: a configuration, which holds no
 * bytes of the stream. Otherwise one kind byte, the stream offset at which the entry
 * begins (8 bytes, big endian), then either a reign's replication id or stream bytes. A data entry
 * holds whole execution units only (design §3.3); it carries its start offset so that bytes which
 * do not begin where the log ends are found out at once (`facts/holes.md` H1).
 */
import { assert } from '../../assert.ts';
import { asBuffer, readUint64, writeUint64 } from '../../core/bytes.ts';
import { decodeConfiguration, isConfigurationPayload } from '../../core/raft/configuration.ts';
import { type ReplOffset, replOffset } from '../../core/scalars.ts';

const KIND_REIGN = 1;
const KIND_DATA = 2;
export const DATA_HEADER_BYTES = 9;
const REPLID_BYTES = 40;

export type StreamEntry =
  | { readonly kind: 'noop' }
  | { readonly kind: 'configuration' }
  /** A new life of the stream: the leader's server got `replid` when it was promoted at `start`. */
  | { readonly kind: 'reign'; readonly start: ReplOffset; readonly replid: string }
  /** `bytes` is a view of the payload. */
  | { readonly kind: 'data'; readonly start: ReplOffset; readonly bytes: Buffer };

export function encodeReign(start: ReplOffset, replid: string): Buffer {
  assert(/^[0-9a-f]{40}$/.test(replid), 'a replication id is 40 hex digits');
  const payload = Buffer.alloc(DATA_HEADER_BYTES + REPLID_BYTES);
  writeHeader(payload, KIND_REIGN, start);
  payload.write(replid, DATA_HEADER_BYTES, 'latin1');
  return payload;
}

/** Copies `pieces` once, into one payload. */
export function encodeData(
  start: ReplOffset,
  pieces: readonly Uint8Array[],
  bytes: number,
): Buffer {
  const payload = Buffer.allocUnsafe(DATA_HEADER_BYTES + bytes);
  writeHeader(payload, KIND_DATA, start);
  let at = DATA_HEADER_BYTES;
  for (const piece of pieces) {
    payload.set(piece, at);
    at += piece.length;
  }
  assert(at === payload.length, 'the pieces of a data entry add up to its size');
  return payload;
}

/** Null when the payload is none of ours: damage that the checksum missed, or a newer format. */
export function decodeEntry(payload: Uint8Array): StreamEntry | null {
  if (payload.length === 0) return { kind: 'noop' };
  if (isConfigurationPayload(payload))
    return decodeConfiguration(payload) === null ? null : { kind: 'configuration' };
  if (payload.length < DATA_HEADER_BYTES) return null;
  const buffer = asBuffer(payload);
  const start = replOffset(readUint64(buffer, 1));
  if (buffer[0] === KIND_DATA)
    return { kind: 'data', start, bytes: buffer.subarray(DATA_HEADER_BYTES) };
  if (buffer[0] === KIND_REIGN && buffer.length === DATA_HEADER_BYTES + REPLID_BYTES)
    return { kind: 'reign', start, replid: buffer.toString('latin1', DATA_HEADER_BYTES) };
  return null;
}

function writeHeader(payload: Buffer, kind: number, start: ReplOffset): void {
  payload[0] = kind;
  writeUint64(payload, start, 1);
}
