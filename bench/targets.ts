/** The two things compared, started and stopped: a bare server, and a deployment of three nodes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentAnswer, askStatus } from '../src/doors/cli/up/agent-http.ts';
import { RespClient } from '../src/doors/cli/up/resp-client.ts';
import type { NamedProcess } from './cpu.ts';

export interface Target {
  readonly name: string;
  /** Where the load goes now: for a deployment the leader's port. */
  port(): Promise<number>;
  processes(): Promise<readonly NamedProcess[]>;
  /** Also when it never started; may be called twice. */
  stop(): Promise<void>;
}

export class TargetError extends Error {
  override readonly name = 'TargetError';
}

const NODES = 3;
const START_MS_MAX = 60_000;
/** `up` gives its agents ten seconds. */
const STOP_MS_MAX = 20_000;
/** An election and a new leader's opening, with room. */
const LEADER_MS_MAX = 15_000;
const LOOK_EVERY_MS = 100;
/** What a process said last, for the error when it does not start. */
const LAST_WORDS_LENGTH = 1_000;

class Child {
  readonly process: ChildProcess;
  lastWords = '';

  constructor(program: string, args: readonly string[]) {
    this.process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.lastWords = (this.lastWords + text).slice(-LAST_WORDS_LENGTH);
      });
    this.process.on('error', (error) => {
      this.lastWords += error.message;
    });
  }

  get isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  async until(isTrue: () => Promise<boolean>, what: string, signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + START_MS_MAX;
    while (!(await isTrue())) {
      signal.throwIfAborted();
      if (!this.isRunning || performance.now() > deadlineMs)
        throw new TargetError(`${what}; its last words:\n${this.lastWords}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const late = sleep(STOP_MS_MAX, 'late', { ref: false });
    if ((await Promise.race([gone, late])) !== 'late') return;
    this.process.kill('SIGKILL');
    await gone;
  }
}

export class BareServer implements Target {
  readonly name = 'bare';
  readonly #port: number;
  readonly #child: Child;

  constructor({ server, port, dir }: { server: string; port: number; dir: string }) {
    this.#port = port;
    const settings = { port, bind: '127.0.0.1', dir, save: '', appendonly: 'no' };
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
    this.#child = new Child(server, args);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#child.until(
      () => answersPing(this.#port),
      'the bare server did not start',
      signal,
    );
  }

  async port(): Promise<number> {
    return this.#port;
  }

  async processes(): Promise<readonly NamedProcess[]> {
    return [{ name: 'bare server', pid: this.#child.process.pid ?? 0 }];
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}

export interface Sight extends AgentAnswer {
  readonly node: string;
  readonly clientPort: number;
}

export class DeploymentTarget implements Target {
  readonly name = 'deployment';
  readonly #basePort: number;
  readonly #child: Child;
  /** Every pid that was ever seen, so that none stays behind when `up` has to be killed. */
  readonly #pids = new Set<number>();

  constructor(options: { root: string; server: string; basePort: number; dir: string }) {
    const { root, server, basePort, dir } = options;
    this.#basePort = basePort;
    const flags = ['--nodes', NODES, '--base-port', basePort, '--dir', dir, '--server', server];
    this.#child = new Child(join(root, 'bin', 'althing'), ['up', ...flags.map(String)]);
  }

  get clientPorts(): readonly number[] {
    return Array.from({ length: NODES }, (_, i) => this.#basePort + i);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.untilLevel('the deployment did not start', signal);
  }

  /** All nodes ready, none far behind: what came before does not weigh on what comes next. */
  untilLevel(what: string, signal: AbortSignal): Promise<void> {
    const isLevel = async () => {
      const sights = await this.look();
      return sights.every(({ ready, status }) => ready && isCaughtUp(status));
    };
    return this.#child.until(isLevel, what, signal);
  }

  async look(): Promise<readonly Sight[]> {
    const sights = await Promise.all(
      this.clientPorts.map(async (clientPort, i) => {
        const answer = await askStatus(clientPort + 2_000);
        return { ...answer, clientPort, node: answer.status?.node ?? `node${i + 1}` };
      }),
    );
    for (const { status } of sights)
      for (const pid of [status?.pid, status?.server.pid]) if (pid) this.#pids.add(pid);
    return sights;
  }

  async leader(): Promise<Sight> {
    const deadlineMs = performance.now() + LEADER_MS_MAX;
    while (performance.now() < deadlineMs) {
      const leaders = (await this.look()).filter(({ status }) => status?.role === 'leader');
      // One that was paused or cut off may not know yet that another leads in a higher term.
      const leader = leaders.toSorted((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0))[0];
      if (leader?.ready) return leader;
      await sleep(LOOK_EVERY_MS);
    }
    throw new TargetError('the deployment has no leader');
  }

  async port(): Promise<number> {
    return (await this.leader()).clientPort;
  }

  async processes(): Promise<readonly NamedProcess[]> {
    const sights = await this.look();
    let followers = 0;
    return sights
      .toSorted((a, b) => Number(b.status?.role === 'leader') - Number(a.status?.role === 'leader'))
      .flatMap(({ status }) => {
        if (status === null) return [];
        const who = status.role === 'leader' ? 'leader' : `follower ${++followers}`;
        return [
          { name: `${who} agent`, pid: status.pid },
          { name: `${who} server`, pid: status.server.pid ?? 0 },
        ];
      });
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    for (const pid of this.#pids) {
      // They end with `up`; this is for an `up` that had to be killed.
      if (await isGone(pid)) continue;
      process.kill(pid, 'SIGKILL');
    }
  }
}

/** A few appends of lag are the rule while anything is written. */
const LAG_BYTES_MAX = 64 * 1024;

function isCaughtUp(status: AgentAnswer['status']): boolean {
  if (status === null) return false;
  if (status.role !== 'leader') return status.leader !== null;
  const voters = status.members.filter(({ role }) => role !== 'copy');
  return voters.every(({ lagBytes }) => lagBytes !== null && lagBytes <= LAG_BYTES_MAX);
}

const GONE_MS_MAX = 5_000;

/** True once the process has ended, within the time that agents take to notice a dead `up`. */
async function isGone(pid: number): Promise<boolean> {
  const deadlineMs = performance.now() + GONE_MS_MAX;
  while (performance.now() < deadlineMs) {
    try {
      process.kill(pid, 0);
    } catch {
      return true;
    }
    await sleep(LOOK_EVERY_MS);
  }
  return false;
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

/** A base port whose whole set is free now: `count` ports from each of its offsets. */
export async function findBasePort(offsets: readonly number[], count: number): Promise<number> {
  for (let base = 21_000; base < 29_000; base += 50) {
    const ports = offsets.flatMap((offset) =>
      Array.from({ length: count }, (_, i) => base + offset + i),
    );
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new TargetError('no free ports from 21000 to 31000');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
