/**
 * What a log of commands gets wrong and a log of effects gets right: the gaps that were measured
 * in RedisRaft, tried on us. No node differs from another, and nothing comes back.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { contentsOf } from './digest.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal } from './processes.ts';
import { fileScope } from './scope.ts';
import { Failure, Wire } from './wire.ts';

const SETS = 100;
const KEYS = 400;
const ROUNDS = IS_FULL ? 10 : 1;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

async function leaderWire(): Promise<Wire> {
  return new Wire(deployment.port(await deployment.leader()));
}

/** All at once, and all replies. */
async function pipeline(wire: Wire, commands: readonly (readonly (string | number)[])[]) {
  for (const words of commands) wire.command(...words);
  const replies = [];
  for (const _ of commands) replies.push(await wire.reply());
  return replies;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

test('SPOP takes the same members on every node', async () => {
  const wire = await leaderWire();
  const members = numbers(20).map((n) => `member-${n}`);
  await pipeline(
    wire,
    numbers(SETS).map((n) => ['SADD', `set:${n}`, ...members]),
  );
  const popped = await pipeline(
    wire,
    numbers(SETS).map((n) => ['SPOP', `set:${n}`]),
  );
  await pipeline(
    wire,
    numbers(SETS).map((n) => ['SPOP', `set:${n}`, 5]),
  );
  assert.ok(new Set(popped).size > 1, 'it chose at random');
  await deployment.assertIdentical();
  wire.close();
  figures('probe-spop', { sets: SETS, differing: 0 });
});

for (const [name, again] of [
  ['SET NX', (key: string) => ['SET', key, 'second', 'NX']],
  ['INCR', (key: string) => ['INCR', key]],
  ['GETSET', (key: string) => ['GETSET', key, 'second']],
  ['APPEND', (key: string) => ['APPEND', key, '1']],
] as const) {
  test(`${name} at about the expiry of a key does the same on every node`, async () => {
    const wire = await leaderWire();
    let renewed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const keys = numbers(KEYS).map((n) => `${name}:${round}:${n}`);
      const lives = keys.map((key, n) => ['SET', key, 7, 'PX', 15 + (n % 20)]);
      await pipeline(wire, lives);
      await sleep(10);
      for (let at = 0; at < keys.length; at += 20) {
        const replies = await pipeline(wire, keys.slice(at, at + 20).map(again));
        renewed += replies.filter(
          (reply) => reply === 'OK' || reply === 1 || reply === null,
        ).length;
      }
    }
    await deployment.assertIdentical();
    wire.close();
    figures(`probe-${name}`, { keys: KEYS * ROUNDS, renewed, differing: 0 });
  });
}

test('expiry, SPOP and INCR while the leader is killed: still identical', async () => {
  const leader = await deployment.leader();
  const wire = new Wire(deployment.port(leader));
  const { pid } = await deployment.status(leader);
  for (let n = 0; n < 2_000; n++) {
    wire.command('SET', `dying:${n}`, 1, 'PX', 10 + (n % 400));
    wire.command('SADD', `dying-set:${n}`, 'a', 'b', 'c', 'd');
    wire.command('SPOP', `dying-set:${n}`, 2);
    wire.command('INCR', `dying:${n}`);
  }
  await wire.reply();
  signal(pid, 'SIGKILL');
  await wire.closed();
  const next = await leaderWire();
  for (let n = 0; n < 200; n++) await next.must('INCR', `dying:${n}`);
  await deployment.stopNode(leader, 'SIGKILL');
  deployment.startNode(leader);
  await deployment.ready();
  await sleep(500);
  await deployment.assertIdentical();
  next.close();
});

test('a TTL is one point in time for all nodes, and a restart of all does not move it', async () => {
  const wire = await leaderWire();
  await wire.must('SET', 'long', 'v', 'EX', 100);
  await wire.must('SET', 'short', 'v', 'PX', 300);
  await wire.must('HSET', 'hash', 'f', 'v');
  await wire.must('EXPIRE', 'hash', 1_000);
  const expires = await wire.must('PEXPIRETIME', 'long');
  await deployment.assertIdentical();
  await sleep(500);
  wire.close();
  for (const i of deployment.indices) await deployment.stopNode(i, 'SIGKILL');
  await sleep(1_000);
  deployment.startAll();
  await deployment.ready();
  await deployment.assertIdentical();
  const again = await leaderWire();
  assert.equal(await again.must('EXISTS', 'short'), 0, 'what had expired came back');
  assert.equal(await again.must('PEXPIRETIME', 'long'), expires);
  for (const i of deployment.indices) {
    const contents = await contentsOf(await deployment.serverPid(i));
    assert.match(contents.get('0/long') ?? '', new RegExp(` ${expires} `), `node${i + 1}`);
    assert.equal(contents.has('0/short'), false, `node${i + 1} still shows it`);
  }
  again.close();
});

test('WATCH is honoured: a transaction with a write of another between is not done', async () => {
  const [one, other] = [await leaderWire(), new Wire(deployment.port(0))];
  await one.must('SET', 'watched', 1);
  await one.must('WATCH', 'watched');
  await other.must('SET', 'watched', 2);
  await one.must('MULTI');
  await one.must('SET', 'watched', 3);
  assert.equal(await one.must('EXEC'), null);
  assert.equal(await other.must('GET', 'watched'), '2');
  one.close();
  other.close();
});

test('scripts may be as random as they like', async () => {
  const wire = await leaderWire();
  const script = `
    local t = redis.call('TIME')
    redis.call('SADD', KEYS[1], 'a', 'b', 'c', 'd', 'e', t[2])
    redis.call('SPOP', KEYS[1])
    redis.call('XADD', KEYS[2], '*', 'f', redis.call('SRANDMEMBER', KEYS[1]))
    redis.call('SET', KEYS[3], t[1] .. t[2] .. math.random(1000000), 'PX', 60000)
    return redis.call('SCARD', KEYS[1])`;
  const replies = await pipeline(
    wire,
    numbers(100).map((n) => ['EVAL', script, 3, `ls:${n}`, `lx:${n}`, `lk:${n}`]),
  );
  assert.equal(replies.filter((reply) => reply instanceof Failure).length, 0);
  await deployment.assertIdentical();
  wire.close();
});

test('streams with groups, and several databases, are the same on every node', async () => {
  const wire = await leaderWire();
  await wire.must('XGROUP', 'CREATE', 'events', 'group', '$', 'MKSTREAM');
  await pipeline(
    wire,
    numbers(200).map((n) => ['XADD', 'events', 'MAXLEN', '~', 150, '*', 'n', n]),
  );
  await wire.must('XREADGROUP', 'GROUP', 'group', 'me', 'COUNT', 50, 'STREAMS', 'events', '>');
  const pending = (await wire.must('XPENDING', 'events', 'group', '-', '+', 10)) as string[][];
  await wire.must('XACK', 'events', 'group', pending[0]?.[0] ?? '');
  await wire.must('XAUTOCLAIM', 'events', 'group', 'you', 0, 0, 'COUNT', 5);
  for (const database of [1, 5, 15]) {
    await wire.must('SELECT', database);
    await wire.must('SET', `in ${database}`, 'v', 'PX', 60_000 + database);
  }
  await wire.must('MOVE', 'in 15', 3);
  await wire.must('SWAPDB', 1, 5);
  await deployment.assertIdentical();
  wire.close();
});

test('WAIT says what is true: the write is on the other node of the majority', async () => {
  const wire = await leaderWire();
  await wire.must('SET', 'waited', 'v');
  assert.ok(((await wire.must('WAIT', 1, 1_000)) as number) >= 1);
  wire.close();
});
