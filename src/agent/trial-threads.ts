/** Threads that serve clients, in front of a server that is a few lines: for the tests. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReplyReader } from '../core/resp/reply-reader.ts';
import { RELAY_BOUNDS } from '../io/relay/options.ts';
import { LIMITS } from './limits.ts';
import { RelayThreads, type RelayThreadsOptions } from './relay-threads.ts';
import { Seats } from './threads/seats.ts';

export const THREADS = 2;

/** Knows SET, GET and scripts that return a number, lets the agent in, and says its offset. */
export class TrialServer {
  readonly dir = mkdtempSync(join(tmpdir(), 'threads-'));
  readonly path = join(this.dir, 'server.sock');
  readonly connections = new Set<Socket>();
  /** Connections of the agent. */
  readonly fences = new Set<Socket>();
  offset = 100;
  replicas = 1;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.listen(this.path);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.connections) socket.destroy();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    this.connections.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.connections.delete(socket);
      this.fences.delete(socket);
    });
    const reader = new ReplyReader(64 * 1024);
    socket.on('data', (chunk) =>
      reader.push(chunk, (words) => socket.write(this.#answer(socket, words as string[]))),
    );
  }

  #answer(socket: Socket, words: readonly string[]): string {
    switch (words[0]?.toUpperCase()) {
      case 'AUTH':
        this.fences.add(socket);
        return '+OK\r\n';
      case 'ROLE': {
        const replica = '*3\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n$1\r\n0\r\n';
        const all = replica.repeat(this.replicas);
        return `*3\r\n$6\r\nmaster\r\n:${this.offset}\r\n*${this.replicas}\r\n${all}`;
      }
      case 'GET':
        return '$1\r\nv\r\n';
      case 'EVAL':
        return `:${words.at(-1)}\r\n`;
      case 'SET':
        this.offset += 10;
        return '+OK\r\n';
      default:
        return '+OK\r\n';
    }
  }
}

/** A client's socket, with all that it was sent. */
export class TrialClient {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  send(...words: string[]): void {
    const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`).join('');
    this.socket.write(`*${words.length}\r\n${parts}`);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What the threads said to the main thread, and asked of it. */
export interface Said {
  readonly rounds: number[];
  readonly points: (() => void)[];
  readonly failures: string[];
  readonly fatal: string[];
}

export async function startThreads(
  server: TrialServer,
  port: number,
  sessionsMax = 100,
): Promise<{ threads: RelayThreads; said: Said }> {
  const said: Said = { rounds: [], points: [], failures: [], fatal: [] };
  const options: RelayThreadsOptions = {
    count: THREADS,
    opening: () => ({ socketPath: server.path, auth: { user: 'agent', password: 'p' } }),
    wantRound: (round) => said.rounds.push(round),
    reignFailed: (why) => said.failures.push(why),
    readPoint: (reached) => said.points.push(reached),
    acceptFailed: () => undefined,
    fatal: (error) => said.fatal.push(error.message),
    start: {
      host: '127.0.0.1',
      port,
      bounds: { ...RELAY_BOUNDS, sessionsMax, bulkBytesMax: 1024 * 1024, waitMs: 60_000 },
      reignLimits: LIMITS,
      tickMs: LIMITS.tickMs,
      leaseReads: false,
      secret: null,
      openingsMax: 1,
      seats: Seats.memory(),
    },
  };
  return { threads: await RelayThreads.start(options), said };
}
