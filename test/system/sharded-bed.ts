/** A deployment of many shards, as its clients and its operators see it. */
import assert from 'node:assert/strict';
import { Cluster } from 'ioredis';
import { SLOTS_ALL } from '../../src/core/cluster/slots.ts';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { atEnd, Beside, type Scope } from './scope.ts';
import { Failure, type Value, Wire } from './wire.ts';

/** Far above what any of it takes; the figures say how long it was. */
const OK_MS_MAX = 90_000;
/** One reply of a server that is there. */
const ANSWER_MS = 1_000;
const AT_ONCE = 500;
const WAIT_MS = 1_000;

export interface Owner {
  readonly port: number;
  readonly slots: number;
  readonly replicas: readonly number[];
}

export class ShardedBed {
  readonly deployment: Deployment;

  private constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  /** Nothing runs yet. */
  static async prepare(scope: Scope, nodes: number): Promise<ShardedBed> {
    const flags = [
      '--consistency',
      'eventual',
      '--shards',
      '3',
      '--replicas',
      '1',
      '--expect',
      '6',
    ];
    return new ShardedBed(
      await Deployment.prepare(scope, {
        nodes,
        flags,
        // Within the claimed step: the usual one is where another deployment may be.
        environmentOf: (i, { basePort }) => ({ ALTHING_BUS_PORT: String(basePort + 2_010 + i) }),
      }),
    );
  }

  /** How often one of these took no writes any more, or its server was ended. */
  lapses(nodes: readonly number[]): number {
    const ends = /"event":"(primary\.shut|server\.down)"/g;
    return nodes.reduce((sum, i) => sum + [...this.deployment.log(i).matchAll(ends)].length, 0);
  }

  /** Of these nodes every server says that all slots are served; yields how long it took, in ms. */
  async areOk(what: string, nodes: readonly number[]): Promise<number> {
    const beganMs = performance.now();
    await until(`${what}: cluster_state:ok`, OK_MS_MAX, async () => {
      const infos = await Promise.all(nodes.map((i) => this.call(i, 'CLUSTER', 'INFO')));
      return infos.every(
        (info) =>
          typeof info === 'string' &&
          info.includes('cluster_state:ok') &&
          info.includes(`cluster_slots_ok:${SLOTS_ALL}`),
      );
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.deployment.lastWords(30)}`);
    });
    return Math.round(performance.now() - beganMs);
  }

  /** Every shard takes writes, and has so many replicas; null while it is not so. */
  async shards(by: number, replicas: number): Promise<readonly Owner[] | null> {
    const owners = ownersFrom(await this.call(by, 'CLUSTER', 'NODES'));
    if (owners === null || owners.some((each) => each.replicas.length < replicas)) return null;
    return owners;
  }

  async call(i: number, ...words: string[]): Promise<Value> {
    return this.callAt(this.deployment.port(i), ...words);
  }

  async callAt(port: number, ...words: string[]): Promise<Value> {
    const wire = new Wire(port);
    try {
      wire.command(...words);
      return await wire.reply(ANSWER_MS);
    } catch (error) {
      return new Failure(String(error));
    } finally {
      wire.close();
    }
  }

  client(scope: Scope): Cluster {
    const client = new Cluster(
      this.deployment.ports.map((port) => ({ host: '127.0.0.1', port })),
      { redisOptions: { maxRetriesPerRequest: null } },
    );
    client.on('error', () => undefined);
    atEnd(scope, async () => client.disconnect());
    return client;
  }

  async fill(client: Cluster, keys: number): Promise<void> {
    for (let from = 0; from < keys; from += AT_ONCE)
      await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, keys - from) }, (_, i) =>
          client.set(`key:${from + i}`, `value ${from + i}`),
        ),
      );
  }

  async assertFilled(client: Cluster, keys: number): Promise<void> {
    for (let from = 0; from < keys; from += AT_ONCE) {
      const names = Array.from({ length: Math.min(AT_ONCE, keys - from) }, (_, i) => from + i);
      const values = await Promise.all(names.map((n) => client.get(`key:${n}`)));
      for (const [at, n] of names.entries()) assert.equal(values[at], `value ${n}`, `key:${n}`);
    }
  }

  async change(spec: Readonly<Record<string, unknown>>): Promise<number> {
    const at = `http://127.0.0.1:${this.deployment.httpPort(0)}/spec`;
    const version = (await fetch(at)).headers.get('etag') ?? '';
    const answer = await fetch(at, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', 'if-match': version },
      body: JSON.stringify(spec),
    });
    return answer.status;
  }

  node(port: number): number {
    return port - this.deployment.basePort;
  }
}

/** Null while somebody has not heard of all, or slots are nobody's. */
function ownersFrom(text: Value): Owner[] | null {
  if (typeof text !== 'string') return null;
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const isUp = (line: readonly string[]): boolean =>
    !(line[2] ?? '').split(',').some((flag) => /^(fail\??|handshake|noaddr)$/.test(flag));
  const portOf = (line: readonly string[]): number => Number(/:(\d+)@/.exec(line[1] ?? '')?.[1]);
  const owners = lines
    .filter((line) => isUp(line) && /master/.test(line[2] ?? '') && line.length > 8)
    .map((line) => ({
      port: portOf(line),
      slots: line.slice(8).reduce((sum, range) => sum + sizeOf(range), 0),
      replicas: lines.filter((other) => isUp(other) && other[3] === line[0]).map(portOf),
    }));
  return owners.reduce((sum, { slots }) => sum + slots, 0) === SLOTS_ALL ? owners : null;
}

function sizeOf(range: string): number {
  const [from = Number.NaN, to = from] = range.split('-').map(Number);
  return Number.isNaN(from) ? 0 : to - from + 1;
}

/** Writes one key after the other, and knows what was acknowledged, and what went wrong. */
export class ShardWriter {
  readonly acknowledged = new Map<string, string>();
  /** Errors that came through a client that follows redirections. */
  readonly errors = new Map<string, number>();
  stallMs = 0;
  readonly #client: Cluster;
  readonly #beside: Beside<void>;

  constructor(scope: Scope, client: Cluster) {
    this.#client = client;
    this.#beside = new Beside(scope, (isOn) => this.#run(isOn));
  }

  async #run(isOn: () => boolean): Promise<void> {
    let lastMs = performance.now();
    for (let n = 0; isOn(); n++) {
      const [key, value] = [`w:${n % 5_000}`, String(n)];
      try {
        await this.#client.set(key, value);
        this.acknowledged.set(key, value);
        this.stallMs = Math.max(this.stallMs, Math.round(performance.now() - lastMs));
        lastMs = performance.now();
      } catch (error) {
        const [code = ''] = String((error as Error).message).split(' ');
        this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
        // Whether it was taken nobody knows.
        this.acknowledged.delete(key);
      }
    }
  }

  stop(): Promise<void> {
    return this.#beside.stop();
  }
}

/** Through one connection to a primary: keys of its slots that a replica has, too. */
export async function writeReplicated(port: number, tag: string, count: number): Promise<string[]> {
  const wire = new Wire(port);
  const replicated: string[] = [];
  try {
    for (let n = 0; n < count; n++) {
      const key = `{${tag}}:${n}`;
      if ((await wire.call('SET', key, 'kept')) !== 'OK') continue;
      if (Number(await wire.call('WAIT', '1', String(WAIT_MS))) >= 1) replicated.push(key);
    }
  } finally {
    wire.close();
  }
  return replicated;
}
