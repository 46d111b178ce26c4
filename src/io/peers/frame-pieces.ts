/**
 * Large frames in pieces, so that a heartbeat never waits behind 64 MiB. Pure.
 *
 * Two lanes. The urgent one goes first; the bulk one is sent piece by piece, one frame after the
 * other, so a piece needs no number: `begin` tells the kind and size of the frame, pieces follow.
 */
import { assert } from '../../assert.ts';
import { FRAME_KIND, type Frame } from './codec.ts';
import { FRAME_HEADER_BYTES, frameHeader, type OnFrame, ProtocolError } from './frame-reader.ts';

/** A heartbeat waits for one of these at most: 2 ms at 1 Gbit/s. */
export const PIECE_BYTES = 256 * 1024;
/** What may stand in one frame on the wire once the peer is known. Larger ones come in pieces. */
export const WIRE_FRAME_BYTES_MAX = PIECE_BYTES + 1024;
/** A value of a server has at most 512 MiB; the rest is for the commands around it. */
export const FRAME_BYTES_MAX = 576 * 1024 * 1024;
const BEGIN_BYTES = 5;
/** Below this, copying into one buffer is cheaper than one more element of a gathered write. */
const GATHER_BYTES_MIN = 2048;

export type Lane = 'urgent' | 'bulk';

export interface FrameQueueLimits {
  /** A lane takes one more frame while it holds less than this; so at most this and one frame. */
  readonly bulkBytesMax: number;
  readonly urgentBytesMax: number;
}

/** First in, first out, without moving the rest for each one taken. */
class Line {
  #frames: (Frame | undefined)[] = [];
  #head = 0;
  bytes = 0;

  get first(): Frame | undefined {
    return this.#frames[this.#head];
  }

  add(frame: Frame): void {
    this.#frames.push(frame);
    this.bytes += frame.bytes + FRAME_HEADER_BYTES;
  }

  take(): void {
    const frame = this.#frames[this.#head];
    assert(frame !== undefined, 'only a frame that is there is taken');
    this.bytes -= frame.bytes + FRAME_HEADER_BYTES;
    this.#frames[this.#head] = undefined;
    this.#head += 1;
    if (this.#head * 2 < this.#frames.length) return;
    this.#frames.splice(0, this.#head);
    this.#head = 0;
  }
}

export class FrameQueue {
  readonly #limits: FrameQueueLimits;
  readonly #urgent = new Line();
  readonly #bulk = new Line();
  /** Where the first bulk frame is cut next; zeroes while none of it was sent. */
  #part = 0;
  #partAt = 0;
  #sentBytes = 0;

  constructor(limits: FrameQueueLimits) {
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#urgent.bytes + this.#bulk.bytes - this.#sentBytes;
  }

  get isBulkEmpty(): boolean {
    return this.#bulk.first === undefined;
  }

  /** False when the lane is full: the frame is dropped. */
  offer(frame: Frame, lane: Lane): boolean {
    assert(frame.bytes <= FRAME_BYTES_MAX, 'a frame fits what the other side accepts');
    assert(lane === 'bulk' || frame.bytes <= PIECE_BYTES, 'what is urgent is small');
    const line = lane === 'urgent' ? this.#urgent : this.#bulk;
    const { urgentBytesMax, bulkBytesMax } = this.#limits;
    if (line.bytes >= (lane === 'urgent' ? urgentBytesMax : bulkBytesMax)) return false;
    line.add(frame);
    return true;
  }

  /** The next bytes for the wire: one frame, or one piece of one; null when all is sent. */
  next(): readonly Uint8Array[] | null {
    const urgent = this.#urgent.first;
    if (urgent !== undefined) {
      this.#urgent.take();
      return whole(urgent);
    }
    const bulk = this.#bulk.first;
    if (bulk === undefined) return null;
    if (bulk.bytes > PIECE_BYTES) return this.#nextPiece(bulk);
    this.#bulk.take();
    return whole(bulk);
  }

  #nextPiece(frame: Frame): readonly Uint8Array[] {
    const out: Uint8Array[] = [];
    if (this.#sentBytes === 0) {
      const begin = Buffer.alloc(BEGIN_BYTES);
      begin.writeUInt8(frame.kind, 0);
      begin.writeUInt32BE(frame.bytes, 1);
      out.push(frameHeader(FRAME_KIND.begin, BEGIN_BYTES), begin);
    }
    let room = Math.min(PIECE_BYTES, frame.bytes - this.#sentBytes);
    this.#sentBytes += room;
    out.push(frameHeader(FRAME_KIND.piece, room));
    while (room > 0) {
      const part = frame.parts[this.#part];
      assert(part !== undefined, 'a frame has as many bytes as its parts');
      const view = part.subarray(this.#partAt, this.#partAt + room);
      if (view.length > 0) out.push(view);
      room -= view.length;
      this.#partAt += view.length;
      if (this.#partAt < part.length) continue;
      this.#part += 1;
      this.#partAt = 0;
    }
    if (this.#sentBytes === frame.bytes) {
      this.#bulk.take();
      this.#part = 0;
      this.#partAt = 0;
      this.#sentBytes = 0;
    }
    return out;
  }
}

function whole(frame: Frame): readonly Uint8Array[] {
  const header = frameHeader(frame.kind, frame.bytes);
  if (frame.bytes > GATHER_BYTES_MIN) return [header, ...frame.parts];
  return [Buffer.concat([header, ...frame.parts], FRAME_HEADER_BYTES + frame.bytes)];
}

/** Puts pieces together again; everything else passes. Each byte is copied once. */
export class FrameAssembly {
  readonly #onFrame: OnFrame;
  #kind = 0;
  #body: Buffer | null = null;
  #have = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  take(kind: number, body: Buffer, isOwn: boolean): void {
    if (kind === FRAME_KIND.begin) {
      this.#begin(body);
    } else if (kind === FRAME_KIND.piece) {
      this.#add(body);
    } else {
      this.#onFrame(kind, body, isOwn);
    }
  }

  #begin(body: Buffer): void {
    if (this.#body !== null) throw new ProtocolError('a frame begins inside another');
    if (body.length !== BEGIN_BYTES) throw new ProtocolError('a malformed begin');
    const bytes = body.readUInt32BE(1);
    if (bytes <= PIECE_BYTES || bytes > FRAME_BYTES_MAX)
      throw new ProtocolError(`a frame of ${bytes} bytes in pieces`);
    this.#kind = body.readUInt8(0);
    // Filled completely before anybody sees it.
    this.#body = Buffer.allocUnsafeSlow(bytes);
    this.#have = 0;
  }

  #add(piece: Buffer): void {
    const body = this.#body;
    if (body === null) throw new ProtocolError('a piece of nothing');
    if (piece.length === 0 || piece.length > body.length - this.#have)
      throw new ProtocolError('a piece that does not fit');
    this.#have += piece.copy(body, this.#have);
    if (this.#have < body.length) return;
    this.#body = null;
    this.#onFrame(this.#kind, body, true);
  }
}
