/**
 * One HTTP/2 connection in clear text with unary gRPC calls on it, cheap enough to generate load.
 *
 * Both directions' flow control is kept (RFC 9113, section 5.2): what the peer's windows do not
 * allow waits; our own windows are opened as wide as they go, and the connection's is topped up.
 */
import { createConnection, type Socket } from 'node:net';
import {
  FLAG,
  FRAME,
  FRAME_BYTES_MAX,
  type Frame,
  FrameReader,
  frame,
  frameHead,
  grpcMessage,
  headerBlock,
  PREFACE,
  settings,
  windowUpdate,
} from './frames.ts';

const WINDOW_DEFAULT = 65_535;
const WINDOW_MAX = 2 ** 31 - 1;
/** The connection's window is topped up when this part of it is used up. */
const TOP_UP_SHARE = 1 / 8;
const SETTING = { headerTableSize: 1, enablePush: 2, initialWindow: 4 } as const;
const GRPC_HEAD_BYTES = 5;

/** `message` is empty unless the call asked for it; null: the call failed. */
export type Answered = (message: Buffer | null, bytes: number) => void;

interface Call {
  readonly body: Buffer;
  readonly answered: Answered;
  readonly pieces: Buffer[] | null;
  sentBytes: number;
  window: number;
  receivedBytes: number;
}

export class GrpcConnection {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #calls = new Map<number, Call>();
  readonly #authority: string;
  readonly #heads = new Map<string, Buffer>();
  readonly #topUpBytes: number;
  #stream = 1;
  #window = WINDOW_DEFAULT;
  #streamWindow = WINDOW_DEFAULT;
  #receivedBytes = 0;
  /** Streams whose message is not out yet, in the order of their calls. */
  #waiting: number[] = [];
  #failure: Error | null = null;

