/** Servers with `cluster-enabled` for a test, `althing cluster` beside them, and the oracle. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClaimedPorts, claimPorts } from './free-ports.ts';
import { until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const STEP_MS = 90_000;
/** The bus listens among the ports that were claimed as well. */
const BUS_ABOVE = 1_000;
const TLS_ABOVE = 2_000;
const NODE_TIMEOUT_MS = 2_000;

export interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Files; the certificate signs itself, so it is its own authority. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ServersOptions {
  readonly program?: string;
  readonly flags?: readonly string[];
  /** They speak TLS among each other, and with clients on a port of its own. */
  readonly tls?: Certificate | null;
}

export class ClusterServers {
  readonly dir = mkdtempSync(join(tmpdir(), 'althing-cluster-'));
  readonly ports: readonly number[];
  /** Of the default user; empty for none. */
  password = '';
  readonly #program: string;
  readonly #flags: readonly string[];
  readonly #tls: Certificate | null;
  readonly #running = new Map<number, ChildProcess>();

  private constructor(
    claimed: ClaimedPorts,
    count: number,
    { program = 'redis-server', flags = [], tls = null }: ServersOptions,
  ) {
    this.ports = Array.from({ length: count }, (_, i) => claimed.base + i);
    this.#program = program;
    this.#flags = flags;
    this.#tls = tls;
  }

  static async start(
    scope: Scope,
    count: number,
    options: ServersOptions = {},
  ): Promise<ClusterServers> {
    const claimed = await claimPorts(count);
    const servers = new ClusterServers(claimed, count, options);
    atEnd(scope, async () => {
      for (const i of servers.ports.keys()) await servers.kill(i);
      claimed.release();
      rmSync(servers.dir, { recursive: true, force: true });
    });
    for (const i of servers.ports.keys()) await servers.run(i);
    return servers;
  }

  at(i: number): string {
    return `127.0.0.1:${this.port(i)}`;
  }

  /** Where it speaks TLS, when it was started with a certificate. */
  atTls(i: number): string {
    return `127.0.0.1:${this.port(i) + TLS_ABOVE}`;
  }

  port(i: number): number {
    return this.ports[i] ?? assert.fail(`there is no server ${i}`);
  }

