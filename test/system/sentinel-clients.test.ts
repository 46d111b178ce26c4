/** Libraries find the leader through the Sentinel doors, and follow it, as they are published. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createSentinel } from 'redis';
import { Deployment, ROOT } from './deployment.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { until } from './processes.ts';
import { atEnd, Beside, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

/** Each is a switchover by SENTINEL FAILOVER, and then the leader's death. */
const ROUNDS = IS_FULL ? 10 : 3;
/** Their own patience with nodes that are gone is a second or more. */
const FOLLOW_MS_MAX = 20_000;
const CLIENTS = process.env['ALTHING_TEST_CLIENTS'];
const WHY_NOT = 'the library is not there: see `npm run servers`';

/** A client that writes again and again, and where it last did. */
interface Follower {
  readonly name: string;
  port: number;
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

interface Doors {
  readonly sentinels: { readonly host: string; readonly port: number }[];
  readonly name: string;
}

async function idOf(deployment: Deployment, i: number): Promise<unknown> {
  const door = new Wire(deployment.sentinelPort(i));
  const id = await door.must('SENTINEL', 'MYID');
  door.close();
  return id;
}

test(`libraries follow ${ROUNDS} switchovers and as many failovers through the doors`, async (t) => {
  const deployment = await Deployment.agents(t, { hasSentinel: true });
  const sentinels = deployment.indices.map((i) => ({
    host: '127.0.0.1',
    port: deployment.sentinelPort(i),
  }));
  const [own, alias] = ['trial', 'mymaster'].map((name) => ({ sentinels, name }));
  assert.ok(own !== undefined && alias !== undefined);
  const followers = [ioredis(t, own), await nodeRedis(t, alias)];
  if (CLIENTS === undefined) t.diagnostic(`python, perl, php: ${WHY_NOT}`);
  else
    followers.push(
      program(t, 'python-redis', 'follow.py', own),
      program(t, 'perl-redis', 'follow.pl', alias),
      program(t, 'php-redis', 'follow.php', alias),
    );
  const took = new Map<string, number[]>(followers.map(({ name }) => [name, []]));
  const allFollow = async (leader: number, what: string) => {
    const port = deployment.port(leader);
    const begin = performance.now();
    const late = new Set(followers);
    await until(`all write at ${port} after ${what}`, FOLLOW_MS_MAX, () => {
      for (const each of late) {
        if (each.port !== port) continue;
        took.get(each.name)?.push(Math.round(performance.now() - begin));
        late.delete(each);
      }
      return late.size === 0;
    }).catch((error: Error) => {
      const where = [...late].map(({ name, port: at }) => `${name} writes at ${at}`);
      throw new Error(`${error.message}; ${where.join(', ')}\n${deployment.lastWords()}`);
    });
  };
  await allFollow(await deployment.leader(), 'the start');
  for (let round = 0; round < ROUNDS; round++) {
    const old = await deployment.leader();
    const door = new Wire(deployment.sentinelPort((old + round) % deployment.nodes));
    assert.equal(await door.must('SENTINEL', 'FAILOVER', 'mymaster'), 'OK');
    door.close();
    const next = await deployment.leader();
    assert.notEqual(next, old, 'another node leads');
    await allFollow(next, 'a switchover');

    const id = await idOf(deployment, next);
    const witness = deployment.indices.find((i) => i !== next) ?? 0;
    const subscriber = new Wire(deployment.sentinelPort(witness));
    await subscriber.must('SUBSCRIBE', '+switch-master');
    await deployment.stopNode(next, 'SIGKILL');
    const heir = await deployment.leader();
    const moved = `127.0.0.1 ${deployment.port(next)} 127.0.0.1 ${deployment.port(heir)}`;
    for (const name of ['trial', 'mymaster'])
      assert.deepEqual(await subscriber.reply(), ['message', '+switch-master', `${name} ${moved}`]);
    subscriber.close();
    await allFollow(heir, 'a failover');
    deployment.startNode(next);
    await deployment.ready();
    assert.equal(await idOf(deployment, next), id, 'it is the same Sentinel');
  }
  figures('sentinel-clients', {
    rounds: ROUNDS,
    followMs: Object.fromEntries(
      [...took].map(([name, all]) => [name, { median: median(all), max: Math.max(...all) }]),
    ),
  });
});
