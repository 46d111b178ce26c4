/**
 * Pods: agents as processes of their own, each with an address and a host name, which know the
 * stand-in for the Kubernetes API as a pod does (environment, and files of a service account) and
 * nothing of one another. And a Service, which sends clients to who is labelled as the primary.
 *
 * Addresses are of loopback, and of one run only; the ports are the same in all pods.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Status } from '../../src/doors/view.ts';
import { ROLE_LABEL } from '../../src/io/discovery/pod-label.ts';
import { claimPorts } from './free-ports.ts';
import { KubernetesStandIn } from './kubernetes-stand-in.ts';
import { PROGRAM } from './program.ts';
import { atEnd, type Scope } from './scope.ts';

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const ANSWER_MS = 2_000;
/** As the kubelet has it, before it kills. */
const GRACE_MS = 30_000;
const LOG_SHOWN_CHARACTERS = 2_500;

/** Why there can be none here, or null: they have mounts and host names of their own. */
export function whyNoPods(): string | null {
  return process.getuid?.() === 0 ? null : 'namespaces need root';
}

interface Pod {
  readonly app: string;
  readonly ip: string;
  readonly child: ChildProcess;
}

export class KubernetesPods {
  readonly api: KubernetesStandIn;
  readonly #dir = mkdtempSync(join(tmpdir(), 'pods-'));
  readonly #base: number;
  readonly #network = `127.${randomInt(64, 250)}.${randomInt(1, 250)}`;
  readonly #flags: readonly string[];
  readonly #pods = new Map<string, Pod>();
  readonly #service: Server;
  readonly #clients = new Set<Socket>();
  #addresses = 0;

  private constructor(api: KubernetesStandIn, base: number, flags: readonly string[]) {
    this.api = api;
    this.#base = base;
    this.#flags = flags;
    this.#service = createServer((client) => this.#serve(client));
    const secret = `${randomBytes(32).toString('hex')}\n`;
    writeFileSync(join(this.#dir, 'secret'), secret, { mode: 0o600 });
  }

  static async build(scope: Scope, flags: readonly string[]): Promise<KubernetesPods> {
    const ports = await claimPorts(1);
    const api = await KubernetesStandIn.start();
    api.allowed.add('patch');
    const pods = new KubernetesPods(api, ports.base, flags);
    atEnd(scope, () => pods.#close().finally(() => ports.release()));
    pods.#service.listen(0, '127.0.0.1');
    await once(pods.#service, 'listening');
    return pods;
  }

  /** Of the Service, on loopback. */
  get servicePort(): number {
    return (this.#service.address() as AddressInfo).port;
  }

  /** Of those that are there, by what their selector says. */
  named(app: string): string[] {
    return [...this.#pods].flatMap(([name, pod]) => (pod.app === app ? [name] : []));
  }

  get count(): number {
    return this.#pods.size;
  }

  addressOf(name: string): string {
    return this.#pods.get(name)?.ip ?? '';
  }

  /** With an empty disk and an address that none has had. */
  start(name: string, { app = 'orders', flags = [] as readonly string[] } = {}): void {
    assert.ok(!this.#pods.has(name), `${name} is there`);
    this.#addresses += 1;
    const ip = `${this.#network}.${this.#addresses}`;
    this.api.put(name, null, { app, phase: 'Pending' });
    const directory = join(this.#dir, name);
    mkdirSync(directory);
    const log = openSync(this.#logPath(name), 'a');
    const script = [
      'set -e',
      'mount -t tmpfs none /var/run',
      `mkdir -p ${ACCOUNT}`,
      `mount --bind ${this.api.accountDir} ${ACCOUNT}`,
      `hostname ${name}`,
      'exec "$@"',
    ].join('\n');
    const ports = ['--port', 0, '--peer-port', 1_000, '--http-port', 2_000, '--sentinel-port', 9];
    const [program = '', ...words] = [
      ...['setpriv', '--pdeathsig', 'KILL', '--', 'unshare', '-mu', 'sh', '-c', script, 'sh'],
      ...[process.execPath, PROGRAM, 'start', '--dir', directory],
      ...['--discover', `kubernetes:app=${app}`, '--bind', ip, '--relay-threads', '0'],
      ...['--secret-file', join(this.#dir, 'secret'), ...this.#flags, ...flags],
      ...ports.map((word) => (typeof word === 'number' ? String(this.#base + word) : word)),
    ];
    const { host, port } = this.api.place;
    const environment = Object.entries(process.env).filter(([key]) => !/^ALTHING_/.test(key));
    const child = spawn(program, words, {
      // An agent whose standard input is a pipe ends with it.
      stdio: ['pipe', log, log],
      env: {
        ...Object.fromEntries(environment),
        KUBERNETES_SERVICE_HOST: host,
        KUBERNETES_SERVICE_PORT: String(port),
      },
    });
    child.stdin?.on('error', () => undefined);
    closeSync(log);
    this.#pods.set(name, { app, ip, child });
    this.api.put(name, ip);
  }

  /** As the kubelet stops one; or, with SIGKILL, as its machine dies. Yields how it went. */
  async stop(name: string, how: 'SIGTERM' | 'SIGKILL'): Promise<string> {
    const pod = this.#pods.get(name);
    assert.ok(pod, `${name} is there`);
    const outcome = await ended(pod.child, how);
    this.#pods.delete(name);
    this.api.remove(name);
    return outcome;
  }

  /** Null while it does not answer, or serves no clients. */
  async ready(name: string): Promise<Status | null> {
    const answer = await this.fetch(name, '/ready').catch(() => null);
    return answer?.status === 200 ? ((await answer.json()) as Status) : null;
  }

  async fetch(name: string, path: string, init: RequestInit = {}): Promise<Response> {
    const url = `http://${this.addressOf(name)}:${this.#base + 2_000}${path}`;
    return fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
  }

  log(name: string): string {
    return readFileSync(this.#logPath(name), 'utf8');
  }

  /** The ends of all logs: for the message of a test that fails. */
  lastWords(): string {
    const logs = [...this.#pods.keys()].map(
      (name) => `${name}:\n${this.log(name).slice(-LOG_SHOWN_CHARACTERS)}`,
    );
    return [...logs, this.api.asked.slice(-30).join()].join('\n');
  }

  #logPath(name: string): string {
    return join(this.#dir, `${name}.log`);
  }

  /** Who has no pod to be sent to is refused, as by a Service without endpoints. */
  #serve(client: Socket): void {
    const [ip] = this.api.addressesLabelled({ app: 'orders', [ROLE_LABEL]: 'primary' });
    if (ip === undefined) {
      client.destroy();
      return;
    }
    const server = connect({ host: ip, port: this.#base, noDelay: true });
    this.#clients.add(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
    client.on('close', () => this.#clients.delete(client));
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#pods.values()].map(({ child }) => ended(child, 'SIGKILL')));
    this.#service.close();
    for (const client of this.#clients) client.destroy();
    await this.api.stop();
    if (process.env['KEEP_SYSTEM_DIRS'] === undefined)
      await rm(this.#dir, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill(how);
    const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await gone;
    clearTimeout(late);
  }
  return child.signalCode ?? `exit code ${child.exitCode}`;
}
