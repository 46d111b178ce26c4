/**
 * The newcomer's proof: writes unique values through every port, and reads back in the end every
 * one that was acknowledged.
 *
 * Each write sets its own field of one hash, so a write whose outcome is unknown is simply sent
 * again. Only an acknowledged one counts, and a counted one that cannot be read is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Reply, RespClient, RespError } from './resp-client.ts';

export interface Tally {
  readonly state: 'off' | 'writing' | 'checking';
  readonly acknowledged: number;
  /** Null until it was checked. */
  readonly lost: number | null;
  readonly longestGapMs: number;
}

/** Bounds the memory of the count and the size of the hash; then it stops and checks by itself. */
const WRITES_MAX = 1_000_000;
/** Enough to see a gap to the millisecond, and little enough to leave the machine to its owner. */
const PAUSE_MS = 4;
const RETRY_MS = 20;
/** For one try, on one port. Much longer than a slow disk takes, and a try again costs nothing. */
const WRITE_PATIENCE_MS = 1_000;
const CHECK_BATCH = 500;
/** For one batch over all ports: longer than any failover that we promise. */
const CHECK_PATIENCE_MS = 10_000;

export class Writer {
  readonly #ports: readonly number[];
  readonly #password: string | null;
  readonly #key: string;
  readonly #acknowledged: number[] = [];
  #state: Tally['state'] = 'off';
  #next = 0;
  #lost: number | null = null;
  #longestGapMs = 0;
  #lastAt = 0;
  #done: Promise<void> = Promise.resolve();

  constructor(ports: readonly number[], password: string | null, run: string) {
    this.#ports = ports;
    this.#password = password;
    this.#key = `althing:writer:${run}`;
  }

  tally(): Tally {
    const waiting = this.#state === 'writing' ? performance.now() - this.#lastAt : 0;
    return {
      state: this.#state,
      acknowledged: this.#acknowledged.length,
      lost: this.#lost,
      longestGapMs: Math.round(Math.max(this.#longestGapMs, waiting)),
    };
  }

  start(): void {
    this.#state = 'writing';
    this.#lastAt = performance.now();
    const lanes = this.#ports.map((_, lane) => this.#write(lane));
    this.#done = Promise.all(lanes).then(() => this.#check());
  }

  /** Ends the writing, and resolves when everything acknowledged was looked up. */
  async stop(): Promise<Tally> {
    if (this.#state === 'writing') this.#state = 'checking';
    await this.#done;
    return this.tally();
  }

  /** Ends at once, checking nothing. */
  abandon(): void {
    this.#state = 'off';
  }

  async #write(lane: number): Promise<void> {
    const connection = new Connection(this.#ports, lane, this.#password);
    while (this.#state === 'writing' && this.#next < WRITES_MAX) {
      const id = this.#next++;
      const command = ['HSET', this.#key, String(id), this.#valueOf(id)];
      while (this.#state === 'writing') {
        if ((await connection.call(command, WRITE_PATIENCE_MS)) !== null) {
          this.#acknowledge(id);
          break;
        }
        await sleep(RETRY_MS);
      }
      await sleep(PAUSE_MS);
    }
    connection.close();
  }

  #acknowledge(id: number): void {
    const now = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
    this.#acknowledged.push(id);
  }

  #valueOf(id: number): string {
    return `${this.#key}:${id}`;
  }

  async #check(): Promise<void> {
    if (this.#state === 'off') return;
    this.#state = 'checking';
    const connection = new Connection(this.#ports, 0, this.#password);
    let lost: number | null = 0;
    for (let at = 0; at < this.#acknowledged.length && lost !== null; at += CHECK_BATCH) {
      const missing = await this.#missingOf(
        connection,
        this.#acknowledged.slice(at, at + CHECK_BATCH),
      );
      lost = missing === null ? null : lost + missing;
    }
    // What was lost stays, to be looked into.
    if (lost === 0) await connection.call(['UNLINK', this.#key], WRITE_PATIENCE_MS);
    connection.close();
    this.#lost = lost;
    this.#state = 'off';
  }

  /** How many of these are not there; null when no port answers. */
  async #missingOf(connection: Connection, ids: readonly number[]): Promise<number | null> {
    const deadline = performance.now() + CHECK_PATIENCE_MS;
    while (performance.now() < deadline && this.#state === 'checking') {
      const values = await connection.call(
        ['HMGET', this.#key, ...ids.map(String)],
        WRITE_PATIENCE_MS,
      );
      if (Array.isArray(values))
        return ids.filter((id, i) => values[i] !== this.#valueOf(id)).length;
      await sleep(RETRY_MS);
    }
    return null;
  }
}

/** A connection that goes on to the next port when one fails. */
class Connection {
  readonly #ports: readonly number[];
  readonly #password: string | null;
  #turn: number;
  #client: RespClient | null = null;

  constructor(ports: readonly number[], turn: number, password: string | null) {
    this.#ports = ports;
    this.#turn = turn;
    this.#password = password;
  }

  /** Null for an error of any kind: the outcome is unknown, or it was refused. */
  async call(args: readonly string[], patienceMs: number): Promise<Exclude<Reply, null> | null> {
    try {
      const client = this.#client ?? (await this.#open(patienceMs));
      const reply = await client.call(args, patienceMs);
      if (!(reply instanceof RespError)) return reply;
    } catch {
      // Below: another port, another connection.
    }
    this.close();
    return null;
  }

  close(): void {
    this.#client?.close();
    this.#client = null;
  }

  async #open(patienceMs: number): Promise<RespClient> {
    const port = this.#ports[this.#turn++ % this.#ports.length] ?? 0;
    this.#client = new RespClient(port);
    if (this.#password !== null) await this.#client.call(['AUTH', this.#password], patienceMs);
    return this.#client;
  }
}
