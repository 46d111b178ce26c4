/**
 * A whole deployment with real processes in a temporary directory, for as long as one test.
 *
 * Either `bin/althing up` runs it and starts again what dies, or the test starts and stops each
 * agent by itself, on the same ports and directories. `close` leaves nothing, and complains.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentAnswer, askStatus } from '../../src/doors/cli/up/agent-http.ts';
import type { Status } from '../../src/doors/view.ts';
import { contentsOfAll, differences, digestOf, socketOf } from './digest.ts';
import { type FileSizes, fileSizesUnder } from './file-sizes.ts';
import { type ClaimedPorts, claimPorts } from './free-ports.ts';
import { isAlive, pidsUnder, signal, until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
/** `test/system/threads-*.test.ts`: the same tests with threads that serve clients. */
const { ALTHING_RELAY_THREADS } = process.env;
const THREAD_FLAGS =
  ALTHING_RELAY_THREADS === undefined ? [] : ['--relay-threads', ALTHING_RELAY_THREADS];
const START_MS = 40_000;
const LEVEL_MS = 60_000;
const STOP_MS = 20_000;
/** A question is given up soon; on a loaded machine it is asked again. */
const ANSWER_MS = 5_000;
/** What dies with its parent needs a moment on a loaded machine. */
const GONE_MS = 6_000;
const LOG_SHOWN_CHARACTERS = 4_000;

export interface DeploymentOptions {
  readonly nodes?: number;
  /** Further flags of `up` or of every agent. */
  readonly flags?: readonly string[];
  readonly server?: string;
  /** Peers without a secret speak in the clear, on loopback. */
  readonly isPlain?: boolean;
  /** Agents of the test's own answer clients that know Sentinel. */
  readonly hasSentinel?: boolean;
  /** A program and its first arguments, before the agent's own: of one node, by its index. */
  readonly wrap?: (index: number) => readonly string[];
  /** Over the environment of the test, for the agent of one node and what it starts. */
  readonly environmentOf?: (index: number, deployment: Deployment) => Record<string, string>;
  /** Where node `index` reaches the others, when that is not at their own ports. */
  readonly peersOf?: (index: number, deployment: Deployment) => readonly string[];
}

export class Deployment {
  readonly dir: string;
  readonly nodes: number;
  readonly #options: DeploymentOptions;
  readonly #ports: ClaimedPorts;
  readonly #agents = new Map<number, ChildProcess>();
  #up: ChildProcess | null = null;
  #output = '';

  private constructor(ports: ClaimedPorts, options: DeploymentOptions) {
    this.#ports = ports;
    this.nodes = options.nodes ?? 3;
    // As for `up` itself: the server to run, when it is not to be the one on PATH.
    const server = options.server ?? process.env['ALTHING_SERVER'];
    this.#options = server === undefined ? options : { ...options, server };
    this.dir = mkdtempSync(join(tmpdir(), 'sys-'));
  }

  /** Nothing runs yet. */
  static async prepare(scope: Scope, options: DeploymentOptions = {}): Promise<Deployment> {
    const deployment = new Deployment(await claimPorts(options.nodes ?? 3), options);
    atEnd(scope, () => deployment.close());
    return deployment;
  }

  /** Under `althing up`, which starts again what dies. */
  static async up(scope: Scope, options: DeploymentOptions = {}): Promise<Deployment> {
    const deployment = await Deployment.prepare(scope, options);
    deployment.startUp();
    await deployment.ready();
    return deployment;
  }

  /** Agents of the test's own: what dies stays dead until `startNode`. */
  static async agents(scope: Scope, options: DeploymentOptions = {}): Promise<Deployment> {
    const deployment = await Deployment.prepare(scope, options);
    deployment.startAll();
    await deployment.ready();
    return deployment;
  }

  get basePort(): number {
    return this.#ports.base;
  }

  get indices(): number[] {
    return Array.from({ length: this.nodes }, (_, i) => i);
  }

  get ports(): number[] {
    return this.indices.map((i) => this.port(i));
  }

  port(i: number): number {
    return this.basePort + i;
  }

  peerPort(i: number): number {
    return this.basePort + 1_000 + i;
  }

  httpPort(i: number): number {
    return this.basePort + 2_000 + i;
  }

  /** Within the claimed step, and below where the kernel takes its own ports from. */
  sentinelPort(i: number): number {
    return this.basePort + 9 + i;
  }

  nodeDir(i: number): string {
    return join(this.dir, `node${i + 1}`);
  }

  /** What `up` printed. */
  get output(): string {
    return this.#output;
  }

  get upPid(): number {
    return this.#up?.pid ?? 0;
  }

