/**
 * The toy state machine: which value stands at which index, and nothing else.
 *
 * Every proposal carries a value that is used once, so a lost, repeated or changed entry shows.
 * A payload is the value's number in four bytes and a filler that follows from it. The filler is
 * not zero: a flipped bit in a last record that holds a sector of zeros is not to be told from a
 * torn write (`io/storage/recovery.ts`).
 */
import { assert } from '../src/assert.ts';
import type { Entry } from '../src/core/raft/protocol.ts';
import { type LogIndex, logIndex } from '../src/core/scalars.ts';

export const PAYLOAD_MIN = 4;
const ROW_BYTES = 8;

export function payloadOf(value: number, size: number): Uint8Array {
  assert(size >= PAYLOAD_MIN, 'a payload has room for its value');
  const payload = new Uint8Array(size).fill(fillerOf(value));
  new DataView(payload.buffer).setUint32(0, value);
  return payload;
}

function fillerOf(value: number): number {
  return (value & 0x7f) + 1;
}

/** Null when the payload is not one that `payloadOf` makes. */
export function proposedValue(payload: Uint8Array): number | null {
  if (payload.length < PAYLOAD_MIN) return null;
  const value = new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
  for (let at = PAYLOAD_MIN; at < payload.length; at += 1) {
    if (payload[at] !== fillerOf(value)) return null;
  }
  return value;
}

export interface Row {
  readonly index: LogIndex;
  readonly value: number;
}

export class Application {
  #applied: LogIndex = logIndex(0);
  #rows: Row[] = [];

  get applied(): LogIndex {
    return this.#applied;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** The value, or null for a no-op. */
  apply(entry: Entry): number | null {
    assert(entry.index === this.#applied + 1, 'entries are applied one after another');
    this.#applied = entry.index;
    if (entry.payload.length === 0) return null;
    const value = proposedValue(entry.payload);
    assert(value !== null, 'an applied payload is one that a client proposed');
    this.#rows.push({ index: entry.index, value });
    return value;
  }

  /** All rows up to and including the last applied entry. */
  serialise(): Uint8Array {
    const bytes = new Uint8Array(this.#rows.length * ROW_BYTES);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const row of this.#rows) {
      view.setUint32(at, row.index);
      view.setUint32(at + 4, row.value);
      at += ROW_BYTES;
    }
    return bytes;
  }

  restore(bytes: Uint8Array, last: LogIndex): void {
    assert(bytes.length % ROW_BYTES === 0, 'a snapshot holds whole rows');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#rows = [];
    for (let at = 0; at < bytes.length; at += ROW_BYTES) {
      const index = logIndex(view.getUint32(at));
      assert(index <= last, 'a snapshot holds nothing beyond its last entry');
      this.#rows.push({ index, value: view.getUint32(at + 4) });
    }
    this.#applied = last;
  }
}
