/**
 * The Sentinel door: clients that know Sentinel find the primary at any node, and are told when it
 * is another one. What it says comes from `View.topology` alone.
 *
 * It is bound by the configuration's rules: off loopback only with a client password.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { CommandNames } from '../../core/resp/command-names.ts';
import { encodeReply, failure } from '../../core/resp/reply-value.ts';
import type { Orders } from '../orders.ts';
import type { View } from '../view.ts';
import { Caller } from './caller.ts';
import type { Desk } from './commands.ts';
import type { DoorStats } from './info-text.ts';
import { Session } from './session.ts';
import { Watch } from './watch.ts';

/** Every process of a large installation that subscribes at one node, with room. */
const CONNECTIONS_MAX = 10_000;
/** A subscriber hears of a change so much later at most: far below a client's own patience. */
const LOOK_MS = 50;
/** Subscribers are silent for months; routers in between forget them otherwise. */
const KEEP_ALIVE_MS = 60_000;

export interface SentinelDoorOptions {
  readonly view: Pick<View, 'topology'>;
  readonly orders: Pick<Orders, 'switchover'>;
  readonly host: string;
  readonly port: number;
  /** A name for the primary beside the deployment's own; null: none. */
  readonly alias: string | null;
  /** Of the clients; null: there is none. */
  readonly password: string | null;
  readonly nowMs: () => number;
  readonly journal: {
    info(event: string, facts?: object): void;
    warn(event: string, facts?: object): void;
  };
}

export class SentinelDoorError extends Error {
  override readonly name = 'SentinelDoorError';
  readonly code: 'PORT_BUSY' | 'LISTEN_FAILED';

  constructor(code: SentinelDoorError['code'], detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
  }
}

export class SentinelDoor {
  readonly #o: SentinelDoorOptions;
  readonly #watch: Watch;
  readonly #desk: Desk;
  readonly #names = new CommandNames();
  readonly #server: Server;
  readonly #sessions = new Map<Caller, Session>();
  readonly #sinceMs: number;
  #timer: NodeJS.Timeout | null = null;
  #connections = 0;
  #rejected = 0;
  #commands = 0;

  constructor(options: SentinelDoorOptions) {
    this.#o = options;
    this.#sinceMs = options.nowMs();
    const namesOf = ({ name }: { readonly name: string }) => [
      ...new Set([name, ...(options.alias === null ? [] : [options.alias])]),
    ];
    this.#watch = new Watch({
      topology: () => options.view.topology(),
      nowMs: options.nowMs,
      namesOf,
      announce: (each) => {
        for (const session of this.#sessions.values()) session.announce(each);
      },
    });
    this.#desk = {
      scene: () => this.#watch.look(),
      names: ({ topology }) => namesOf(topology),
      orders: options.orders,
      isSwitching: false,
      password: options.password,
      stats: () => this.stats(),
      callers: () => this.#sessions.keys(),
      nowMs: options.nowMs,
    };
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (socket) => this.#admit(socket),
    );
  }

  /** The port it listens on, which differs from the one given when that was 0. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#o.port;
  }

  async start(): Promise<void> {
    const { host, port, journal } = this.#o;
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const isBusy = error.code === 'EADDRINUSE';
        const detail = isBusy
          ? `Sentinel port ${place} is taken by another program`
          : `cannot listen on Sentinel port ${place} (${error.code})`;
        const code = isBusy ? 'PORT_BUSY' : 'LISTEN_FAILED';
        reject(new SentinelDoorError(code, detail, { cause: error }));
      });
      this.#server.listen({ host, port }, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) => journal.warn('sentinel.acceptFailed', { error }));
    this.#watch.look();
    this.#timer = setInterval(() => this.#watch.look(), LOOK_MS);
    journal.info('sentinel.listening', { host, port: this.port });
  }

  /** Closes every connection. May be called twice. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    const { listening } = this.#server;
    const closed = new Promise<void>((resolve) => {
      if (listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const session of this.#sessions.values()) session.close();
    await closed;
  }

  /** Looks at once: subscribers hear of what has changed. */
  look(): void {
    this.#watch.look();
  }

  stats(): DoorStats {
    const callers = [...this.#sessions.keys()];
    return {
      clients: callers.length,
      connectionsTotal: this.#connections,
      rejectedTotal: this.#rejected,
      commandsTotal: this.#commands,
      channels: new Set(callers.flatMap(({ channels }) => [...channels])).size,
      patterns: new Set(callers.flatMap(({ patterns }) => [...patterns])).size,
      uptimeMs: this.#o.nowMs() - this.#sinceMs,
      clientsMax: CONNECTIONS_MAX,
    };
  }

  #admit(socket: Socket): void {
    if (this.#sessions.size >= CONNECTIONS_MAX) {
      this.#rejected += 1;
      socket.on('error', () => undefined);
      socket.end(encodeReply(failure('ERR max number of clients reached'), 2), () =>
        socket.destroy(),
      );
      return;
    }
    const { journal, nowMs } = this.#o;
    this.#connections += 1;
    const caller = new Caller({
      id: this.#connections,
      remote: `${socket.remoteAddress}:${socket.remotePort}`,
      local: `${socket.localAddress}:${socket.localPort}`,
      nowMs: nowMs(),
    });
    const session = new Session({
      socket,
      caller,
      desk: this.#desk,
      names: this.#names,
      answered: () => {
        this.#commands += 1;
      },
      tooSlow: () => journal.warn('sentinel.subscriberTooSlow', { client: caller.remote }),
    });
    this.#sessions.set(caller, session);
    socket.on('close', () => this.#sessions.delete(caller));
  }
}
