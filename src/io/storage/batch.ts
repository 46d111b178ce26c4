/** What the next write holds: as many waiting records as fit the segment, in order. */
import type { Entry } from '../../core/raft/protocol.ts';
import {
  CUT_RECORD,
  ENTRY_RECORD,
  isReferenced,
  type LogRecord,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from './segment.ts';
import type { RecordsRequest, Request } from './segmented-log.ts';

/**
 * A write of more pieces than the kernel takes at once (1024) would become several, and a power
 * cut between them could tear a record inside a sector. Each large payload makes two pieces.
 */
const REFERENCED_MAX = 500;
const NO_PAYLOAD = new Uint8Array(0);

export interface Batch {
  /** The first record does not fit the segment: make a new one and take again. */
  readonly needsNewSegment: boolean;
  readonly records: readonly LogRecord[];
  /** Of each record, in the file. */
  readonly positions: readonly number[];
  readonly bytes: number;
  readonly lastEntry: Entry | null;
  /** How many requests at the head of the queue this batch completes. */
  readonly finished: number;
}

/** Marks what it takes as written in the requests. */
export function takeBatch(
  queue: readonly Request[],
  segmentSize: number,
  segmentBytes: number,
): Batch {
  const taker = new Taker(segmentSize, segmentBytes);
  for (const request of queue) {
    if (request.kind !== 'records' || !taker.take(request)) break;
  }
  return taker.batch();
}

class Taker {
  readonly #segmentSize: number;
  readonly #segmentBytes: number;
  readonly #records: LogRecord[] = [];
  readonly #positions: number[] = [];
  #at: number;
  #referenced = 0;
  #lastEntry: Entry | null = null;
  #finished = 0;
  #needsNewSegment = false;

  constructor(segmentSize: number, segmentBytes: number) {
    this.#segmentSize = segmentSize;
    this.#segmentBytes = segmentBytes;
    this.#at = segmentSize;
  }

  /** False when something of the request has to wait for the next batch. */
  take(request: RecordsRequest): boolean {
    if (request.cut !== null) {
      if (!this.#add({ kind: CUT_RECORD, ...request.cut, payload: NO_PAYLOAD })) return false;
      request.cut = null;
    }
    for (;;) {
      const entry = request.entries[request.written];
      if (entry === undefined) break;
      const { index, term, payload } = entry;
      if (!this.#add({ kind: ENTRY_RECORD, index, term, payload })) return false;
      request.written += 1;
      this.#lastEntry = entry;
    }
    this.#finished += 1;
    return true;
  }

  batch(): Batch {
    return {
      needsNewSegment: this.#needsNewSegment,
      records: this.#records,
      positions: this.#positions,
      bytes: this.#at - this.#segmentSize,
      lastEntry: this.#lastEntry,
      finished: this.#finished,
    };
  }

  /** A record larger than a segment gets one of its own. */
  #add(record: LogRecord): boolean {
    const bytes = recordBytes(record.payload.length);
    const isFirst = this.#records.length === 0;
    const isOwnSegment = isFirst && this.#segmentSize === SEGMENT_HEADER_BYTES;
    if (!isOwnSegment && this.#at + bytes > this.#segmentBytes) {
      this.#needsNewSegment = isFirst && this.#finished === 0;
      return false;
    }
    if (isReferenced(record.payload.length)) {
      if (this.#referenced === REFERENCED_MAX) return false;
      this.#referenced += 1;
    }
    this.#records.push(record);
    this.#positions.push(this.#at);
    this.#at += bytes;
    return true;
  }
}
