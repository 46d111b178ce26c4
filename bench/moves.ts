/**
 * How fast slots move, and what a client notices meanwhile: `althing cluster reshard` and
 * `redis-cli --cluster reshard` with the best of some pipeline settings, in turns on one cluster.
 *
 *   npm run bench:moves [-- SERVER [KEYS]]
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { ClusterServers, done, oracle, type Ran, tool } from '../test/system/cluster-servers.ts';
import type { Scope } from '../test/system/scope.ts';

const [PROGRAM = 'redis-server', KEYS_TEXT = '100000'] = process.argv.slice(2);
const KEYS = Number(KEYS_TEXT);
const VALUE = 'v'.repeat(100);
const AT_ONCE = 2_000;
const SLOTS = 4_000;
const TURNS = 3;
const PIPELINES = [10, 100];
/** Requests of the client beside: an open loop, half of them writes. */
const PER_SECOND = 500;
const TICK_MS = 10;

const ends: (() => Promise<void>)[] = [];
const scope: Scope = { after: (end) => void ends.push(end) };

/** Latencies in ms, from when each request was due. */
class PacedClient {
  readonly #client: Cluster;
  readonly #timer: NodeJS.Timeout;
  #latencies: number[] = [];
  #sent = 0;
  readonly #begin = performance.now();

  constructor(client: Cluster) {
    this.#client = client;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    for (;;) {
      const due = this.#begin + (this.#sent * 1_000) / PER_SECOND;
      if (due > performance.now()) return;
      const key = `key:${(this.#sent++ * 7919) % KEYS}`;
      const isWrite = this.#sent % 2 === 0;
      const call = isWrite ? this.#client.set(key, VALUE) : this.#client.get(key);
      // What is under way when the bench ends has no answer, and counts nowhere.
      void call.then(
        () => this.#latencies.push(performance.now() - due),
        () => undefined,
      );
    }
  }

  /** p99 and the longest, since the last time. */
  take(): { p99: number; max: number } {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    this.#latencies = [];
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return { p99: at(0.99), max: at(1) };
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

interface Result {
  readonly perSecond: number;
  readonly p99: number;
  readonly max: number;
}

class Bed {
  readonly servers: ClusterServers;
  readonly #paced: PacedClient;
  #isThere = true;

  constructor(servers: ClusterServers, paced: PacedClient) {
    this.servers = servers;
    this.#paced = paced;
  }

  /** Moves the same slots there and back, and waits until all agree. */
  async move(run: (...words: string[]) => Promise<Ran>, ...more: string[]): Promise<Result> {
    const [from, to] = this.#isThere ? [0, 2] : [2, 0];
    const before = await this.#keysOf(from);
    const ids = [await this.servers.id(from), await this.servers.id(to)] as const;
    const words = ['--cluster-from', ids[0], '--cluster-to', ids[1], '--cluster-slots'];
    const all = ['reshard', this.servers.at(1), ...words, String(SLOTS), '--cluster-yes', ...more];
    this.#paced.take();
    const begin = performance.now();
    done(await run(...all));
    const seconds = (performance.now() - begin) / 1_000;
    const { p99, max } = this.#paced.take();
    this.#isThere = !this.#isThere;
    while ((await oracle('check', this.servers.at(1))).code !== 0) await sleep(100);
    return { perSecond: (before - (await this.#keysOf(from))) / seconds, p99, max };
  }

  async #keysOf(i: number): Promise<number> {
    return Number(await this.servers.ask(i, 'DBSIZE'));
  }
}

function line(name: string, { perSecond, p99, max }: Result): void {
  const latency = `client p99 ${p99.toFixed(1)} ms, longest ${max.toFixed(0)} ms`;
  process.stdout.write(`${name}: ${Math.round(perSecond)} keys/s, ${latency}\n`);
}

function median(results: readonly Result[], of: (one: Result) => number): number {
  return results.map(of).toSorted((a, b) => a - b)[Math.floor(results.length / 2)] ?? Number.NaN;
}

async function versionOf(program: string): Promise<string> {
  return await new Promise((resolve) =>
    execFile(program, ['--version'], (_, stdout) => resolve(stdout.split(' sha')[0] ?? '')),
  );
}

async function main(program: string): Promise<void> {
  const servers = await ClusterServers.start(scope, 3, { program });
  done(await tool('create', ...servers.ports.map((_, i) => servers.at(i)), '-y'));
  const client = new Cluster(servers.ports.map((port) => ({ host: '127.0.0.1', port })));
  for (let from = 0; from < KEYS; from += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, KEYS - from) }, (_, i) =>
        client.set(`key:${from + i}`, VALUE),
      ),
    );
  const paced = new PacedClient(client);
  ends.unshift(async () => {
    paced.stop();
    client.disconnect();
  });
  const bed = new Bed(servers, paced);
  process.stdout.write(`${await versionOf(program)}: ${KEYS} keys of ${VALUE.length} bytes\n`);
  await sleep(2_000);
  const idle = paced.take();
  process.stdout.write(`nothing moves: client p99 ${idle.p99.toFixed(1)} ms\n`);
  const tried = new Map<number, Result>();
  for (const pipeline of PIPELINES) {
    const result = await bed.move(oracle, '--cluster-pipeline', String(pipeline));
    line(`redis-cli, pipeline ${pipeline}`, result);
    tried.set(pipeline, result);
  }
  const [best] = [...tried].toSorted(([, a], [, b]) => b.perSecond - a.perSecond)[0] ?? [10];
  const [ours, theirs]: Result[][] = [[], []];
  for (let turn = 0; turn < TURNS; turn++) {
    const mine = await bed.move(tool);
    line('althing', mine);
    const other = await bed.move(oracle, '--cluster-pipeline', String(best));
    line(`redis-cli, pipeline ${best}`, other);
    ours?.push(mine);
    theirs?.push(other);
  }
  for (const [name, all = []] of [
    ['althing', ours],
    [`redis-cli, pipeline ${best}`, theirs],
  ] as const)
    line(`median, ${name}`, {
      perSecond: median(all, (one) => one.perSecond),
      p99: median(all, (one) => one.p99),
      max: median(all, (one) => one.max),
    });
}

try {
  await main(PROGRAM);
} finally {
  for (const end of ends) await end();
}
