/**
 * One node of the run: its agent on its host, the server beside it, and its door.
 *
 * What dies by itself is noticed: an exit that the run did not cause is a finding, and the agent is
 * started again, as a supervisor would.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { AgentAnswer } from '../src/doors/cli/up/agent-http.ts';
import { isAlive, signal, until } from '../test/system/processes.ts';
import { PROGRAM } from '../test/system/program.ts';
import { DoorLink, type PostAnswer } from './door-link.ts';
import type { Part } from './plan.ts';

const PORTS = { client: 6379, peers: 7379, http: 8379 };
/** As a supervisor that does not hurry. */
const RESTART_MS = 500;
/** What was killed with -9 is gone within moments, its server with it. */
const GONE_MS = 15_000;

export interface NodeOptions {
  readonly index: number;
  readonly dir: string;
  readonly logPath: string;
  /** The words that run a command on this node's host. */
  readonly on: readonly string[];
  readonly flags: readonly string[];
  /** Over the run's own environment, for the agent and what it starts. */
  readonly environment: Readonly<Record<string, string>>;
  /** An exit that nobody asked for. */
  readonly onSurprise: (how: string) => void;
}

export class LiveNode {
  readonly index: number;
  readonly dir: string;
  readonly #options: NodeOptions;
  readonly #door: DoorLink;
  #agent: ChildProcess | null = null;
  #isWanted = false;
  /** How many reasons there are now for it to end by itself. */
  #excuses = 0;
  #restart: NodeJS.Timeout | null = null;
  readonly #stopped = new Set<number>();
  /** Agents that the run killed: their end is no surprise. */
  readonly #killed = new WeakSet<ChildProcess>();

  constructor(options: NodeOptions) {
    this.index = options.index;
    this.dir = options.dir;
    this.#options = options;
    this.#door = new DoorLink(options.on);
  }

  get name(): string {
    return `node${this.index + 1}`;
  }

  get isRunning(): boolean {
    return this.#agent !== null;
  }

  connect(): Promise<Socket> {
    return this.#door.connect(PORTS.client);
  }

  status(): Promise<AgentAnswer> {
    return this.#door.status(PORTS.http);
  }

  /** Of its own HTTP door. */
  order(path: string, body: unknown): Promise<PostAnswer> {
    return this.#door.post(PORTS.http, path, body);
  }

  start(): void {
    this.#isWanted = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    if (this.#agent !== null) return;
    const { on, flags, environment, logPath } = this.#options;
    mkdirSync(this.dir, { recursive: true });
    const log = openSync(logPath, 'a');
    const [program = '', ...args] = [
      ...['setpriv', '--pdeathsig', 'KILL', '--', ...on],
      ...[process.execPath, PROGRAM, 'start'],
      ...['--node', this.name, '--dir', this.dir, ...flags],
    ];
    const plain = Object.entries(process.env).filter(
      ([name]) => !/^(ALTHING_|NODE_(?!COMPILE_CACHE))/.test(name),
    );
    // An agent whose standard input is a pipe ends with it.
    const child = spawn(program, args, {
      stdio: ['pipe', log, log],
      env: { ...Object.fromEntries(plain), ...environment },
    });
    closeSync(log);
    child.stdin?.on('error', () => undefined);
    child.on('exit', (code, how) => this.#onExit(child, how ?? `exit code ${code}`));
    this.#agent = child;
  }

  /** SIGKILL. Without its agent the server goes too; a server alone is started by its agent. */
  async kill(part: Part): Promise<void> {
    const server = this.serverPid();
    if (part !== 'agent') signal(server, 'SIGKILL');
    if (part === 'server') return;
    this.#isWanted = false;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const agent = this.#agent;
    if (agent === null) return;
    this.#killed.add(agent);
    agent.kill('SIGKILL');
    await until(`${this.name} gone`, GONE_MS, () => {
      return this.#agent !== agent && (server === null || !isAlive(server));
    });
  }

  /** SIGSTOP; false when there was nobody to stop. */
  pause(part: Part): boolean {
    const pids = [
      ...(part === 'server' ? [] : [this.#agent?.pid ?? 0]),
      ...(part === 'agent' ? [] : [this.serverPid() ?? 0]),
    ];
    const stopped = pids.filter((pid) => signal(pid, 'SIGSTOP'));
    for (const pid of stopped) this.#stopped.add(pid);
    return stopped.length > 0;
  }

  resume(): void {
    // A number may belong to somebody else by now; only what is of this node is told.
    for (const pid of this.#stopped)
      if (pid === this.#agent?.pid || cwdOf(pid).startsWith(this.dir)) signal(pid, 'SIGCONT');
    this.#stopped.clear();
  }

  /** While its disk is bad an agent may end by itself; not by a signal, though. */
  excuse(isExcused: boolean): void {
    this.#excuses += isExcused ? 1 : -1;
  }

  /** The server's process, found without asking the agent, who may be paused. */
  serverPid(): number | null {
    const agent = this.#agent?.pid;
    if (agent === undefined) return null;
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.map(Number).find((pid) => parentOf(pid) === agent && this.#isServer(pid)) ?? null;
  }

  #isServer(pid: number): boolean {
    return cwdOf(pid).startsWith(join(this.dir, 'server'));
  }

  async close(): Promise<void> {
    this.resume();
    await this.kill('both');
    await this.#door.close();
  }

  #onExit(child: ChildProcess, how: string): void {
    if (this.#agent === child) this.#agent = null;
    if (!this.#isWanted || this.#killed.has(child)) return;
    if (this.#excuses === 0 || !how.startsWith('exit code')) this.#options.onSurprise(how);
    this.#restart = setTimeout(() => this.start(), RESTART_MS);
  }
}

export function portFlags(addresses: readonly string[]): string[] {
  const peers = addresses.map((address) => `${address}:${PORTS.peers}`).join(',');
  return [
    ...['--peers', peers, '--port', String(PORTS.client)],
    ...['--peer-port', String(PORTS.peers), '--http-port', String(PORTS.http)],
  ];
}

function cwdOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}
