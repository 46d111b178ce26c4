/**
 * A program whose name server is the test's: it runs in namespaces of its own for network and
 * mounts, with its own /etc/resolv.conf, and a real dnsmasq beside it on loopback there.
 *
 * Nothing of it is seen from outside, and it goes with the processes in it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { signal, until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';

const START_MS = 5_000;

/** Why there can be none here, or null. */
export function whyNoResolver(): string | null {
  if (!process.env['ALTHING_TEST_DNSMASQ']) return 'there is no dnsmasq: see `npm run servers`';
  if (process.getuid?.() !== 0) return 'namespaces need root';
  const { status, stderr, error } = spawnSync('unshare', ['-mn', 'true'], { encoding: 'utf8' });
  return status === 0 ? null : `no namespaces: ${error?.message ?? stderr.trim()}`;
}

export interface ResolverOptions {
  /** Lines of resolv.conf beside the name server. */
  readonly resolvConf: readonly string[];
  /** `ADDRESS/BITS` that the machine inside has, beside loopback. */
  readonly ownAddress: string;
  readonly command: readonly string[];
}

export class OwnResolver {
  readonly #dir: string;
  readonly #inside: ChildProcess;
  #dnsmasq: ChildProcess | null = null;
  #lastLine = '';

  /** Starts `command` at once; there is no name server yet. */
  constructor(scope: Scope, { resolvConf, ownAddress, command }: ResolverOptions) {
    this.#dir = mkdtempSync(join(tmpdir(), 'dns-'));
    const file = join(this.#dir, 'resolv.conf');
    writeFileSync(file, `${['nameserver 127.0.0.1', ...resolvConf].join('\n')}\n`);
    const script = [
      'set -e',
      `mount --bind ${file} /etc/resolv.conf`,
      'ip link set lo up',
      `ip addr add ${ownAddress} dev lo`,
      'exec "$@"',
    ].join('\n');
    const words = ['-mn', 'sh', '-c', script, 'sh', ...command];
    this.#inside = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const { stdout } = this.#inside;
    if (stdout !== null) createInterface(stdout).on('line', (line) => (this.#lastLine = line));
    atEnd(scope, () => this.#close());
  }

  /** Arguments of nsenter for a further program in there. */
  get entering(): string[] {
    return ['-t', String(this.#inside.pid), '-m', '-n'];
  }

  /** The body that is answered in there, empty when none is. */
  async get(url: string): Promise<string> {
    const words = [...this.entering, 'curl', '-sS', '--max-time', '2', url];
    const child = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'ignore'] });
    let body = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 ? body : '';
  }

  /** What the program said last. */
  get lastLine(): string {
    return this.#lastLine;
  }

  /** Of lines as in /etc/hosts; they are in force when this resolves. */
  async serve(hosts: readonly string[], flags: readonly string[] = []): Promise<void> {
    this.rewrite(hosts);
    await this.endServer();
    const settings = ['--keep-in-foreground', '--log-facility=-', '--pid-file', '--user=root'];
    const reading = ['--no-resolv', '--no-hosts', `--addn-hosts=${join(this.#dir, 'hosts')}`];
    // It knows all names there are: what it does not know does not exist.
    const listening = [
      '--local=/#/',
      '--conf-file=/dev/null',
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
    ];
    const program = process.env['ALTHING_TEST_DNSMASQ'] ?? '';
    const child = spawn(
      'nsenter',
      [...this.entering, program, ...settings, ...reading, ...listening, ...flags],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#dnsmasq = child;
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until(`dnsmasq starts: ${said}`, START_MS, () => {
      if (child.exitCode !== null) throw new Error(`dnsmasq ended: ${said}`);
      return said.includes('started');
    });
  }

  /** Other answers from now on, of the same server. */
  rewrite(hosts: readonly string[]): void {
    writeFileSync(join(this.#dir, 'hosts'), `${hosts.join('\n')}\n`);
    signal(this.#dnsmasq?.pid, 'SIGHUP');
  }

  async endServer(): Promise<void> {
    await ended(this.#dnsmasq);
    this.#dnsmasq = null;
  }

  async #close(): Promise<void> {
    await this.endServer();
    await ended(this.#inside);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
