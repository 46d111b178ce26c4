/**
 * A client's socket that reads into one buffer of its listener instead of a new one for each read.
 *
 * Node makes room of 64 KiB for every read of a stream, and gives back what was not filled: for a
 * lone request of 40 bytes that is a third of all that reading it costs (docs/PERFORMANCE.md). The
 * `onread` option of a socket avoids that, but Node takes it only where a connection is dialled. So
 * an accepted connection's handle goes to a second socket that has it. Where a version of Node lets
 * nobody do that, the accepted socket is used as it is.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

/** What one read takes at most, as much as Node itself reads at once. */
const READ_BYTES_MAX = 64 * 1024;

interface Handle {
  useUserBuffer?: unknown;
}

type Handled = { _handle: Handle | null };

/** Makes sockets that share one buffer; they emit `data` with copies that may be kept. */
export class ReadBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES_MAX);

  /** The socket to use from here on. `accepted` is spent, unless it is the one. */
  adopt(accepted: Socket): Socket {
    const from = accepted as unknown as Handled;
    const handle = from._handle;
    if (typeof handle?.useUserBuffer !== 'function') return accepted;
    from._handle = null;
    const options = {
      handle,
      allowHalfOpen: true,
      onread: {
        buffer: this.#buffer,
        callback: (bytes: number, buffer: Uint8Array) => {
          client.emit('data', Buffer.from(buffer.subarray(0, bytes)));
          return true;
        },
      },
    };
    const client = new Socket(options as unknown as SocketConstructorOpts);
    return client;
  }
}
