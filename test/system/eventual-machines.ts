/**
 * Three nodes of an eventual deployment, where the machine lets us as machines of their own, whose
 * packets can be dropped; else side by side. The test reaches each server at its private socket,
 * past every cut, and every process by its number.
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
import { Hosts, whyNoHosts } from '../../faults/hosts.ts';
import { type ClaimedPorts, claimPorts } from './free-ports.ts';
import { isAlive, pidsUnder, signal, until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const PEER_PORT = 7379;
const SETTLED_MS = 120_000;
const GONE_MS = 6_000;

export class EventualMachines {
  readonly dir = mkdtempSync(join(tmpdir(), 'ev-'));
  readonly indices = [0, 1, 2];
  /** Null: all are on loopback. */
  readonly #hosts: Hosts | null;
  readonly #ports: ClaimedPorts;
  readonly #agents = new Map<number, ChildProcess>();

  private constructor(hosts: Hosts | null, ports: ClaimedPorts) {
    this.#hosts = hosts;
    this.#ports = ports;
  }

  static async build(scope: Scope): Promise<EventualMachines> {
    const hosts = whyNoHosts() === null ? new Hosts(3, 'test') : null;
    const machines = new EventualMachines(hosts, await claimPorts(3));
    atEnd(scope, () => machines.#close());
    for (const name of ['secret', 'password']) {
      const text = `${randomBytes(32).toString('hex')}\n`;
      writeFileSync(join(machines.dir, name), text, { mode: 0o600 });
    }
    for (const i of machines.indices) machines.start(i);
    await machines.settled();
    return machines;
  }

  /** Their packets can be dropped. */
  get canBeCut(): boolean {
    return this.#hosts !== null;
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
    const [program = '', ...words] = [
      ...(this.#hosts?.on(i) ?? []),
      ...[process.execPath, PROGRAM, 'start', '--consistency', 'eventual'],
      ...['--node', `node${i + 1}`, '--dir', this.nodeDir(i), ...this.#placeOf(i)],
      ...['--sentinel-port', 'none'],
      ...['--secret-file', join(this.dir, 'secret')],
      ...['--password-file', join(this.dir, 'password')],
    ];
    // An agent whose standard input is a pipe ends with it.
    const child = spawn(program, words, { stdio: ['pipe', log, log] });
    child.stdin?.on('error', () => undefined);
    closeSync(log);
    this.#agents.set(i, child);
  }

  #placeOf(i: number): string[] {
    const hosts = this.#hosts;
    const { base } = this.#ports;
    const addressOf = (each: number): string =>
      hosts === null ? `127.0.0.1:${base + 1_000 + each}` : `${hosts.addressOf(each)}:${PEER_PORT}`;
    const peers = ['--peers', this.indices.map(addressOf).join(',')];
    if (hosts !== null) return [...peers, '--bind', hosts.addressOf(i)];
    const ports = ['--port', '--peer-port', '--http-port'];
    return [...peers, ...ports.flatMap((flag, at) => [flag, String(base + 1_000 * at + i)])];
  }

  /** Null while it has ended. */
  agentPid(i: number): number | null {
    return this.#agents.get(i)?.pid ?? null;
  }

  /** Starts its agent unless it is there. */
  revive(i: number): void {
    const pid = this.agentPid(i);
    if (pid === null || !isAlive(pid)) this.start(i);
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
    await this.#hosts?.setCuts(
      others.flatMap((other) => [[i, other] as const, [other, i] as const]),
    );
  }

  async heal(): Promise<void> {
    await this.#hosts?.setCuts([]);
  }

  /** Until one is primary that the two others follow. */
  async settled(): Promise<number> {
    const found = await until('a primary that all others follow', SETTLED_MS, async () => {
      const texts = await Promise.all(this.indices.map((i) => this.#info(i, 'replication')));
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

  /** Of the server of node `i` and of its warden. */
  async serverPids(i: number): Promise<{ server: number; warden: number }> {
    const server = Number(/process_id:(\d+)/.exec(await this.#info(i, 'server'))?.[1]);
    const status = readFileSync(`/proc/${server}/status`, 'utf8');
    return { server, warden: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) };
  }

  async #info(i: number, section: string): Promise<string> {
    const wire = new Wire(this.sockets[i] as string);
    try {
      wire.command('AUTH', this.password);
      wire.command('INFO', section);
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
    this.#hosts?.remove();
    this.#ports.release();
    for (const pid of pidsUnder(this.dir)) signal(pid, 'SIGKILL');
    if (process.env['KEEP_SYSTEM_DIRS'] === undefined)
      rmSync(this.dir, { recursive: true, force: true });
  }
}
