/** The two kinds of beds: real processes, and the model with a clock that we turn. */
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlavorName } from '../../sim/server/flavor.ts';
import { ModelServer } from '../../sim/server/model-server.ts';
import { Chance } from '../../sim/time.ts';
import { ReadBuffer } from '../../src/io/read-buffer.ts';
import { connectServer } from '../../src/io/server/admin.ts';
import { CONF_LIMITS } from '../../src/io/server/conf.ts';
import type { LocatedServer } from '../../src/io/server/locate.ts';
import { listen, startTrial } from '../../src/io/server/trial.ts';
import {
  AGENT,
  FEEDER,
  type Life,
  type LifeOptions,
  type Listening,
  type MakeBed,
  type ServerBed,
  Talk,
} from './server-bed.ts';

const BACKLOG_BYTES = 1 << 20;
const PATIENCE_MS = 30_000;

/** Connections that were made, in order. */
class Callers implements Listening {
  readonly port: number;
  readonly #bed: Pick<ServerBed, 'until'>;
  readonly #waiting: Talk[] = [];

  constructor(port: number, bed: Pick<ServerBed, 'until'>) {
    this.port = port;
    this.#bed = bed;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(talk: Talk): void {
    this.#waiting.push(talk);
  }

  async take(): Promise<Talk> {
    await this.#bed.until('the server dials', () => this.#waiting.length > 0);
    return this.#waiting.shift() as Talk;
  }
}

class RealBed implements ServerBed {
  readonly flavor: FlavorName;
  readonly #t: TestContext;
  readonly #located: LocatedServer;

  constructor(t: TestContext, located: LocatedServer, flavor: FlavorName) {
    this.#t = t;
    this.#located = located;
    this.flavor = flavor;
  }

  async start(feed: Listening | null, options: LifeOptions = {}): Promise<Life> {
    const { server, exits } = await startTrial(this.#t, this.#located, {
      feed: feed === null ? null : { port: feed.port, ...FEEDER },
      agentPassword: AGENT.password,
      limits: {
        ...CONF_LIMITS,
        backlogBytes: options.backlogBytes ?? BACKLOG_BYTES,
        clientsMax: 100,
      },
    });
    return {
      connect: async () => {
        const talk = this.#talkOver(connectServer(server.socketPath, new ReadBuffer()));
        return talk;
      },
      get hasExited() {
        return exits.length > 0;
      },
    };
  }

  async listen(): Promise<Listening> {
    let callers: Callers | null = null;
    const port = await listen(this.#t, (socket) => callers?.add(this.#talkOver(socket)));
    callers = new Callers(port, this);
    return callers;
  }

  async sleep(ms: number): Promise<void> {
    await sleep(ms);
  }

  get nowMs(): number {
    return performance.now();
  }

  async until(what: string, isTrue: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!isTrue()) {
      if (performance.now() > end) throw new Error(`never: ${what}`);
      await sleep(1);
    }
  }

  #talkOver(socket: Socket): Talk {
    const talk = new Talk(this, {
      write: (bytes) => socket.write(bytes),
      writeWhole: (bytes) => socket.write(bytes),
      close: () => socket.destroy(),
    });
    socket.on('data', (bytes: Buffer) => talk.received(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      talk.isClosed = true;
    });
    this.#t.after(() => socket.destroy());
    return talk;
  }
}

export function realBed(located: LocatedServer): MakeBed {
  const flavor = located.flavor.product === 'redis' ? 'redis7' : 'valkey8';
  return (t) => new RealBed(t, located, flavor);
}

const CRON_MS = 100;

class ModelBed implements ServerBed {
  readonly flavor: FlavorName;
  readonly #chance: Chance;
  readonly #listening = new Map<number, Callers>();
  readonly #servers: ModelServer[] = [];
  nowMs = 1_800_000_000_000;

  constructor(flavor: FlavorName, seed: number) {
    this.flavor = flavor;
    this.#chance = new Chance(seed, 'contract');
  }

  async start(feed: Listening | null, options: LifeOptions = {}): Promise<Life> {
    let hasExited = false;
    const server = new ModelServer({
      flavor: this.flavor,
      entropy: () => this.#chance.uint32(),
      nowMs: () => this.nowMs,
      dial: (port, onBytes, onClosed) => this.#dialed(port, onBytes, onClosed),
      feed: feed === null ? null : { port: feed.port, ...FEEDER },
      agent: AGENT,
      clientPassword: null,
      settings: { 'repl-backlog-size': String(options.backlogBytes ?? BACKLOG_BYTES) },
      onExit: () => {
        hasExited = true;
      },
    });
    this.#servers.push(server);
    return {
      connect: async () => {
        const connection = server.connect(
          (bytes) => talk.received(bytes),
          () => {
            talk.isClosed = true;
          },
        );
        const talk: Talk = new Talk(this, {
          write: (bytes) => this.#inPieces(bytes, (piece) => connection.write(piece)),
          writeWhole: (bytes) => connection.write(bytes),
          close: () => connection.close(),
        });
        return talk;
      },
      get hasExited() {
        return hasExited;
      },
    };
  }

  async listen(): Promise<Listening> {
    const port = 7000 + this.#listening.size;
    const callers = new Callers(port, this);
    this.#listening.set(port, callers);
    return callers;
  }

  async sleep(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += CRON_MS) this.#cron(Math.min(CRON_MS, ms - passed));
  }

  async until(what: string, isTrue: () => boolean): Promise<void> {
    for (let i = 0; !isTrue(); i++) {
      if (i > PATIENCE_MS / CRON_MS) throw new Error(`never: ${what}`);
      this.#cron(CRON_MS);
    }
  }

  #cron(ms: number): void {
    this.nowMs += ms;
    for (const server of this.#servers) server.cron();
  }

  #dialed(port: number, onBytes: (bytes: Buffer) => void, onClosed: () => void) {
    const callers = this.#listening.get(port);
    const talk: Talk = new Talk(this, {
      write: (bytes) => this.#inPieces(bytes, onBytes),
      writeWhole: onBytes,
      close: () => onClosed(),
    });
    callers?.add(talk);
    return {
      write: (bytes: Buffer) => talk.received(bytes),
      close: () => {
        talk.isClosed = true;
      },
    };
  }

  /** However the bytes are cut, it is the same. */
  #inPieces(bytes: Buffer, give: (piece: Buffer) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const count = this.#chance.permille(500) ? bytes.length : this.#chance.between(1, 40);
      give(bytes.subarray(at, at + count));
      at += count;
    }
  }
}

export function modelBed(flavor: FlavorName, seed: number): MakeBed {
  return () => new ModelBed(flavor, seed);
}
