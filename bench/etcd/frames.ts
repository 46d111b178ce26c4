/**
 * HTTP/2 frames (RFC 9113, section 4) and the one header block that a gRPC client sends (RFC 7541:
 * static table and literals without indexing, so neither side keeps state for it).
 *
 * Replies' headers are not read at all: a unary call that succeeded has exactly one message, and
 * one that failed has none (gRPC over HTTP/2, "Responses").
 */

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Both sides' default, which nobody here changes. */
export const FRAME_BYTES_MAX = 16_384;
export const HEAD_BYTES = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frameHead(length: number, type: number, flags: number, stream: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  return Buffer.concat([frameHead(payload.length, type, flags, stream), payload]);
}

export function settings(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * values.length);
  for (const [i, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes, 0);
  return frame(FRAME.windowUpdate, 0, stream, payload);
}

/** Indices are those of the static table, RFC 7541 appendix A. */
export function headerBlock(path: string, authority: string): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]),
    text(path),
    Buffer.from([0x01]),
    text(authority),
    Buffer.from([0x0f, 0x10]),
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
}

/** A gRPC message: not compressed, its length, itself. */
export function grpcMessage(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Cuts bytes into frames. A payload is valid only during the call. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer, onFrame: (frame: Frame) => void): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (all.length - at >= HEAD_BYTES) {
      const length = all.readUIntBE(at, 3);
      if (length > FRAME_BYTES_MAX) throw new FrameError(`a frame of ${length} bytes`);
      const end = at + HEAD_BYTES + length;
      if (end > all.length) break;
      onFrame({
        type: all[at + 3] ?? 0,
        flags: all[at + 4] ?? 0,
        stream: all.readUInt32BE(at + 5) & 0x7fffffff,
        payload: all.subarray(at + HEAD_BYTES, end),
      });
      at = end;
    }
    this.#rest = all.subarray(at);
  }
}
