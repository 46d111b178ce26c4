/**
 * One session's connection to the server that executes its commands: the local one, or the
 * leader's behind a pass-through stream.
 *
 * Bytes written before it is connected are a bug of the caller: what was written may have been
 * executed, and only the caller knows what to do then.
 */
import type { Duplex } from 'node:stream';
import type { OwnWire, OwnWireEvents, Route } from '../../core/lanes/ports.ts';
import type { RelayPorts } from './ports.ts';

export class Upstream implements OwnWire {
  readonly route: Route;
  readonly #events: OwnWireEvents;
  #abort: AbortController | null = null;
  #stream: Duplex | null = null;
  #isConnected = false;
  #isOver = false;
  #isReading = true;

  constructor(route: Route, events: OwnWireEvents) {
    this.route = route;
    this.#events = events;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  connect(ports: RelayPorts): void {
    if (this.route.kind === 'open' || this.route.kind === 'follower') {
      const socket = ports.connectServer();
      this.#wire(socket);
      if (socket.connecting) socket.once('connect', () => this.#connected());
      else process.nextTick(() => this.#connected());
    } else if (this.route.kind === 'leader') {
      this.#abort = new AbortController();
      ports.connectLeader(this.route.node, this.#abort.signal).then(
        (stream) => {
          this.#wire(stream);
          if (this.#isOver) stream.destroy();
          else this.#connected();
        },
        () => this.#ended(),
      );
    }
  }

  write(bytes: Buffer): boolean {
    return this.#stream?.write(bytes) ?? true;
  }

  /** Until `uncork` what is written is kept, to go to the kernel in one piece. */
  cork(): void {
    this.#stream?.cork();
  }

  uncork(): void {
    this.#stream?.uncork();
  }

  setReading(isReading: boolean): void {
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    if (isReading) this.#stream?.resume();
    else this.#stream?.pause();
  }

  /** No more requests follow; replies may. */
  finish(): void {
    this.#stream?.end();
  }

  /** No event is reported any more. */
  destroy(): void {
    this.#isOver = true;
    this.#abort?.abort();
    this.#stream?.destroy();
  }

  #wire(stream: Duplex): void {
    this.#stream = stream;
    // Each way of ending, an error among them, is followed by 'close'.
    stream.on('error', () => undefined);
    stream.on('data', (bytes: Buffer) => {
      if (!this.#isOver) this.#events.onReply(bytes);
    });
    stream.on('drain', () => {
      if (!this.#isOver) this.#events.onDrain();
    });
    stream.on('end', () => this.#ended());
    stream.on('close', () => this.#ended());
    if (!this.#isReading) stream.pause();
  }

  #connected(): void {
    if (this.#isOver) return;
    this.#isConnected = true;
    this.#events.onConnect();
  }

  #ended(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.destroy();
    this.#events.onEnd();
  }
}
