/**
 * Sockets that read into one buffer of their owner instead of a new one for each read.
 *
 * Node makes room of 64 KiB for every read of a stream, and gives back what was not filled: for a
 * lone request of 40 bytes that is a third of all that reading it costs, and thousands of them a
 * second make V8 look through its whole heap several times a second (docs/PERFORMANCE.md). The
 * `onread` option of a socket avoids that, but Node takes it only where a connection is dialled. So
 * an accepted connection's handle goes to a second socket that has it. Where a version of Node lets
 * nobody do that, the accepted socket is used as it is.
 */
import { connect, type NetConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { asBuffer } from '../core/bytes.ts';

/** What one read takes at most, as much as Node itself reads at once. */
const READ_BYTES_MAX = 64 * 1024;

interface Handle {
  useUserBuffer?: unknown;
}

type Handled = { _handle: Handle | null };

/**
 * Makes sockets that share one buffer.
 *
 * They emit `data` with copies, which may be kept. Who listens for `view` too is given the bytes
 * where they lie instead, valid during the call; `data` remains for sockets of another make.
 */
export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES_MAX);

  dial(options: NetConnectOpts, onConnect?: () => void): Socket {
    const socket: Socket = connect({ ...options, onread: this.#onRead(() => socket) }, onConnect);
    return socket;
  }

  /** The socket to use from here on. `accepted` is spent, unless it is the one. */
  adopt(accepted: Socket): Socket {
    const from = accepted as unknown as Handled;
    const handle = from._handle;
    if (typeof handle?.useUserBuffer !== 'function') return accepted;
    from._handle = null;
    // Its listener would count it as open for ever.
    accepted.destroy();
    const options = { handle, allowHalfOpen: true, onread: this.#onRead(() => socket) };
    const socket = new Socket(options as unknown as SocketConstructorOpts);
    return socket;
  }

  #onRead(socketOf: () => Socket) {
    return {
      buffer: this.#buffer,
      callback: (bytes: number, buffer: Uint8Array): boolean => {
        const socket = socketOf();
        const view = asBuffer(buffer.subarray(0, bytes));
        // As a stream does with what somebody waits for; the rest of it is for those who do not.
        const isAwaited = socket.readableFlowing === true && socket.readableLength === 0;
        if (isAwaited && socket.emit('view', view)) return true;
        const own = Buffer.allocUnsafe(bytes);
        own.set(view);
        if (!isAwaited) return socket.push(own);
        socket.emit('data', own);
        return true;
      },
    };
  }
}
