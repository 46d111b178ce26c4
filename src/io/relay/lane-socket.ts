/** The connection of a lane, as a socket. */
import type { Socket } from 'node:net';
import type { LaneWire, LaneWireEvents } from '../../core/lanes/ports.ts';

/** Small requests are copied into one: cheaper than handing the kernel a list of them. */
const COPY_BYTES_MAX = 128 * 1024;

export class LaneSocket implements LaneWire {
  readonly #socket: Socket;

  constructor(socket: Socket, events: LaneWireEvents) {
    this.#socket = socket;
    const begin = (): void => events.onConnect();
    if (socket.connecting) socket.once('connect', begin);
    else process.nextTick(begin);
    // Each way of ending, an error among them, is followed by 'close'.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => events.onBytes(chunk));
    socket.on('drain', () => events.onDrain());
    socket.on('close', () => events.onEnd());
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(pieces: readonly Buffer[]): void {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    if (bytes <= COPY_BYTES_MAX) {
      this.#socket.write(Buffer.concat(pieces, bytes));
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  setReading(isReading: boolean): void {
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
