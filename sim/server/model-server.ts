/**
 * A small model of redis-server and valkey-server for the simulator: bytes in, bytes out, at once.
 *
 * It is one process: a restart is a new `ModelServer`. Time, chance and the connection to its
 * primary come from outside; when what it says arrives is the world's business. What it does is
 * held to the real servers by `test/contracts/server.ts`.
 */
import { ADMIN_COMMANDS } from './admin-commands.ts';
import { Client, type ClientEnds } from './client.ts';
import { Engine, type Unit } from './engine.ts';
import { FLAVORS, type FlavorName } from './flavor.ts';
import { LIST_COMMANDS } from './list-commands.ts';
import { type Dial, PrimaryLink } from './primary-link.ts';
import { Replicas } from './replicas.ts';
import { SESSION_COMMANDS } from './session-commands.ts';
import { SET_HASH_COMMANDS } from './set-hash-commands.ts';
import { Settings } from './settings.ts';
import { STRING_COMMANDS } from './string-commands.ts';

export interface ModelServerOptions {
  readonly flavor: FlavorName;
  /** A new uint32 each time. */
  readonly entropy: () => number;
  /** The wall clock: expiry, lags and pauses are counted with it. */
  readonly nowMs: () => number;
  /** Connects to a primary. `onClosed` also says that nobody was there. */
  readonly dial: Dial;
  /** Whom it follows from its start; null: it is a primary. */
  readonly feed: { readonly port: number; readonly user: string; readonly password: string } | null;
  /** The agent's own user. */
  readonly agent: { readonly user: string; readonly password: string };
  /** Of everybody else; null: none is asked for. */
  readonly clientPassword: string | null;
  /** Instead of the agent's usual ones, by the names of the configuration file. */
  readonly settings?: Readonly<Record<string, string>>;
  /** After every execution unit: a primary's when it is in the stream, a replica's when applied. */
  readonly onExecuted?: (unit: Unit) => void;
  /** A full sync has replaced all data, and the stream begins behind `offset`. */
  readonly onLoaded?: (offset: number) => void;
  /** It ended itself: its connections are closed by then. */
  readonly onExit?: (why: string) => void;
}

/** A connection to the server, as who made it sees it. */
export interface ModelConnection {
  /** Executed before it returns, and answered through `onBytes`. */
  write(bytes: Buffer): void;
  /** Nothing comes back after this. */
  close(): void;
}

const COMMANDS = new Map(
  [
    ...STRING_COMMANDS,
    ...LIST_COMMANDS,
    ...SET_HASH_COMMANDS,
    ...SESSION_COMMANDS,
    ...ADMIN_COMMANDS,
  ].map((each) => [each.name, each]),
);

/** Of the replication cron. */
const SECOND_MS = 1000;

export class ModelServer {
  readonly #options: ModelServerOptions;
  readonly #engine: Engine;
  readonly #work: (() => void)[] = [];
  #isRunning = false;
  #isOver = false;
  #lastClient = 2;
  #secondAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ModelServerOptions) {
    this.#options = options;
    const { feed } = options;
    const login = feed === null ? {} : { masteruser: feed.user, masterauth: feed.password };
    const engine = new Engine({
      flavor: FLAVORS[options.flavor],
      entropy: options.entropy,
      nowMs: options.nowMs,
      settings: new Settings({ ...login, ...options.settings }),
      commands: COMMANDS,
      onExecuted: options.onExecuted ?? null,
      onLoaded: options.onLoaded ?? null,
    });
    engine.users = new Map<string, string | null>([
      ['default', options.clientPassword],
      [options.agent.user, options.agent.password],
    ]);
    engine.replicas = new Replicas(engine);
    engine.link = new PrimaryLink(engine, (port, onBytes, onClosed) =>
      options.dial(
        port,
        (bytes) => this.#run(() => onBytes(bytes)),
        () => this.#run(onClosed),
      ),
    );
    this.#engine = engine;
    if (feed !== null) engine.link.startWith(feed.port);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes of the replication stream that it has made or executed. */
  get offset(): number {
    return this.#engine.stream.offset;
  }

  get replid(): string {
    return this.#engine.stream.replid;
  }