  /** `windowBytes` is what the peer may send ahead, per stream and in all; 65535 at least. */
  constructor(port: number, onFailed: (error: Error) => void, windowBytes = WINDOW_MAX) {
    this.#topUpBytes = windowBytes * TOP_UP_SHARE;
    this.#authority = `127.0.0.1:${port}`;
    this.#socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
    const fail = (error: Error): void => {
      if (this.#failure !== null) return;
      this.#failure = error;
      this.#socket.destroy();
      onFailed(error);
    };
    this.#socket.on('error', fail);
    this.#socket.on('close', () => fail(new Error('the connection was closed')));
    this.#socket.on('data', (bytes) => {
      try {
        this.#reader.take(bytes, (each) => this.#take(each));
      } catch (error) {
        fail(error as Error);
      }
    });
    this.#socket.write(PREFACE);
    const own = [
      [SETTING.headerTableSize, 0],
      [SETTING.enablePush, 0],
      [SETTING.initialWindow, windowBytes],
    ] as const;
    this.#socket.write(settings(own));
    // An update by nothing is an error.
    if (windowBytes > WINDOW_DEFAULT)
      this.#socket.write(windowUpdate(0, windowBytes - WINDOW_DEFAULT));
  }

  /** Calls between the two leave in one write. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  call(path: string, message: Buffer, keepAnswer: boolean, answered: Answered): void {
    const stream = this.#stream;
    this.#stream += 2;
    this.#socket.write(this.#headers(path, stream));
    this.#calls.set(stream, {
      body: grpcMessage(message),
      answered,
      pieces: keepAnswer ? [] : null,
      sentBytes: 0,
      window: this.#streamWindow,
      receivedBytes: 0,
    });
    this.#waiting.push(stream);
    this.#pump();
  }

  close(): void {
    this.#failure ??= new Error('closed');
    this.#socket.destroy();
  }

  #headers(path: string, stream: number): Buffer {
    let block = this.#heads.get(path);
    if (block === undefined) {
      block = headerBlock(path, this.#authority);
      this.#heads.set(path, block);
    }
    return frame(FRAME.headers, FLAG.endHeaders, stream, block);
  }

  /** Sends what the windows allow; a stream that is out of window does not hold up the next. */
  #pump(): void {
    const blocked: number[] = [];
    for (const stream of this.#waiting) {
      const call = this.#calls.get(stream);
      if (call !== undefined && !this.#sendBody(stream, call)) blocked.push(stream);
    }
    this.#waiting = blocked;
  }

  /** True when the whole message is out. */
  #sendBody(stream: number, call: Call): boolean {
    const { body } = call;
    while (call.sentBytes < body.length) {
      const left = body.length - call.sentBytes;
      const size = Math.min(left, FRAME_BYTES_MAX, this.#window, call.window);
      if (size <= 0) return false;
      const flags = size === left ? FLAG.endStream : 0;
      this.#socket.write(frameHead(size, FRAME.data, flags, stream));
      this.#socket.write(body.subarray(call.sentBytes, call.sentBytes + size));
      call.sentBytes += size;
      call.window -= size;
      this.#window -= size;
    }
    return true;
  }

  #take({ type, flags, stream, payload }: Frame): void {
    switch (type) {
      case FRAME.data:
        this.#takeData(stream, payload);
        if (flags & FLAG.endStream) this.#end(stream);
        return;
      case FRAME.headers:
        if (flags & FLAG.endStream) this.#end(stream);
        return;
      case FRAME.reset:
        this.#end(stream, true);
        return;
      case FRAME.settings:
        if (!(flags & FLAG.ack)) this.#takeSettings(payload);
        return;
      case FRAME.ping:
        if (!(flags & FLAG.ack)) this.#socket.write(frame(FRAME.ping, FLAG.ack, 0, payload));
        return;
      case FRAME.windowUpdate:
        this.#widen(stream, payload.readUInt32BE(0) & 0x7fffffff);
        return;
      case FRAME.goAway:
        throw new Error(`the server ends the connection, code ${payload.readUInt32BE(4)}`);
      default:
        // Continuations and what later versions add say nothing that is used here.
        return;
    }
  }

  #takeData(stream: number, payload: Buffer): void {
    this.#receivedBytes += payload.length;
    if (this.#receivedBytes >= this.#topUpBytes) {
      this.#socket.write(windowUpdate(0, this.#receivedBytes));
      this.#receivedBytes = 0;
    }
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    call.receivedBytes += payload.length;
    // The payload is gone when this call returns.
    call.pieces?.push(Buffer.from(payload));
  }

  #takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== SETTING.initialWindow) continue;
      const window = payload.readUInt32BE(at + 2);
      // It counts for the streams that are open, too (RFC 9113, section 6.9.2).
      for (const call of this.#calls.values()) call.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#socket.write(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
    this.#pump();
  }

  #widen(stream: number, bytes: number): void {
    const call = this.#calls.get(stream);
    if (stream === 0) this.#window += bytes;
    else if (call !== undefined) call.window += bytes;
    if (this.#waiting.length > 0) this.#pump();
  }

  #end(stream: number, isReset = false): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    const bytes = call.receivedBytes - GRPC_HEAD_BYTES;
    if (isReset || bytes < 0) call.answered(null, 0);
    else call.answered(Buffer.concat(call.pieces ?? []).subarray(GRPC_HEAD_BYTES), bytes);
  }
}

/** One call on a connection of its own. */
export function callOnce(
  port: number,
  path: string,
  message: Buffer,
  patienceMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const connection = new GrpcConnection(port, (error) => finish(() => reject(error)));
    const limit = setTimeout(() => finish(() => reject(new Error('no answer'))), patienceMs);
    const finish = (tell: () => void): void => {
      clearTimeout(limit);
      connection.close();
      tell();
    };
    connection.call(path, message, true, (answer) =>
      finish(() => (answer === null ? reject(new Error('refused')) : resolve(answer))),
    );
  });
}
