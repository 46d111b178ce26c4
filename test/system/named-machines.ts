/**
 * Machines that know one name and nothing of one another: a network namespace and a host name each,
 * and a real name server beside them, whose answers the test gives. Links between them can be cut.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hosts } from '../../faults/hosts.ts';
import type { Status } from '../../src/doors/view.ts';
import { signal, until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';

const NAME = 'orders.test';
const HTTP_PORT = 8379;
const START_MS = 10_000;
const LOG_SHOWN_CHARACTERS = 2_500;

export interface NodeOptions {
  /** Of its directory, and of the machine that it is on: as a pod has them. */
  readonly directory: string;
  readonly hostName: string;
  readonly flags: readonly string[];
}

export class NamedMachines {
  readonly dir = mkdtempSync(join(tmpdir(), 'named-'));
  readonly count: number;
  readonly #hosts: Hosts;
  readonly #nodes = new Map<number, { child: ChildProcess; options: NodeOptions }>();
  #nameServer: ChildProcess | null = null;

  private constructor(scope: Scope, count: number) {
    this.count = count;
    // One more for the name server: cuts do not touch it.
    this.#hosts = new Hosts(count + 1, 'test');
    atEnd(scope, () => this.#close());
  }

  static async build(scope: Scope, count: number): Promise<NamedMachines> {
    const machines = new NamedMachines(scope, count);
    const secret = `${randomBytes(32).toString('hex')}\n`;
    for (const name of ['secret', 'password'])
      writeFileSync(join(machines.dir, name), secret, { mode: 0o600 });
    const lines = [
      `nameserver ${machines.#hosts.addressOf(count)}`,
      'options timeout:1 attempts:1',
    ];
    writeFileSync(join(machines.dir, 'resolv.conf'), `${lines.join('\n')}\n`);
    await machines.#serve();
    return machines;
  }

  /** The name has these machines' addresses from now on. */
  name(machines: Iterable<number>): void {
    const lines = [...machines].map((i) => `${this.#hosts.addressOf(i)} ${NAME}`);
    writeFileSync(join(this.dir, 'hosts'), `${lines.join('\n')}\n`);
    signal(this.#nameServer?.pid, 'SIGHUP');
  }

  start(i: number, options: NodeOptions): void {
    const directory = join(this.dir, options.directory);
    mkdirSync(directory, { recursive: true });
    const log = openSync(join(directory, 'agent.log'), 'a');
    const script = [
      'set -e',
      `mount --bind ${join(this.dir, 'resolv.conf')} /etc/resolv.conf`,
      `hostname ${options.hostName}`,
      'exec "$@"',
    ].join('\n');
    const [program = '', ...words] = [
      ...[...this.#hosts.on(i), 'unshare', '-mu', 'sh', '-c', script, 'sh'],
      ...[process.execPath, PROGRAM, 'start', '--discover', NAME],
      ...['--dir', directory, '--bind', this.#hosts.addressOf(i), '--relay-threads', '0'],
      ...['--secret-file', join(this.dir, 'secret')],
      ...['--password-file', join(this.dir, 'password'), ...options.flags],
    ];
    // An agent whose standard input is a pipe ends with it.
    const child = spawn(program, words, { stdio: ['pipe', log, log] });
    child.stdin?.on('error', () => undefined);
    closeSync(log);
    this.#nodes.set(i, { child, options });
  }

  /** Nobody ends by itself. */
  assertUp(): void {
    for (const [i, { child }] of this.#nodes)
      assert.equal(child.exitCode, null, `machine ${i} has ended\n${this.lastWords()}`);
  }

  async kill(i: number): Promise<NodeOptions | null> {
    const node = this.#nodes.get(i);
    this.#nodes.delete(i);
    if (node === undefined) return null;
    await ended(node.child);
    return node.options;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((i) => this.kill(i)));
  }

  /** Nothing passes between machines of different groups. */
  async split(groups: readonly (readonly number[])[]): Promise<void> {
    const groupOf = (i: number): number => groups.findIndex((group) => group.includes(i));
    const all = groups.flat();
    const pairs = all.flatMap((from) => all.map((to) => [from, to] as const));
    await this.#hosts.setCuts(pairs.filter(([from, to]) => groupOf(from) !== groupOf(to)));
  }

  async heal(): Promise<void> {
    await this.#hosts.setCuts([]);
  }

  async status(i: number): Promise<Status | null> {
    const url = `http://${this.#hosts.addressOf(i)}:${HTTP_PORT}/status`;
    const [program = '', ...words] = [...this.#hosts.on(i), 'curl', '-s', '--max-time', '3', url];
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] });
    let body = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 && body.startsWith('{') ? (JSON.parse(body) as Status) : null;
  }

  /** The ends of all logs: for the message of a test that fails. */
  lastWords(): string {
    const logs = [...this.#nodes].map(([i, { options }]) => {
      const text = readFileSync(join(this.dir, options.directory, 'agent.log'), 'utf8');
      return `machine ${i}, ${options.hostName}:\n${text.slice(-LOG_SHOWN_CHARACTERS)}`;
    });
    return logs.join('\n');
  }

  async #serve(): Promise<void> {
    this.name([]);
    const own = this.#hosts.addressOf(this.count);
    const program = process.env['ALTHING_TEST_DNSMASQ'] ?? '';
    const [first = '', ...words] = [
      ...[...this.#hosts.on(this.count), program, '--keep-in-foreground', '--log-facility=-'],
      ...['--pid-file', '--user=root', '--no-resolv', '--no-hosts', '--local=/#/'],
      ...[`--addn-hosts=${join(this.dir, 'hosts')}`, '--conf-file=/dev/null'],
      ...[`--listen-address=${own}`, '--bind-interfaces'],
    ];
    const child = spawn(first, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#nameServer = child;
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until('dnsmasq starts', START_MS, () => {
      if (child.exitCode !== null) throw new Error(`dnsmasq ended: ${said}`);
      return said.includes('started');
    });
  }

  async #close(): Promise<void> {
    await this.killAll();
    if (this.#nameServer !== null) await ended(this.#nameServer);
    this.#hosts.remove();
    if (process.env['KEEP_SYSTEM_DIRS'] === undefined)
      rmSync(this.dir, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
