/** A client that counts while slots move, and whether all is there afterwards, once. */
import assert from 'node:assert/strict';
import { Cluster } from 'ioredis';
import { type ClusterServers, done, oracle } from './cluster-servers.ts';
import { atEnd, Beside, type Scope } from './scope.ts';

/** Each is 100 ms after the last. */
const REDIRECTIONS_MAX = 300;
const AT_ONCE = 500;
const COUNTERS = 200;

export function clientOf(owner: Scope, servers: ClusterServers): Cluster {
  const client = new Cluster(
    servers.ports.map((port) => ({ host: '127.0.0.1', port })),
    {
      redisOptions: { password: servers.password, maxRetriesPerRequest: null },
      // A server that was started again answers CLUSTERDOWN for some seconds.
      maxRedirections: REDIRECTIONS_MAX,
    },
  );
  atEnd(owner, async () => client.disconnect());
  return client;
}

/** `key:0` and so on, each with a value of its own. */
export async function fill(client: Cluster, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, keys - from) }, (_, i) =>
        client.set(`key:${from + i}`, `value ${from + i}`),
      ),
    );
}

export async function isFilled(client: Cluster, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, keys - from) }, (_, i) => from + i);
    const values = await Promise.all(names.map((n) => client.get(`key:${n}`)));
    assert.deepEqual(
      values,
      names.map((n) => `value ${n}`),
    );
  }
}

/** Every key is on one server only, and redis-cli finds the cluster sound. */
export async function isWhole(servers: ClusterServers, keys: number): Promise<void> {
  assert.match(done(await oracle('check', servers.at(0))), /All 16384 slots covered/);
  const found = await servers.keys();
  const twice = [...found].filter(([, on]) => on.length !== 1);
  assert.deepEqual(twice, []);
  assert.ok(found.size >= keys, `${found.size} keys of ${keys}`);
}

/**
 * Counters that are counted up, and how often each was acknowledged: by `incr`, or by `set` where
 * servers are killed, since a client sends again what got no answer.
 */
export class Counting {
  readonly acknowledged = new Array<number>(COUNTERS).fill(0);
  stallMs = 0;
  readonly #name: string;
  readonly #how: 'incr' | 'set';
  readonly #client: Cluster;
  readonly #beside: Beside<void>;

  constructor(owner: Scope, servers: ClusterServers, name: string, how: 'incr' | 'set' = 'incr') {
    this.#name = name;
    this.#how = how;
    this.#client = clientOf(owner, servers);
    this.#beside = new Beside(owner, (isOn) => this.#run(isOn));
  }

  async #run(isOn: () => boolean): Promise<void> {
    for (let n = 0; isOn(); n = (n + 1) % COUNTERS) {
      const begin = performance.now();
      const [key, next] = [`${this.#name}:${n}`, (this.acknowledged[n] ?? 0) + 1];
      await (this.#how === 'incr' ? this.#client.incr(key) : this.#client.set(key, next));
      this.stallMs = Math.max(this.stallMs, performance.now() - begin);
      this.acknowledged[n] = next;
    }
  }

  /** Every count is what was acknowledged: none lost, none twice. */
  async end(): Promise<number> {
    await this.#beside.stop();
    for (const [n, want] of this.acknowledged.entries())
      if (want > 0) assert.equal(Number(await this.#client.get(`${this.#name}:${n}`)), want);
    return this.acknowledged.reduce((sum, count) => sum + count, 0);
  }
}
