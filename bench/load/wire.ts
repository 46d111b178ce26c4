/** A connection to a target as the generator sees it: batches out, answers in. */
import type { ReplyKind } from './reply-counter.ts';

/** The requests of one write; reused, since a connection has one batch at a time. */
export interface Batch {
  readonly keys: Uint32Array;
  readonly isRead: Uint8Array;
  count: number;
}

export interface Wire {
  /** Resolves once requests can be sent. */
  open(): Promise<void>;
  send(batch: Batch): void;
  /** Of the first refusal; empty while there was none. */
  readonly firstRefusal: string;
  close(): void;
}

export interface WireEvents {
  /** `place` is the request's in its batch. */
  answered(place: number, kind: ReplyKind): void;
  failed(error: Error): void;
}

/** As redis-benchmark writes them, so that both generators use the same keys. */
export const KEY_PREFIX = 'key:';
export const KEY_DIGITS = 12;

export function keyOf(n: number): Buffer {
  return Buffer.from(KEY_PREFIX + String(n).padStart(KEY_DIGITS, '0'), 'latin1');
}

/** Writes the digits of `n` that end before `end`, over zeros or older digits. */
export function patchDigits(bytes: Buffer, end: number, n: number): void {
  let rest = n;
  for (let at = end - 1; at >= end - KEY_DIGITS; at--) {
    bytes[at] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
