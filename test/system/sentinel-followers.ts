/** Client libraries that find the primary through the Sentinel doors, and where each writes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createSentinel } from 'redis';
import { type Deployment, ROOT } from './deployment.ts';
import { median } from './figures.ts';
import { until } from './processes.ts';
import { atEnd, Beside, type Scope } from './scope.ts';

/** Their own patience with nodes that are gone is a second or more. */
const FOLLOW_MS_MAX = 20_000;
const CLIENTS = process.env['ALTHING_TEST_CLIENTS'];
const WHY_NOT = 'the library is not there: see `npm run servers`';

/** A client that writes again and again, and where it last did. */
interface Follower {
  readonly name: string;
  port: number;
}

interface Doors {
  readonly sentinels: { readonly host: string; readonly port: number }[];
  readonly name: string;
}

/** All of them at once, on one deployment, by its own name and by the one that it has beside. */
export class SentinelFollowers {
  readonly #deployment: Deployment;
  readonly #all: readonly Follower[];
  readonly #took: ReadonlyMap<string, number[]>;

  private constructor(deployment: Deployment, all: readonly Follower[]) {
    this.#deployment = deployment;
    this.#all = all;
    this.#took = new Map(all.map(({ name }) => [name, []]));
  }

  static async begin(
    scope: Scope & { readonly diagnostic: (text: string) => void },
    deployment: Deployment,
  ): Promise<SentinelFollowers> {
    const sentinels = deployment.indices.map((i) => ({
      host: '127.0.0.1',
      port: deployment.sentinelPort(i),
    }));
    const own = { sentinels, name: 'trial' };
    const alias = { sentinels, name: 'mymaster' };
    const followers = [ioredis(scope, own), await nodeRedis(scope, alias)];
    if (CLIENTS === undefined) scope.diagnostic(`python, perl, php: ${WHY_NOT}`);
    else
      followers.push(
        program(scope, 'python-redis', 'follow.py', own),
        program(scope, 'perl-redis', 'follow.pl', alias),
        program(scope, 'php-redis', 'follow.php', alias),
      );
    return new SentinelFollowers(deployment, followers);
  }

  /** Until every one of them has written at `leader`. */
  async follow(leader: number, what: string): Promise<void> {
    const port = this.#deployment.port(leader);
    const begin = performance.now();
    const late = new Set(this.#all);
    await until(`all write at ${port} after ${what}`, FOLLOW_MS_MAX, () => {
      for (const each of late) {
        if (each.port !== port) continue;
        this.#took.get(each.name)?.push(Math.round(performance.now() - begin));
        late.delete(each);
      }
      return late.size === 0;
    }).catch((error: Error) => {
      const where = [...late].map(({ name, port: at }) => `${name} writes at ${at}`);
      throw new Error(`${error.message}; ${where.join(', ')}\n${this.#deployment.lastWords()}`);
    });
  }

  /** Of each, how long it took. */
  get figures(): Record<string, { readonly median: number; readonly max: number }> {
    return Object.fromEntries(
      [...this.#took].map(([name, all]) => [name, { median: median(all), max: Math.max(...all) }]),
    );
  }
}

function following(scope: Scope, name: string, write: () => Promise<number>): Follower {
  const follower = { name, port: 0 };
  new Beside(scope, async (isOn) => {
    while (isOn()) {
      follower.port = await write().catch(() => 0);
      await sleep(50);
    }
  });
  return follower;
}

/**
 * A connection for each write: one that stays is passed on to the next leader, which is as good.
 * Its `failoverDetector` is not used: in 6.0.0 an announcement ends a client for good that is
 * reconnecting at that moment.
 */
function ioredis(scope: Scope, { sentinels, name }: Doors): Follower {
  return following(scope, 'ioredis', async () => {
    const client = new Redis({ sentinels, name, connectTimeout: 2_000, maxRetriesPerRequest: 1 });
    client.on('error', () => undefined);
    try {
      await client.incr('ioredis');
      return (client.stream as { remotePort?: number }).remotePort ?? 0;
    } finally {
      client.disconnect();
    }
  });
}

async function nodeRedis(scope: Scope, { sentinels, name }: Doors): Promise<Follower> {
  const options = { name, sentinelRootNodes: [...sentinels], RESP: 3 as const };
  const client = createSentinel({ ...options, maxCommandRediscovers: 1_000 });
  client.on('error', () => undefined);
  await client.connect();
  atEnd(scope, async () => client.destroy());
  return following(scope, 'node-redis', async () => {
    await client.incr('node-redis');
    return client.getMasterNode()?.port ?? 0;
  });
}

/** A program of another language, which says where it writes, line by line. */
function program(scope: Scope, name: string, script: string, doors: Doors): Follower {
  const follower = { name, port: 0 };
  const path = join(ROOT, 'test', 'system', 'followers', script);
  const ports = doors.sentinels.map(({ port }) => String(port));
  const starter = join(CLIENTS ?? '', name);
  const words = ['--pdeathsig', 'KILL', '--', starter, path, doors.name, ...ports];
  const child: ChildProcess = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout !== null)
    createInterface(child.stdout).on('line', (line) => {
      follower.port = /^\d+$/.test(line) ? Number(line) : 0;
    });
  atEnd(scope, async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return follower;
}
