/** Libraries that know nothing of us, as their authors publish them, over every port. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Queue, Worker } from 'bullmq';
import { Redis as IoRedis } from 'ioredis';
import { Redis as IoValkey } from 'iovalkey';
import { createClient } from 'redis';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal, until } from './processes.ts';
import { fileScope } from './scope.ts';

const JOBS = IS_FULL ? 10_000 : 300;
const KILLS = IS_FULL ? 2 : 1;
const ADDING_AT_ONCE = 20;
const JOBS_MS_MAX = IS_FULL ? 600_000 : 60_000;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.up(scope);
});

for (const [name, Redis] of [
  ['ioredis', IoRedis],
  // A fork with the same interface.
  ['iovalkey', IoValkey as unknown as typeof IoRedis],
] as const) {
  test(`${name} works over every port`, async () => {
    for (const port of deployment.ports) {
      const redis = new Redis({ host: '127.0.0.1', port });
      const listener = new Redis({ host: '127.0.0.1', port });
      try {
        const key = `${name}:${port}`;
        assert.equal(await redis.set(key, 'v', 'EX', 100), 'OK');
        assert.equal(await redis.get(key), 'v');
        await redis.hset(`${key}:h`, { a: '1', b: '2' });
        assert.deepEqual(await redis.hgetall(`${key}:h`), { a: '1', b: '2' });
        const results = await redis.multi().incr(`${key}:n`).incr(`${key}:n`).exec();
        assert.deepEqual(results, [
          [null, 1],
          [null, 2],
        ]);
        const pipeline = redis.pipeline();
        for (let n = 0; n < 1_000; n++) pipeline.rpush(`${key}:l`, `${n}`);
        assert.equal((await pipeline.exec())?.at(-1)?.[1], 1_000);
        redis.defineCommand('twice', {
          numberOfKeys: 1,
          lua: 'return redis.call("INCRBY", KEYS[1], 2)',
        });
        const scripted = redis as unknown as { twice(key: string): Promise<number> };
        assert.equal(await scripted.twice(`${key}:n`), 4);
        const heard = new Promise((resolve) =>
          listener.once('message', (_, text) => resolve(text)),
        );
        await listener.subscribe(`${key}:news`);
        await redis.publish(`${key}:news`, 'hello');
        assert.equal(await heard, 'hello');
        const popped = listener.unsubscribe().then(() => listener.blpop(`${key}:q`, 5));
        await redis.rpush(`${key}:q`, 'item');
        assert.deepEqual(await popped, [`${key}:q`, 'item']);
        const keys: string[] = [];
        for await (const batch of redis.scanStream({ match: `${key}*` }))
          keys.push(...(batch as string[]));
        assert.equal(new Set(keys).size, 4);
      } finally {
        redis.disconnect();
        listener.disconnect();
      }
    }
  });
}

for (const RESP of [2, 3] as const) {
  test(`node-redis works over every port with RESP${RESP}`, async () => {
    for (const port of deployment.ports) {
      const client = createClient({ socket: { host: '127.0.0.1', port }, RESP: RESP as 2 });
      const listener = client.duplicate();
      client.on('error', () => undefined);
      listener.on('error', () => undefined);
      await Promise.all([client.connect(), listener.connect()]);
      try {
        const key = `node-redis:${RESP}:${port}`;
        await client.set(key, 'v', { EX: 100 });
        assert.equal(await client.get(key), 'v');
        await client.hSet(`${key}:h`, { a: '1', b: '2' });
        assert.deepEqual({ ...(await client.hGetAll(`${key}:h`)) }, { a: '1', b: '2' });
        assert.deepEqual(await client.multi().incr(`${key}:n`).incr(`${key}:n`).exec(), [1, 2]);
        const pushes = Array.from({ length: 1_000 }, (_, n) => client.rPush(`${key}:l`, `${n}`));
        assert.equal((await Promise.all(pushes)).at(-1), 1_000);
        await client.zAdd(`${key}:z`, [{ score: 1.5, value: 'a' }]);
        assert.equal(await client.zScore(`${key}:z`, 'a'), 1.5);
        assert.equal(await client.eval('return ARGV[1]', { arguments: ['x'] }), 'x');
        const heard = new Promise((resolve) => {
          void listener
            .subscribe(`${key}:news`, resolve)
            .then(() => client.publish(`${key}:news`, 'hello'));
        });
        assert.equal(await heard, 'hello');
        await listener.unsubscribe();
        const id = await client.xAdd(`${key}:x`, '*', { f: 'v' });
        assert.equal((await client.xRange(`${key}:x`, '-', '+'))?.[0]?.id, id);
      } finally {
        client.destroy();
        listener.destroy();
      }
    }
  });
}

test(`BullMQ: ${JOBS} jobs, the leader killed ${KILLS} times, none lost`, async () => {
  // BullMQ asks for connections that wait as long as it takes.
  const connections = deployment.ports.map((port) => {
    const connection = new IoRedis({ host: '127.0.0.1', port, maxRetriesPerRequest: null });
    connection.on('error', () => undefined);
    return connection;
  });
  const of = (i: number): IoRedis => connections[i % connections.length] as IoRedis;
  const processed = new Map<string, number>();
  const work = async (job: Job): Promise<void> => {
    processed.set(job.id ?? '', (processed.get(job.id ?? '') ?? 0) + 1);
  };
  const options = {
    concurrency: 10,
    lockDuration: 5_000,
    stalledInterval: 2_000,
    maxStalledCount: 100,
  };
  const workers = [0, 1].map(
    (i) => new Worker('jobs', work, { connection: of(i + 1), ...options }),
  );
  const queue = new Queue('jobs', { connection: of(0) });
  for (const each of workers) each.on('error', () => undefined);
  queue.on('error', () => undefined);
  const begin = performance.now();
  const added: string[] = [];
  try {
    const add = async (lane: number): Promise<void> => {
      for (let n = lane; n < JOBS; n += ADDING_AT_ONCE) {
        const id = `job-${n}`;
        // The id makes a repetition after a broken connection the same job.
        const done = await until(`job ${n} added`, 30_000, () =>
          queue.add('work', { n }, { jobId: id, attempts: 3 }).then(
            () => true,
            () => false,
          ),
        );
        assert.ok(done);
        added.push(id);
        await sleep(4);
      }
    };
    const killing = (async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        await until('enough jobs', JOBS_MS_MAX, () => added.length >= (JOBS * kill) / (KILLS + 1));
        const { pid } = await deployment.status(await deployment.leader());
        assert.ok(signal(pid, 'SIGKILL'));
        await sleep(1_500);
        await deployment.ready();
      }
    })();
    await Promise.all([killing, ...Array.from({ length: ADDING_AT_ONCE }, (_, lane) => add(lane))]);
    await until('every job processed', JOBS_MS_MAX, () => added.every((id) => processed.has(id)));
    assert.equal(added.length, JOBS);
    await until('every job completed', JOBS_MS_MAX, async () => {
      const counts = await queue.getJobCounts('completed', 'failed', 'active', 'wait');
      return counts['completed'] === JOBS && counts['failed'] === 0;
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.close(true)));
    await queue.close();
    for (const connection of connections) connection.disconnect();
  }
  await deployment.ready();
  await deployment.assertIdentical();
  figures('bullmq', {
    jobs: JOBS,
    kills: KILLS,
    lost: JOBS - [...processed.keys()].length,
    processedTwice: [...processed.values()].filter((times) => times > 1).length,
    ms: Math.round(performance.now() - begin),
  });
});
