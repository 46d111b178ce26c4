/** Accepts peers: a bounded number of strangers, each for a bounded time, then known ones. */
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { type Gate, type Greeted, receivePeer } from './greeting.ts';
import type { Refusal } from './hello.ts';
import { type Address, PeersError, remoteOf, type Transport } from './transport.ts';

export interface ListenerOptions {
  readonly transport: Transport;
  readonly gate: Gate;
  /** Connections that have not said who they are, and for how long they may take. */
  readonly strangersMax: number;
  readonly greetingMsMax: number;
  readonly connectionsMax: number;
  readonly onPeer: (greeted: Greeted & { kind: 'welcome' }) => void;
  readonly onRefused: (address: string, by: 'us' | 'peer', refusal: Refusal) => void;
}

export class Listener {
  readonly #o: ListenerOptions;
  readonly #server: Server;
  /** Raw sockets, also below TLS, also those handed on: closed by `stop`. */
  readonly #sockets = new Set<Socket>();
  /** Time limits by remote address and port, which TLS sockets share with the raw ones. */
  readonly #strangers = new Map<string, NodeJS.Timeout>();

  constructor(options: ListenerOptions) {
    this.#o = options;
    this.#server = options.transport.serve({
      raw: (socket) => this.#takeRaw(socket),
      ready: (socket) => this.#greet(socket),
      failed: (address, refusal) => this.#o.onRefused(address, 'us', refusal),
    });
  }

  async start({ host, port }: Address): Promise<void> {
    this.#server.listen(port, host);
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new PeersError('LISTEN_FAILED', `peers cannot connect: ${why}`, { cause: error });
    }
    // A connection that fails while it is accepted (too many files, say) is that peer's to retry.
    this.#server.on('error', () => undefined);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async stop(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #takeRaw(socket: Socket): boolean {
    const key = remoteOf(socket);
    const { strangersMax, connectionsMax, greetingMsMax } = this.#o;
    const isFull = this.#strangers.size >= strangersMax || this.#sockets.size >= connectionsMax;
    if (isFull || this.#strangers.has(key)) {
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    this.#strangers.set(
      key,
      setTimeout(() => socket.destroy(), greetingMsMax),
    );
    // Told again by `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#forget(key);
    });
    return true;
  }

  #greet(socket: Socket): void {
    const key = remoteOf(socket);
    receivePeer(socket, this.#o.gate, (greeted) => {
      this.#forget(key);
      if (greeted.kind === 'welcome') this.#o.onPeer(greeted);
      if (greeted.kind !== 'refused') return;
      const address = greeted.hello?.peerAddress || socket.remoteAddress || 'unknown';
      this.#o.onRefused(address, greeted.by, greeted.refusal);
    });
  }

  #forget(key: string): void {
    clearTimeout(this.#strangers.get(key));
    this.#strangers.delete(key);
  }
}