  /** Starts it, on what it has. */
  async run(i: number): Promise<void> {
    const port = this.port(i);
    const dir = join(this.dir, String(i));
    mkdirSync(dir, { recursive: true });
    const settings = {
      port,
      bind: '127.0.0.1',
      'cluster-enabled': 'yes',
      'cluster-port': port + BUS_ABOVE,
      // Tests say who is a primary, whatever a busy machine takes for dead.
      'cluster-replica-no-failover': 'yes',
      // News of roles and epochs come with a node's next ping, which is half of this away at most.
      'cluster-node-timeout': NODE_TIMEOUT_MS,
      'repl-diskless-sync-delay': 0,
      save: '',
      dir,
      logfile: join(dir, 'log'),
      ...this.#tlsSettings(port),
    };
    const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const child = spawn(this.#program, [...words, ...this.#flags], { stdio: 'ignore', cwd: dir });
    this.#running.set(i, child);
    await until(`server ${i}`, STEP_MS, async () => {
      const wire = new Wire(port);
      const isThere = await wire.call('PING').then(
        () => true,
        () => false,
      );
      wire.close();
      return isThere;
    });
  }

  #tlsSettings(port: number): Readonly<Record<string, string | number>> {
    if (this.#tls === null) return {};
    const { cert, key } = this.#tls;
    return {
      'tls-port': port + TLS_ABOVE,
      'tls-cert-file': cert,
      'tls-key-file': key,
      'tls-ca-cert-file': cert,
      'tls-auth-clients': 'no',
      'tls-cluster': 'yes',
      'tls-replication': 'yes',
    };
  }

  async kill(i: number): Promise<void> {
    const child = this.#running.get(i);
    if (child === undefined) return;
    this.#running.delete(i);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /**
   * Makes a cluster of the first servers, each with its part of the slots, by hand: the tools are
   * for what a test is about. All others are met as primaries without slots.
   */
  async form(primaries: number): Promise<void> {
    const cut = (part: number): number => Math.round((part * 16_384) / primaries);
    for (let i = 0; i < primaries; i++)
      await this.ask(i, 'CLUSTER', 'ADDSLOTSRANGE', cut(i), cut(i + 1) - 1);
    const first = ['127.0.0.1', this.port(0), this.port(0) + BUS_ABOVE];
    for (const i of this.ports.keys()) {
      await this.ask(i, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      if (i > 0) await this.ask(i, 'CLUSTER', 'MEET', ...first);
    }
    for (const i of this.ports.keys())
      await until(`server ${i} knows all`, STEP_MS, async () => {
        const info = String(await this.ask(i, 'CLUSTER', 'INFO'));
        const isAll = info.includes(`cluster_known_nodes:${this.ports.length}`);
        return isAll && info.includes('cluster_state:ok');
      });
  }

  /** One command on one server, what it answers. */
  async ask(i: number, ...words: readonly (string | number)[]): Promise<unknown> {
    return this.#last(i, [words]);
  }

  /** The same of a slot that it only takes. */
  async asking(i: number, ...words: readonly (string | number)[]): Promise<unknown> {
    return this.#last(i, [['ASKING'], words]);
  }

  async #last(i: number, commands: readonly (readonly (string | number)[])[]): Promise<unknown> {
    const wire = new Wire(this.port(i));
    try {
      let reply: unknown = null;
      if (this.password !== '') await wire.call('AUTH', this.password);
      for (const words of commands) reply = await wire.call(...words);
      return reply;
    } finally {
      wire.close();
    }
  }

  async id(i: number): Promise<string> {
    return String(await this.ask(i, 'CLUSTER', 'MYID'));
  }

  /** Keys by name, and on which of the servers that are primaries each is. */
  async keys(): Promise<Map<string, number[]>> {
    const found = new Map<string, number[]>();
    for (const i of this.#running.keys()) {
      const [role] = (await this.ask(i, 'ROLE')) as [string];
      if (role !== 'master') continue;
      for (const key of (await this.ask(i, 'KEYS', '*')) as string[])
        found.set(key, [...(found.get(key) ?? []), i]);
    }
    return found;
  }
}

/** `althing cluster …`, without a terminal. */
export function tool(...words: readonly string[]): Promise<Ran> {
  return ran(process.execPath, [PROGRAM, 'cluster', ...words]);
}

/** The same, killed after `killMs` unless it is done by then. */
export function toolFor(killMs: number, ...words: readonly string[]): Promise<Ran> {
  return ran(process.execPath, [PROGRAM, 'cluster', ...words], killMs);
}

export interface RunningTool {
  /** What it has said so far. */
  out(): string;
  kill(signal: 'SIGINT' | 'SIGKILL'): void;
  readonly ended: Promise<Ran>;
}

/** The same, while it runs. */
export function toolBeside(...words: readonly string[]): RunningTool {
  const child = spawn(process.execPath, [PROGRAM, 'cluster', ...words], { timeout: STEP_MS });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      out += text.toString();
    });
  const ended = new Promise<Ran>((resolve) =>
    child.once('close', (code) => resolve({ code: code ?? -1, out })),
  );
  return { out: () => out, kill: (signal) => void child.kill(signal), ended };
}

/** The same, which gets `signal` once `when` has come. */
export async function toolStopped(
  signal: 'SIGINT' | 'SIGKILL',
  when: () => Promise<unknown>,
  ...words: readonly string[]
): Promise<Ran> {
  const running = toolBeside(...words);
  await when();
  running.kill(signal);
  return await running.ended;
}

/** In another environment. */
export function toolWith(env: NodeJS.ProcessEnv, ...words: readonly string[]): Promise<Ran> {
  const all = [PROGRAM, 'cluster', ...words];
  return ran(process.execPath, all, STEP_MS, env);
}

/** `redis-cli --cluster …`, the oracle. */
export function oracle(...words: readonly string[]): Promise<Ran> {
  return ran('redis-cli', ['--cluster', ...words]);
}

/** What one server says of slots. */
export function ownedBy(view: unknown): number {
  const line = String(view)
    .split('\n')
    .find((one) => one.includes('myself'));
  return (line ?? '')
    .split(' ')
    .slice(8)
    .map((range) => /^(\d+)(?:-(\d+))?$/.exec(range))
    .reduce(
      (sum, match) => sum + (match ? Number(match[2] ?? match[1]) - Number(match[1]) + 1 : 0),
      0,
    );
}

function ran(
  program: string,
  words: readonly string[],
  timeout = STEP_MS,
  environment = process.env,
): Promise<Ran> {
  return new Promise((resolve) => {
    const options = {
      timeout,
      killSignal: 'SIGKILL',
      env: { ...environment, TERM: 'dumb' },
    } as const;
    execFile(program, words, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out: `${stdout}${stderr}` });
    }).stdin?.end();
  });
}

export function done({ code, out }: Ran): string {
  assert.equal(code, 0, out);
  return out;
}

export function refused(result: Ran, why: RegExp, code = 1): void {
  assert.equal(result.code, code, result.out);
  assert.match(result.out, why);
}
