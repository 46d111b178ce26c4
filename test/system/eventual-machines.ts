/**
 * Three nodes of an eventual deployment as machines of their own, whose packets can be dropped. The
 * test reaches each server at its private socket, past every cut.
 */
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
import { pidsUnder, signal, until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const PEER_PORT = 7379;
const SETTLED_MS = 120_000;
const GONE_MS = 6_000;

export class EventualMachines {
  readonly dir = mkdtempSync(join(tmpdir(), 'ev-'));
  readonly indices = [0, 1, 2];
  readonly #hosts = new Hosts(3, 'test');
  readonly #agents = new Map<number, ChildProcess>();

  static async build(scope: Scope): Promise<EventualMachines> {
    const machines = new EventualMachines();
    atEnd(scope, () => machines.#close());
    for (const name of ['secret', 'password']) {
      const text = `${randomBytes(32).toString('hex')}\n`;
      writeFileSync(join(machines.dir, name), text, { mode: 0o600 });
    }
    for (const i of machines.indices) machines.start(i);
    await machines.settled();
    return machines;
  }

  get password(): string {
    return readFileSync(join(this.dir, 'password'), 'utf8').trim();
  }

  nodeDir(i: number): string {
    return join(this.dir, `node${i + 1}`);
  }

  get sockets(): string[] {
    return this.indices.map((i) => join(this.nodeDir(i), 'server', 'server.sock'));
  }

  start(i: number): void {
    mkdirSync(this.nodeDir(i), { recursive: true });
    const log = openSync(join(this.nodeDir(i), 'agent.log'), 'a');
    const peers = this.indices.map((each) => `${this.#hosts.addressOf(each)}:${PEER_PORT}`);
    const [program = '', ...words] = [
      ...this.#hosts.on(i),
      ...[process.execPath, PROGRAM, 'start', '--consistency', 'eventual'],
      ...['--node', `node${i + 1}`, '--dir', this.nodeDir(i), '--peers', peers.join(',')],
      ...['--bind', this.#hosts.addressOf(i), '--sentinel-port', 'none'],
      ...['--secret-file', join(this.dir, 'secret')],
      ...['--password-file', join(this.dir, 'password')],
    ];
    // An agent whose standard input is a pipe ends with it.
    const child = spawn(program, words, { stdio: ['pipe', log, log] });
    child.stdin?.on('error', () => undefined);
    closeSync(log);
    this.#agents.set(i, child);
  }

  /** The agent, and with it its server. */
  async kill(i: number): Promise<void> {
    const child = this.#agents.get(i);
    if (child === undefined) return;
    this.#agents.delete(i);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    await until('its server is gone', GONE_MS, () => pidsUnder(this.nodeDir(i)).length === 0);
  }

  log(i: number): string {
    return readFileSync(join(this.nodeDir(i), 'agent.log'), 'utf8');
  }

  async isolate(i: number): Promise<void> {
    const others = this.indices.filter((each) => each !== i);
    await this.#hosts.setCuts(
      others.flatMap((other) => [[i, other] as const, [other, i] as const]),
    );
  }

  async heal(): Promise<void> {
    await this.#hosts.setCuts([]);
  }

  /** Until one is primary that the two others follow. */
  async settled(): Promise<number> {
    const found = await until('a primary that all others follow', SETTLED_MS, async () => {
      const texts = await Promise.all(this.indices.map((i) => this.#replication(i)));
      const primary = texts.findIndex((text) => /^role:master/m.test(text));
      const online = texts[primary]?.match(/state=online/g)?.length ?? 0;
      const linked = texts.filter((text) => /^master_link_status:up/m.test(text)).length;
      return online === 2 && linked === 2 ? [primary] : null;
    }).catch((error: Error) => {
      const logs = this.indices.map((i) => this.log(i).slice(-2_000));
      throw new Error(`${error.message}\n${logs.join('\n')}`);
    });
    return found[0] as number;
  }

  async #replication(i: number): Promise<string> {
    const wire = new Wire(this.sockets[i] as string);
    try {
      wire.command('AUTH', this.password);
      wire.command('INFO', 'replication');
      await wire.reply(1_000);
      return String(await wire.reply(1_000));
    } catch {
      return '';
    } finally {
      wire.close();
    }
  }

  async #close(): Promise<void> {
    await Promise.all(this.indices.map((i) => this.kill(i)));
    this.#hosts.remove();
    for (const pid of pidsUnder(this.dir)) signal(pid, 'SIGKILL');
    if (process.env['KEEP_SYSTEM_DIRS'] === undefined)
      rmSync(this.dir, { recursive: true, force: true });
  }
}
