/**
 * Time to recover: a writer per client port runs while the leader's agent is killed; the time is
 * from the kill to the first acknowledgement of a write that was sent after it, on any port.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RespClient } from '../src/doors/cli/up/resp-client.ts';
import type { DeploymentTarget } from './targets.ts';

export interface Recovery {
  /** From the kill to the next acknowledged write. */
  readonly recoveredMs: number;
  readonly acknowledged: number;
  /** Acknowledged writes that are not there afterwards. */
  readonly lost: number;
}

/** Above the time a node waits for a leader before it says that there is none. */
const CALL_MS_MAX = 10_000;
const RETRY_AFTER_MS = 10;
const WRITE_BEFORE_MS = 1_000;
const WRITE_AFTER_MS = 1_000;
const RECOVER_MS_MAX = 30_000;
const READ_BATCH = 500;

export async function measureRecovery(
  deployment: DeploymentTarget,
  run: string,
  signal: AbortSignal,
): Promise<Recovery> {
  await deployment.untilLevel('the deployment did not get level', signal);
  const writers = deployment.clientPorts.map((port) => new Writer(port, `${run}:${port}`));
  try {
    for (const writer of writers) writer.start();
    await sleep(WRITE_BEFORE_MS, undefined, { signal });
    const { status } = await deployment.leader();
    const killedAtMs = performance.now();
    if (status !== null) process.kill(status.pid, 'SIGKILL');
    const recoveredMs = await firstAfter(writers, killedAtMs, signal);
    await sleep(WRITE_AFTER_MS, undefined, { signal });
    await Promise.all(writers.map((writer) => writer.stop()));
    await deployment.untilLevel('the deployment did not get level after the kill', signal);
    const lost = await countLost(await deployment.port(), writers);
    const acknowledged = writers.reduce((sum, { keys }) => sum + keys.length, 0);
    return { recoveredMs, acknowledged, lost };
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
}

async function firstAfter(
  writers: readonly Writer[],
  killedAtMs: number,
  signal: AbortSignal,
): Promise<number> {
  while (performance.now() - killedAtMs < RECOVER_MS_MAX) {
    const first = Math.min(...writers.map((writer) => writer.acknowledgedAfter(killedAtMs)));
    if (Number.isFinite(first)) return first - killedAtMs;
    await sleep(5, undefined, { signal });
  }
  return Number.POSITIVE_INFINITY;
}

class Writer {
  readonly #port: number;
  readonly #prefix: string;
  /** Keys whose write was acknowledged; each holds its own name. */
  readonly keys: string[] = [];
  #sentAtMs = 0;
  #acknowledged: { sentAtMs: number; atMs: number }[] = [];
  #stopping = false;
  #done: Promise<void> = Promise.resolve();
  #client: RespClient | null = null;

  constructor(port: number, prefix: string) {
    this.#port = port;
    this.#prefix = prefix;
  }

  start(): void {
    this.#done = this.#write();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    // A write still waiting is not worth waiting for: nobody was told that it was done.
    this.#client?.close();
    await this.#done;
  }

  acknowledgedAfter(sinceMs: number): number {
    const found = this.#acknowledged.find(({ sentAtMs }) => sentAtMs >= sinceMs);
    return found?.atMs ?? Number.POSITIVE_INFINITY;
  }

  async #write(): Promise<void> {
    for (let n = 0; !this.#stopping; n++) {
      const key = `${this.#prefix}:${n}`;
      this.#sentAtMs = performance.now();
      try {
        this.#client ??= new RespClient(this.#port);
        const reply = await this.#client.call(['SET', key, key], CALL_MS_MAX);
        if (reply !== 'OK') throw new Error('not acknowledged');
        this.keys.push(key);
        this.#acknowledged.push({ sentAtMs: this.#sentAtMs, atMs: performance.now() });
      } catch {
        this.#client?.close();
        this.#client = null;
        await sleep(RETRY_AFTER_MS);
      }
    }
    this.#client?.close();
  }
}

async function countLost(port: number, writers: readonly Writer[]): Promise<number> {
  const client = new RespClient(port);
  try {
    let lost = 0;
    const keys = writers.flatMap((writer) => writer.keys);
    for (let at = 0; at < keys.length; at += READ_BATCH) {
      const batch = keys.slice(at, at + READ_BATCH);
      const values = await client.call(['MGET', ...batch], CALL_MS_MAX);
      if (!Array.isArray(values)) throw new Error('MGET was refused');
      lost += batch.filter((key, i) => values[i] !== key).length;
    }
    return lost;
  } finally {
    client.close();
  }
}