  startUp(extra: readonly string[] = []): void {
    const { server, flags = [] } = this.#options;
    const all = [
      '--nodes',
      this.nodes,
      '--base-port',
      this.basePort,
      '--dir',
      this.dir,
      '--no-sentinel',
      ...THREAD_FLAGS,
    ];
    const child = spawn(
      process.execPath,
      [
        ...[join(ROOT, 'bin', 'althing'), 'up', ...all.map(String), ...flags, ...extra],
        ...(server === undefined ? [] : ['--server', server]),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    this.#up = child;
  }

  async stopUp(how: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#up === null) return;
    await ended(this.#up, how);
    this.#up = null;
  }

  startAll(): void {
    for (const i of this.indices) this.startNode(i);
  }

  startNode(i: number, extra: readonly string[] = []): void {
    const { flags = [], wrap } = this.#options;
    assert.ok(this.exitOf(i) !== null || !this.#agents.has(i), `node${i + 1} runs already`);
    mkdirSync(this.nodeDir(i), { recursive: true });
    const log = openSync(this.logPath(i), 'a');
    const [program = '', ...args] = [
      ...['setpriv', '--pdeathsig', 'KILL', '--', ...(wrap?.(i) ?? []), process.execPath],
      ...[PROGRAM, 'start', ...this.#agentFlags(i), ...flags, ...extra],
    ];
    const environment = Object.entries(process.env).filter(([name]) => !/^ALTHING_/.test(name));
    // An agent whose standard input is a pipe ends with it.
    const child = spawn(program, args, {
      stdio: ['pipe', log, log],
      env: { ...Object.fromEntries(environment), ...this.#options.environmentOf?.(i, this) },
    });
    child.stdin?.on('error', () => undefined);
    closeSync(log);
    this.#agents.set(i, child);
  }

  #agentFlags(i: number): string[] {
    const { server, isPlain, hasSentinel } = this.#options;
    const secret = join(this.dir, 'secret');
    // Once: a node that is starting may be reading it.
    if (!existsSync(secret))
      writeFileSync(secret, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    const direct = this.indices.map((each) => `127.0.0.1:${this.peerPort(each)}`);
    const peers = (this.#options.peersOf?.(i, this) ?? direct).join(',');
    return [
      ...['--name', 'trial', '--node', `node${i + 1}`, '--dir', this.nodeDir(i)],
      ...['--peers', peers, '--port', String(this.port(i)), '--bind', '127.0.0.1'],
      ...['--peer-port', String(this.peerPort(i)), '--http-port', String(this.httpPort(i))],
      ...['--sentinel-port', hasSentinel ? String(this.sentinelPort(i)) : 'none'],
      ...THREAD_FLAGS,
      ...(isPlain ? [] : ['--secret-file', secret]),
      ...(server === undefined ? [] : ['--server', server]),
    ];
  }

  /** Of an agent that the test started; resolves when it is gone, with how it went. */
  async stopNode(i: number, how: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    const child = this.#agents.get(i);
    if (child === undefined) return 'not running';
    const outcome = await ended(child, how);
    this.#agents.delete(i);
    return outcome;
  }

  /** How an agent of the test's own went by itself, or null while it runs. */
  exitOf(i: number): number | string | null {
    const child = this.#agents.get(i);
    return child?.exitCode ?? child?.signalCode ?? null;
  }

  logPath(i: number): string {
    return join(this.nodeDir(i), 'agent.log');
  }

  log(i: number): string {
    try {
      return readFileSync(this.logPath(i), 'utf8');
    } catch {
      return '';
    }
  }

  /** That it said so, from this character of its log on; tells the end of it otherwise. */
  assertLogged(i: number, pattern: RegExp, from = 0): void {
    const log = this.log(i).slice(from);
    const end = log.slice(-LOG_SHOWN_CHARACTERS);
    assert.ok(pattern.test(log), `node${i + 1} did not log ${pattern} but, at the end:\n${end}`);
  }

  ask(i: number): Promise<AgentAnswer> {
    return askStatus(this.httpPort(i));
  }

  /** Of a node that is there. */
  async status(i: number): Promise<Status> {
    return until(`node${i + 1} answers`, ANSWER_MS, async () => (await this.ask(i)).status);
  }

  /** A number of `/metrics`, by its name and labels as they are written there. */
  async metric(i: number, name: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.httpPort(i)}/metrics`);
    const lines = (await answer.text()).split('\n');
    const line = lines.find((each) => each.startsWith(`${name} `));
    assert.ok(line, `node${i + 1} has no ${name}`);
    return Number(line.slice(name.length));
  }

  async agentPid(i: number): Promise<number> {
    return (await this.status(i)).pid;
  }

  async serverPid(i: number): Promise<number> {
    // A node that was started just now is there before its server is.
    const pid = async () => (await this.status(i)).server.pid;
    return until(`a server of node${i + 1}`, ANSWER_MS, pid);
  }

  /** The node that leads in the highest term, once it is open to clients. */
  async leader(patienceMs = START_MS): Promise<number> {
    return until('a leader that is open', patienceMs, async () => {
      const answers = await Promise.all(this.indices.map((i) => this.ask(i)));
      const leading = this.indices
        .filter((i) => ['leader', 'primary'].includes(answers[i]?.status?.role ?? ''))
        .sort((a, b) => (answers[b]?.status?.term ?? 0) - (answers[a]?.status?.term ?? 0));
      const [first] = leading;
      return first !== undefined && answers[first]?.ready ? [first] : null;
    }).then(([index = 0]) => index);
  }

  /** Every node serves clients. */
  async ready(patienceMs = START_MS): Promise<void> {
    const look = async (): Promise<boolean> => {
      const answers = await Promise.all(this.indices.map((i) => this.ask(i)));
      return answers.every(({ ready }) => ready);
    };
    await until('every node ready', patienceMs, look).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${this.lastWords()}`);
    });
    if (ALTHING_RELAY_THREADS === undefined) return;
    for (const i of this.indices)
      assert.equal(`${(await this.status(i)).relayThreads}`, ALTHING_RELAY_THREADS);
  }

  /** The end of every node's log: for the message of a test that fails. */
  lastWords(lines = 12): string {
    const logs = this.indices.map((i) => {
      const all = this.log(i).trimEnd().split('\n').slice(-lines);
      return `node${i + 1}:\n${all.join('\n')}`;
    });
    return [this.#output.slice(-2_000), ...logs].join('\n').slice(-12_000);
  }

  /**
   * Nothing is written any more: waits until the servers of `indices` hold the same bytes of the
   * stream, then reads each of them, and fails on the first difference. Yields the digest.
   */
  async assertIdentical(
    indices: readonly number[] = this.indices,
    patienceMs = LEVEL_MS,
  ): Promise<string> {
    const contents = await until('all servers level and identical', patienceMs, async () => {
      const before = await this.#levelOffset(indices);
      if (before === null) return null;
      const all = await contentsOfAll(await Promise.all(indices.map((i) => this.serverPid(i))));
      if (all === null) return null;
      const [first, ...others] = all;
      assert.ok(first);
      if (others.every((each) => differences(first, each).length === 0)) return all;
      // A key that expired in between: look again. At one and the same offset nothing may differ.
      return (await this.#levelOffset(indices)) === before ? all : null;
    });
    const [first] = contents;
    assert.ok(first);
    for (const [n, each] of contents.entries())
      assert.deepEqual(differences(first, each), [], `node${(indices[n] ?? 0) + 1} differs`);
    return digestOf(first);
  }

  async #levelOffset(indices: readonly number[]): Promise<number | null> {
    const statuses = await Promise.all(indices.map((i) => this.ask(i)));
    const offsets = statuses.map(({ ready, status }) => {
      if (!ready || status === null) return -1;
      return status.role === 'leader' ? status.offsets.executed : status.offsets.applied;
    });
    const [first = -1] = offsets;
    return first >= 0 && offsets.every((each) => each === first) ? first : null;
  }

  async serverSocket(i: number): Promise<string> {
    return socketOf(await this.serverPid(i));
  }

  async switchover(to: number): Promise<void> {
    const body = new Blob([`{"to": "node${to + 1}"}`], { type: 'application/json' });
    const at = `http://127.0.0.1:${this.httpPort(to)}`;
    const answer = await fetch(`${at}/switchover`, { method: 'POST', body });
    assert.ok(answer.ok, await answer.text());
  }

  fileSizes(i: number): FileSizes {
    return fileSizesUnder(this.nodeDir(i));
  }

  /** Ends everything, removes the directory, and fails when something was left. */
  async close(): Promise<void> {
    await this.stopUp().catch(() => undefined);
    await Promise.all([...this.#agents.keys()].map((i) => this.stopNode(i)));
    const deadline = performance.now() + GONE_MS;
    while (pidsUnder(this.dir).length > 0 && performance.now() < deadline) await sleep(50);
    const left = pidsUnder(this.dir);
    for (const pid of left) signal(pid, 'SIGKILL');
    this.#ports.release();
    const keep = process.env['KEEP_SYSTEM_DIRS'];
    if (keep === undefined) rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(left, [], `processes left under ${this.dir}`);
  }
}

async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<string> {
  const outcome = (): string => child.signalCode ?? `exit code ${child.exitCode}`;
  const { pid } = child;
  if (child.exitCode !== null || child.signalCode !== null || pid === undefined) return outcome();
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (how !== 'SIGKILL') child.kill('SIGCONT');
  child.kill(how);
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  if (isAlive(pid)) await gone;
  clearTimeout(late);
  return outcome();
}
