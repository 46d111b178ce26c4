/**
 * The framing between agents: u32 big-endian length of the body, u8 kind, body.
 * Pure: it owns no socket.
 */
import { assert } from '../../assert.ts';

export const FRAME_HEADER_BYTES = 5;
const NOTHING = Buffer.alloc(0);

/** The other side does not speak our protocol: close the connection, trust nothing else of it. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** `isOwn`: the body has a buffer to itself. Otherwise it is a view of received bytes. */
export type OnFrame = (kind: number, body: Buffer, isOwn: boolean) => void;

export function frameHeader(kind: number, bodyBytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(bodyBytes, 0);
  header.writeUInt8(kind, 4);
  return header;
}

/**
 * Cuts a byte stream into frames.
 *
 * Ownership: a body that is a view is valid only during the callback, copy to keep; an own one may
 * be kept, and pins nothing but itself.
 * Cost: every byte is copied at most once, and only bodies that are cut by a chunk's end are.
 * Bound: memory is spent on a body only after its length was checked.
 */
export class FrameReader {
  readonly #onFrame: OnFrame;
  #bodyBytesMax: number;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerHave = 0;
  #body: Buffer | null = null;
  #bodyHave = 0;
  #kind = 0;
  #isStopped = false;

  constructor(bodyBytesMax: number, onFrame: OnFrame) {
    assert(bodyBytesMax > 0, 'a frame limit is not optional');
    this.#bodyBytesMax = bodyBytesMax;
    this.#onFrame = onFrame;
  }

  /** May be called from the callback: no further frame is cut. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Returns what was not cut because of `stop`, otherwise nothing. Throws ProtocolError. */
  push(chunk: Buffer): Buffer {
    let at = 0;
    while (at < chunk.length && !this.#isStopped) {
      at =
        this.#body === null ? this.#takeHeader(chunk, at) : this.#takeBody(chunk, at, this.#body);
    }
    return at === chunk.length ? NOTHING : chunk.subarray(at);
  }

  #takeHeader(chunk: Buffer, from: number): number {
    let at = from;
    let bodyBytes: number;
    if (this.#headerHave === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      bodyBytes = chunk.readUInt32BE(at);
      this.#kind = chunk.readUInt8(at + 4);
      at += FRAME_HEADER_BYTES;
    } else {
      const take = Math.min(FRAME_HEADER_BYTES - this.#headerHave, chunk.length - at);
      chunk.copy(this.#header, this.#headerHave, at, at + take);
      this.#headerHave += take;
      at += take;
      if (this.#headerHave < FRAME_HEADER_BYTES) return at;
      this.#headerHave = 0;
      bodyBytes = this.#header.readUInt32BE(0);
      this.#kind = this.#header.readUInt8(4);
    }
    if (bodyBytes > this.#bodyBytesMax)
      throw new ProtocolError(`a frame of ${bodyBytes} bytes, at most ${this.#bodyBytesMax} fit`);
    if (chunk.length - at >= bodyBytes) {
      this.#onFrame(this.#kind, chunk.subarray(at, at + bodyBytes), false);
      return at + bodyBytes;
    }
    // Filled completely before anybody sees it.
    this.#body = Buffer.allocUnsafeSlow(bodyBytes);
    this.#bodyHave = 0;
    return at;
  }

  #takeBody(chunk: Buffer, at: number, body: Buffer): number {
    const take = Math.min(body.length - this.#bodyHave, chunk.length - at);
    chunk.copy(body, this.#bodyHave, at, at + take);
    this.#bodyHave += take;
    if (this.#bodyHave === body.length) {
      this.#body = null;
      this.#onFrame(this.#kind, body, true);
    }
    return at + take;
  }
}
