/** One server of nobody's, with a directory of its own, for as long as one test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPorts } from './free-ports.ts';
import { until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const START_MS = 60_000;

export class PlainServer {
  readonly dir = mkdtempSync(join(tmpdir(), 'althing-plain-'));
  readonly port: number;
  readonly #flags: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(port: number, flags: readonly string[]) {
    this.port = port;
    this.#flags = flags;
  }

  static async start(scope: Scope, ...flags: readonly string[]): Promise<PlainServer> {
    const claimed = await claimPorts(1);
    const server = new PlainServer(claimed.base, flags);
    atEnd(scope, async () => {
      await server.kill();
      claimed.release();
      rmSync(server.dir, { recursive: true, force: true });
    });
    await server.run();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it, on what it has, and waits until it has loaded that. */
  async run(): Promise<void> {
    const words = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.dir];
    const quiet = ['--save', '', '--logfile', join(this.dir, 'log')];
    this.#child = spawn('redis-server', [...words, ...quiet, ...this.#flags], { stdio: 'ignore' });
    await until(`a server at ${this.port}`, START_MS, () =>
      this.with(async (wire) => (await wire.call('PING')) === 'PONG').catch(() => false),
    );
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async with<T>(use: (wire: Wire) => Promise<T>): Promise<T> {
    const wire = new Wire(this.port);
    try {
      return await use(wire);
    } finally {
      wire.close();
    }
  }

  keys(): Promise<number> {
    return this.with(async (wire) => Number(await wire.must('DBSIZE')));
  }
}
