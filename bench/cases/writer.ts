/**
 * One client on one node that writes one key after the other, through failures, and remembers what
 * was acknowledged and when.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RespClient } from '../../src/doors/cli/up/resp-client.ts';

/** Above the time a node waits for a leader before it says that there is none. */
const CALL_MS_MAX = 10_000;
/** A client library's first retry; it is part of the time to recover. */
const RETRY_AFTER_MS = 5;
const READ_BATCH = 500;

interface Acknowledged {
  readonly sentAtMs: number;
  readonly atMs: number;
}

export class Writer {
  readonly #port: number;
  readonly #prefix: string;
  /** Keys whose write was acknowledged; each holds its own name. */
  readonly keys: string[] = [];
  readonly #acknowledged: Acknowledged[] = [];
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

  /** Of a write that was sent after `sinceMs`; infinite while there is none. */
  acknowledgedAfter(sinceMs: number): number {
    const found = this.#acknowledged.find(({ sentAtMs }) => sentAtMs >= sinceMs);
    return found?.atMs ?? Number.POSITIVE_INFINITY;
  }

  get times(): number[] {
    return this.#acknowledged.map(({ atMs }) => atMs);
  }

  async #write(): Promise<void> {
    for (let n = 0; !this.#stopping; n++) {
      const key = `${this.#prefix}:${n}`;
      const sentAtMs = performance.now();
      try {
        this.#client ??= new RespClient(this.#port);
        const reply = await this.#client.call(['SET', key, key], CALL_MS_MAX);
        if (reply !== 'OK') throw new Error('not acknowledged');
        this.keys.push(key);
        this.#acknowledged.push({ sentAtMs, atMs: performance.now() });
      } catch {
        this.#client?.close();
        this.#client = null;
        await sleep(RETRY_AFTER_MS);
      }
    }
    this.#client?.close();
  }
}

/** Acknowledged keys that do not hold their value now. */
export async function countLost(port: number, writers: readonly Writer[]): Promise<number> {
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
