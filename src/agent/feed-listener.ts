/**
 * Where this node's own server finds its primary: a loopback port that plays one, with a password
 * that only this server knows. One connection at a time: a newer one replaces the older.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { AsPrimary } from '../core/psync/as-primary.ts';
import type { ReplOffset } from '../core/scalars.ts';
import type { FeedWire } from './strong/ports.ts';

export interface FeedListenerOptions {
  readonly auth: { readonly user: string; readonly password: string };
  /** The server asks for what follows `offset`; `replid` is empty when it asks for everything. */
  readonly onWanted: (wire: FeedWire, replid: string, offset: ReplOffset) => void;
  readonly onAcknowledged: (offset: ReplOffset) => void;
  /** The server said something. */
  readonly onHeard: () => void;
  readonly onDrained: () => void;
  readonly onGone: () => void;
  readonly onRefused: (why: string) => void;
}

/** Nobody but our server connects here; a handful covers its reconnecting. */
const CONNECTIONS_MAX = 8;

export class FeedListener {
  readonly #options: FeedListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #current: Socket | null = null;

  constructor(options: FeedListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const primary = new AsPrimary({ auth: this.#options.auth });
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#current !== socket) return;
      this.#current = null;
      this.#options.onGone();
    });
    socket.on('drain', () => {
      if (this.#current === socket) this.#options.onDrained();
    });
    socket.on('data', (chunk) => {
      this.#options.onHeard();
      for (const event of primary.push(chunk)) {
        switch (event.kind) {
          case 'send':
            socket.write(event.bytes);
            break;
          case 'wanted':
            this.#becomeCurrent(socket);
            this.#options.onWanted(wireOf(socket, primary), event.replid ?? '', event.offset);
            break;
          case 'acknowledged':
            if (this.#current === socket) this.#options.onAcknowledged(event.offset);
            break;
          case 'failed':
            this.#options.onRefused(event.text);
            socket.destroy();
            break;
        }
      }
    });
  }

  #becomeCurrent(socket: Socket): void {
    const before = this.#current;
    this.#current = socket;
    if (before !== null && before !== socket) before.destroy();
  }
}

function wireOf(socket: Socket, primary: AsPrimary): FeedWire {
  return {
    continue: (replid) => {
      if (!socket.destroyed) socket.write(primary.proceed(replid));
    },
    full: (replid, offset, rdbBytes) => {
      if (!socket.destroyed) socket.write(primary.replace(replid, offset, rdbBytes));
    },
    write: (bytes) => {
      if (socket.destroyed) return true;
      // At the end of this turn, in one write: the leader waits for this node's log, not for this.
      if (socket.writableCorked === 0) {
        socket.cork();
        setImmediate(() => socket.uncork());
      }
      return socket.write(bytes);
    },
    close: () => socket.destroy(),
  };
}
