/** One server by itself: in memory alone, or with every write synced before its reply. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { RespClient } from '../../src/doors/cli/up/resp-client.ts';
import type { NamedProcess } from '../cpu.ts';
import { Child } from './child.ts';
import { findBasePort } from './ports.ts';
import { type Target, TargetError } from './target.ts';

export interface BareOptions {
  readonly name: string;
  readonly server: string;
  readonly dir: string;
  /** `appendonly yes` with `appendfsync always`. */
  readonly isSynced: boolean;
  /** Whom it follows; null: nobody. */
  readonly primary: BareServer | null;
}

export class BareServer implements Target {
  readonly name: string;
  readonly protocol = 'resp';
  readonly #options: BareOptions;
  #port = 0;
  #child: Child | null = null;

  constructor(options: BareOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { server, isSynced, primary } = this.#options;
    const dir = join(this.#options.dir, this.name);
    mkdirSync(dir, { recursive: true });
    this.#port = await findBasePort([0], 1);
    const log = isSynced ? { appendonly: 'yes', appendfsync: 'always' } : { appendonly: 'no' };
    const settings = { port: this.#port, bind: '127.0.0.1', dir, save: '', ...log };
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
    if (primary !== null) args.push('--replicaof', `127.0.0.1 ${await primary.port()}`);
    const child = new Child(server, args);
    this.#child = child;
    await child.until(() => answersPing(this.#port), `${this.name} did not start`, signal);
  }

  async port(): Promise<number> {
    if (this.#child?.isRunning !== true) throw new TargetError(`${this.name} does not run`);
    return this.#port;
  }

  async processes(): Promise<readonly NamedProcess[]> {
    return [{ name: 'server', pid: this.#child?.pid ?? 0 }];
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#child?.stop();
  }
}

async function answersPing(port: number): Promise<boolean> {
  const client = new RespClient(port);
  try {
    return (await client.call(['PING'], 1_000)) === 'PONG';
  } catch {
    return false;
  } finally {
    client.close();
  }
}