  get role(): 'primary' | 'replica' {
    return this.#engine.link.isOn ? 'replica' : 'primary';
  }

  /** A replica whose stream runs. */
  get isConnected(): boolean {
    return this.#engine.link.isConnected;
  }

  get unexpectedErrors(): number {
    return this.#engine.unexpectedErrors;
  }

  /** Of all databases, expiry times included. Costs what changed since it was read last. */
  get digest(): number {
    return this.#engine.keyspace.digest();
  }

  /** How many keys there are. */
  get size(): number {
    return this.#engine.keyspace.size;
  }

  /** When it is over, `onClosed` is called before this returns. */
  connect(onBytes: ClientEnds['onBytes'], onClosed: () => void): ModelConnection {
    this.#lastClient += 1;
    const isOpen = this.#options.clientPassword === null;
    const client = new Client(this.#lastClient, { onBytes, onClosed }, false, isOpen);
    if (this.#isOver) {
      client.isClosed = true;
      onClosed();
    } else {
      this.#engine.clients.set(client.id, client);
    }
    return {
      write: (bytes) =>
        this.#run(() => {
          if (client.isClosed) return;
          client.reader.push(bytes);
          this.#read(client);
        }),
      close: () =>
        this.#run(() => {
          if (!client.isClosed) this.#engine.forget(client);
        }),
    };
  }

  /** To be called every 100 ms of its clock. */
  cron(): void {
    this.#run(() => {
      const engine = this.#engine;
      const now = engine.nowMs();
      // A pause that is over is noticed here.
      if (!engine.isPaused) engine.expireSome();
      engine.endWaits(now);
      engine.replicas.transfer();
      if (now - this.#secondAtMs < SECOND_MS) return;
      this.#secondAtMs = now;
      engine.link.cron(now);
      engine.replicas.cron(now);
    });
  }

  /** SIGKILL: what it had not said is lost. */
  crash(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#work.length = 0;
    const engine = this.#engine;
    engine.link.kill();
    const clients = [...engine.clients.values(), ...engine.gone.splice(0)];
    engine.clients.clear();
    for (const client of clients) {
      client.isClosed = true;
      client.ends.onClosed();
    }
  }

  /** One thing after the other, also when a callback comes back in. */
  #run(work: () => void): void {
    if (this.#isOver) return;
    this.#work.push(work);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#work.shift(); next !== undefined; next = this.#work.shift()) {
        next();
        this.#settle();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #settle(): void {
    const engine = this.#engine;
    for (;;) {
      if (engine.exitWhy !== null) {
        this.crash();
        this.#options.onExit?.(engine.exitWhy);
        return;
      }
      if (engine.resumed.size > 0) this.#resume();
      else if (engine.talking.size > 0) this.#talk();
      else if (engine.gone.length > 0) engine.gone.shift()?.ends.onClosed();
      else return;
    }
  }

  #resume(): void {
    const [client] = this.#engine.resumed;
    if (client === undefined) return;
    this.#engine.resumed.delete(client);
    const { postponed } = client;
    client.postponed = null;
    if (postponed !== null) this.#engine.execute(client, postponed);
    this.#read(client);
  }

  #read(client: Client): void {
    const engine = this.#engine;
    const { reader } = client;
    while (!client.isWaiting && !client.isClosed && !client.closesAfterReply) {
      if (engine.exitWhy !== null) return;
      const words = reader.next();
      if (words === 'starved') break;
      if (words === 'malformed') {
        engine.send(client, '-ERR Protocol error: invalid multibulk length\r\n');
        engine.hangUp(client);
        return;
      }
      engine.execute(client, words as readonly string[]);
    }
    if (!reader.sawBlank) return;
    reader.sawBlank = false;
    if (client.replica !== null) client.replica.acknowledgedAtMs = engine.nowMs();
  }

  /** One connection's output. */
  #talk(): void {
    const [client] = this.#engine.talking;
    if (client === undefined) return;
    this.#engine.talking.delete(client);
    if (client.isClosed) return;
    if (client.hasOutput) client.ends.onBytes(client.takeOutput(), client.takeMarks());
    if (!client.closesAfterReply || client.isClosed) return;
    this.#engine.forget(client);
    client.ends.onClosed();
  }
}
