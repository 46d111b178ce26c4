/** For the tests of this room: a real server, a hold that obeys the test, and a talking client. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandRules } from '../../core/lanes/command-rules.ts';
import type { HeldReply, HeldSession, Hold } from '../../core/lanes/ports.ts';
import { ClientListener } from './listener.ts';
import { RELAY_BOUNDS, type RelayBounds } from './options.ts';
import { Relay } from './relay.ts';

/** The server's default for `proto-max-bulk-len`. */
export const BULK_BYTES_MAX = 512 * 1024 * 1024;

export class TrialServer {
  readonly path: string;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, process: ChildProcess) {
    this.#directory = directory;
    this.path = join(directory, 's');
    this.#process = process;
  }

  static async start(...settings: string[]): Promise<TrialServer> {
    const directory = mkdtempSync(join(tmpdir(), 'relay-'));
    const fixed = ['--port', '0', '--unixsocket', join(directory, 's'), '--save', ''];
    const child = spawn('redis-server', [...fixed, '--dir', directory, ...settings], {
      stdio: 'ignore',
    });
    const server = new TrialServer(directory, child);
    for (let attempt = 0; attempt < 500; attempt++) {
      const socket = connect(server.path);
      try {
        await once(socket, 'connect');
        socket.destroy();
        return server;
      } catch {
        await sleep(10);
      }
    }
    throw new Error('the trial server did not start');
  }

  /** How many it has, but for the one that asks. */
  async connections(): Promise<number> {
    const socket = connect(this.path);
    await once(socket, 'connect');
    const client = new TrialClient(socket);
    const list = await client.send('CLIENT LIST\r\n').take((r) => r.endsWith('\n\r\n'));
    socket.destroy();
    return (list.match(/\bid=/g)?.length ?? 0) - 1;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Releases at once, unless the test says that it must not. */
export class TrialHold implements Hold {
  isHolding = false;
  isFull = false;
  readonly tickets: number[] = [];
  /** What came with the replies of lanes. */
  readonly fences: (string | null)[] = [];
  #held: { session: HeldSession; bytes: Buffer }[] = [];
  #callbacks: (() => void)[] = [];

  get heldBytes(): number {
    return this.#held.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  get heldText(): string {
    return Buffer.concat(this.#held.map(({ bytes }) => bytes)).toString('latin1');
  }

  add(session: HeldSession, bytes: Buffer, ticket: number): void {
    this.tickets.push(ticket);
    if (this.isHolding) this.#held.push({ session, bytes });
    else session.release(bytes);
  }

  laneSent(): void {}

  addLane(replies: HeldReply[], ticket: number, fence: Buffer | null): void {
    this.fences.push(fence?.toString('latin1') ?? null);
    for (const { session, bytes } of replies) this.add(session, bytes, ticket);
  }

  onDrain(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  drain(): void {
    this.isFull = false;
    for (const callback of this.#callbacks.splice(0)) callback();
  }

  releaseAll(): void {
    for (const { session, bytes } of this.#held.splice(0)) session.release(bytes);
  }

  drop(): void {
    this.#held = [];
  }
}

export const TRIAL_RULES: CommandRules = {
  denied: new Map([
    ['REPLICAOF', 'this node is replicated by the deployment'],
    ['CLIENT PAUSE', 'it would delay every reply'],
  ]),
  configAllowed: new Set(['maxmemory-samples', 'slowlog-max-len']),
  waitReply: (asked) => Math.min(asked, 2),
};

export interface TrialOptions {
  readonly rules?: CommandRules;
  readonly bounds?: Partial<RelayBounds>;
  readonly connectServer?: () => Socket;
  readonly connectLeader?: (node: string, signal: AbortSignal) => Promise<Duplex>;
}

/** A relay with a port, in front of `server`. */
export class TrialRelay {
  readonly hold = new TrialHold();
  readonly relay: Relay;
  readonly listener: ClientListener;
  upstreams = 0;
  rounds = 0;
  /** Points that the relay waits for, as what is to be called when they are reached. */
  readonly points: (() => void)[] = [];
  readonly #clients: TrialClient[] = [];

  private constructor(relay: Relay, listener: ClientListener) {
    this.relay = relay;
    this.listener = listener;
  }

  static async open(server: { path: string }, options: TrialOptions = {}): Promise<TrialRelay> {
    const bounds = { ...RELAY_BOUNDS, bulkBytesMax: BULK_BYTES_MAX, ...options.bounds };
    const made: { trial: TrialRelay | null } = { trial: null };
    const of = (): TrialRelay => made.trial as TrialRelay;
    const relay = new Relay({
      rules: options.rules ?? TRIAL_RULES,
      bounds,
      ports: {
        connectServer: () => {
          of().upstreams += 1;
          return options.connectServer?.() ?? connect(server.path);
        },
        connectLeader: (node, signal) => {
          of().upstreams += 1;
          if (options.connectLeader === undefined) throw new Error('no leader in this trial');
          return options.connectLeader(node, signal);
        },
        readPoint: (reached) => {
          of().points.push(reached);
        },
        nextRound: () => ++of().rounds,
        get hold() {
          return of().hold;
        },
      },
    });
    const listener = await ClientListener.open({
      host: '127.0.0.1',
      port: 0,
      keepAliveMs: bounds.keepAliveMs,
      onClient: (client) => relay.admit(client),
      onError: () => undefined,
    });
    made.trial = new TrialRelay(relay, listener);
    return made.trial;
  }

  async client(): Promise<TrialClient> {
    const client = await TrialClient.connect(this.listener.port);
    this.#clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#clients) client.socket.destroy();
    this.relay.close();
    this.listener.close();
  }
}

export class TrialClient {
  readonly socket: Socket;
  received = '';
  isEnded = false;
  #onChange: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => this.#ended());
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      this.#onChange();
    });
    socket.on('close', () => this.#ended());
  }

  static async connect(port: number): Promise<TrialClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new TrialClient(socket);
    socket.on('end', () => {
      socket.end();
      client.#ended();
    });
    return client;
  }

  /** Inline text or raw protocol. */
  send(text: string | Buffer): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until what was received satisfies `isThere`, and forgets it. */
  async take(isThere: number | ((received: string) => boolean), ms = 5_000): Promise<string> {
    const isDone = typeof isThere === 'number' ? (r: string) => r.length >= isThere : isThere;
    await this.#until(() => isDone(this.received), ms);
    const taken = this.received;
    this.received = '';
    return taken;
  }

  /** Sends and takes one reply of a known text. */
  async expect(text: string | Buffer, reply: string): Promise<void> {
    this.send(text);
    const got = await this.take(reply.length);
    if (got !== reply) throw new Error(`got ${JSON.stringify(got)}, not ${JSON.stringify(reply)}`);
  }

  async ended(ms = 5_000): Promise<string> {
    await this.#until(() => this.isEnded, ms);
    return this.received;
  }

  #ended(): void {
    this.isEnded = true;
    this.#onChange();
  }

  async #until(isDone: () => boolean, ms: number): Promise<void> {
    const deadline = Date.now() + ms;
    while (!isDone()) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`timed out with ${JSON.stringify(this.received.slice(0, 300))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1_000));
        this.#onChange = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

export function resp(...words: readonly (string | number)[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}

/** Long enough for anything that would happen by mistake to happen. */
export function aMoment(): Promise<void> {
  return sleep(60);
}
