/**
 * What Redex promised its users, row by row of `docs/COVERAGE.md`, through every port: commands
 * with their replies, the quorum, and nodes that come and go one by one.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { signal, until } from './processes.ts';
import { answers, type Line, plays } from './rows.ts';
import { fileScope } from './scope.ts';
import { Failure, Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

/** As many databases as Redex has. */
const SETTINGS = 'server:\n  databases: 101\n';
/** Not as nodes are told of one another: by number. */
const ANNOUNCED = 'localhost';
const READ_BACK = IS_FULL ? 10_000 : 500;
const EXPIRING = IS_FULL ? 100_000 : 20_000;
const LOCAL_READS = IS_FULL ? 1_000 : 100;
/** Of most: one turn of the scheduler of a loaded machine takes longer. */
const LOCAL_MS_MAX = 5;
const STEP_MS = 40_000;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.prepare(scope, {
    flags: ['--announce', ANNOUNCED],
    environmentOf: (_, { dir }) => ({ ALTHING_CONFIG: join(dir, 'settings.yaml') }),
  });
  writeFileSync(join(deployment.dir, 'settings.yaml'), SETTINGS);
  deployment.startAll();
  await deployment.ready();
});

async function everywhere(...lines: readonly Line[]): Promise<void> {
  for (const port of deployment.ports) await plays(port, [['FLUSHALL', 'OK'], ...lines]);
}

test('X1: a node is known under the address that it announces, and reached there', async () => {
  for (const i of deployment.indices) {
    const { members } = await deployment.status(i);
    assert.deepEqual(
      members.map(({ address }) => address).toSorted(),
      deployment.ports.map((port) => `${ANNOUNCED}:${port}`),
    );
    for (const { address } of members) {
      const [host = '', port = ''] = address.split(':');
      const wire = new Wire(connect({ host, port: Number(port) }));
      assert.equal(await wire.must('PING'), 'PONG', address);
      wire.close();
    }
  }
});

test('X25: GET is the value, nothing, or WRONGTYPE', () =>
  everywhere(
    ['SET k v', 'OK'],
    ['GET k', 'v'],
    ['get nokey', null],
    ['RPUSH l a', 1],
    ['GET l', /^-WRONGTYPE /],
  ));

test('X26: a plain SET drops the expiry that was there', () =>
  everywhere(['SET k v EX 100', 'OK'], ['SET k w', 'OK'], ['TTL k', -1]));

test('X27: SET takes EX and PX in any case, and refuses a time that is none', () =>
  everywhere(
    ['SET k v px 50', 'OK'],
    100,
    ['GET k', null],
    ['SET k v Ex 100', 'OK'],
    ['TTL k', /^(100|99|9\d)$/],
    ['SET k v EX 0', /^-ERR invalid expire time/],
  ));

test('X28: SET NX and XX are honoured, and exclude each other', () =>
  everywhere(
    ['SET k 1 NX', 'OK'],
    ['SET k 2 NX', null],
    ['GET k', '1'],
    ['SET other 1 XX', null],
    ['SET k 3 NX XX', /^-ERR syntax error/],
  ));

test('X29: bad options of SET are told apart', () =>
  everywhere(
    ['SET k v foo', /^-ERR syntax error/],
    ['SET k v EX', /^-ERR syntax error/],
    ['SET k v EX abc', /^-ERR value is not an integer or out of range/],
    ['EXISTS k', 0],
  ));

test('X30: DEL counts those that were there', () =>
  everywhere(['SET a 1', 'OK'], ['DEL a b', 1], ['SET e 1 PX 20', 'OK'], 60, ['DEL e', 0]));

test('X31, X32: TTL and PTTL tell what is left, and what is missing', () =>
  everywhere(
    ['TTL k', -2],
    ['PTTL k', -2],
    ['SET k v', 'OK'],
    ['TTL k', -1],
    ['PTTL k', -1],
    ['SET k v PX 90400', 'OK'],
    ['TTL k', /^(90|8\d)$/],
    ['PTTL k', /^(90[0-3]\d\d|90400|8\d{4})$/],
  ));

test('X33: PING answers PONG, or what it was given', () =>
  everywhere(['PING', 'PONG'], ['ping hi', 'hi']));

test('X34, X35: a hundred and one databases, each with its own keys', () =>
  everywhere(
    ['SET k a', 'OK'],
    ['SELECT 100', 'OK'],
    ['GET k', null],
    ['SET k b', 'OK'],
    ['SELECT 101', /^-ERR DB index is out of range/],
    ['SELECT -1', /^-ERR /],
    ['SELECT x', /^-ERR /],
    ['GET k', 'b'],
    ['SELECT 0', 'OK'],
    ['GET k', 'a'],
    ['FLUSHALL', 'OK'],
    ['SELECT 100', 'OK'],
    ['GET k', null],
  ));

test('X37, X38: INFO keyspace counts keys and expiries, and INFO is whole', () =>
  everywhere(
    ['SET a 1', 'OK'],
    ['SET b 2 PX 60000', 'OK'],
    ['INFO keyspace', /^# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=\d+/],
    ['INFO server', /redis_version:/],
  ));

test('X39: QUIT answers OK and the connection ends', async () => {
  for (const port of deployment.ports) {
    const wire = new Wire(port);
    wire.send('QUIT\r\n');
    assert.equal((await wire.raw()).toString(), '+OK\r\n');
    await wire.closed();
  }
});

test('X40: an unknown command is named, and the connection goes on', () =>
  everywhere(['foo', /^-ERR unknown command '?foo'?/], ['PING', 'PONG']));

test('X41: what Redex lacked is there, and HELLO closes nothing', async () => {
  await everywhere(
    ['MULTI', 'OK'],
    ['SET k 1', 'QUEUED'],
    ['EXEC', ['OK']],
    ['EVAL return(1) 0', 1],
    ['WATCH k', 'OK'],
    ['UNWATCH', 'OK'],
    ['EXISTS k', 1],
    ['SCAN 0 COUNT 100', ['0', ['k']]],
    ['DBSIZE', 1],
    ['CLIENT GETNAME', /^(null)?$/],
    ['AUTH some password', /^-WRONGPASS /],
    ['COMMAND COUNT', /^\d+$/],
  );
  for (const port of deployment.ports) {
    const wire = new Wire(port);
    wire.command('HELLO', 3);
    assert.match((await wire.raw()).toString(), /^%/);
    assert.equal(await wire.must('PING'), 'PONG');
    wire.close();
  }
});

test('X43: keys and values are any bytes', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  for (const port of deployment.ports) {
    const wire = new Wire(port);
    assert.equal(await wire.must('SET', bytes, bytes), 'OK');
    wire.command('GET', bytes);
    const reply = await wire.raw();
    assert.deepEqual(reply.subarray('$256\r\n'.length, -2), bytes);
    wire.close();
  }
});

test('X45: what has expired is gone from every server, though nobody reads it', async () => {
  const wire = new Wire(deployment.port(0));
  await wire.must('FLUSHALL');
  for (let n = 0; n < EXPIRING; n++) wire.command('SET', `gone:${n}`, n, 'PX', 1_000);
  for (let n = 0; n < EXPIRING; n++) assert.equal(await wire.reply(), 'OK');
  wire.close();
  for (const i of deployment.indices) {
    const around = new Wire(await deployment.serverSocket(i));
    const isEmpty = async (): Promise<boolean> => (await around.must('DBSIZE')) === 0;
    await until(`node${i + 1} empty`, 120_000, isEmpty);
    around.close();
  }
});

test('X46: MGET has nothing for what is missing or no string', () =>
  everywhere(
    ['SET a 1', 'OK'],
    ['RPUSH l x', 1],
    ['MGET a nokey l', ['1', null, null]],
    ['MGET', /^-ERR wrong number of arguments/],
  ));

test('X47: MSET is one: an odd word refuses it all, and others see all of it', async () => {
  const [here = 0, ...elsewhere] = deployment.ports;
  await plays(here, [
    ['FLUSHALL', 'OK'],
    ['MSET a 1 b', /^-ERR wrong number of arguments/],
    ['EXISTS a', 0],
    ['SET b 0 EX 100', 'OK'],
    ['MSET a 1 b 2', 'OK'],
    ['TTL b', -1],
  ]);
  for (const port of elsewhere) await plays(port, [['MGET a b', ['1', '2']]]);
});

test('X48: SETEX, and GETSET which drops the expiry', () =>
  everywhere(
    ['SETEX k 10 v', 'OK'],
    ['GETSET k w', 'v'],
    ['TTL k', -1],
    ['RPUSH l a', 1],
    ['GETSET l w', /^-WRONGTYPE /],
  ));

test('X49: counters add up over all ports, keep their expiry and end at 64 bits', async () => {
  await everywhere(
    ['SET n 9223372036854775807 EX 100', 'OK'],
    ['INCR n', /^-ERR increment or decrement would overflow/],
    ['DECRBY n 9223372036854775806', 1],
    ['TTL n', /^(100|9\d)$/],
    ['SET s text', 'OK'],
    ['INCR s', /^-ERR value is not an integer or out of range/],
    ['RPUSH l a', 1],
    ['INCR l', /^-WRONGTYPE /],
  );
  const wires = deployment.ports.map((port) => new Wire(port));
  for (let n = 0; n < 1_000; n++) for (const wire of wires) wire.command('INCR', 'together');
  for (const wire of wires)
    for (let n = 0; n < 1_000; n++) assert.equal(typeof (await wire.reply()), 'number');
  for (const wire of wires) {
    assert.equal(await wire.must('GET', 'together'), '3000');
    wire.close();
  }
});

test('X50: EXPIRE and PEXPIRE, also into the past', () =>
  everywhere(
    ['EXPIRE nokey 1', 0],
    ['SET k v', 'OK'],
    ['PEXPIRE k 90000', 1],
    ['TTL k', /^(90|8\d)$/],
    ['EXPIRE k -1', 1],
    ['EXISTS k', 0],
  ));

test('X51: lists, on whatever node they are looked at; an empty one is no key', async () => {
  const [here = 0, ...elsewhere] = deployment.ports;
  await plays(here, [
    ['FLUSHALL', 'OK'],
    ['RPUSH l b c', 2],
    ['LPUSH l a', 3],
  ]);
  for (const port of elsewhere)
    await plays(port, [
      ['LRANGE l 0 -1', ['a', 'b', 'c']],
      ['LLEN l', 3],
      ['LINDEX l 1', 'b'],
    ]);
  await plays(here, [
    ['LPOP l', 'a'],
    ['RPOP l', 'c'],
    ['LPOP l', 'b'],
    ['EXISTS l', 0],
  ]);
});

test('X52: a pattern of KEYS is a pattern, and a dot is a dot', () =>
  everywhere(
    ['SET a.b 1', 'OK'],
    ['SET axb 1', 'OK'],
    ['KEYS a.b', ['a.b']],
    ['KEYS a[w-y]b', ['axb']],
    ['KEYS a[^x]b', ['a.b']],
  ));

test('X53: a message reaches subscribers of every node, and all of them are counted', async () => {
  const wires = deployment.ports.map((port) => new Wire(port));
  for (const wire of wires)
    assert.deepEqual(await wire.must('SUBSCRIBE', 'c'), ['subscribe', 'c', 1]);
  for (const [i, port] of deployment.ports.entries()) {
    await plays(port, [[`PUBLISH c from${i}`, 3]]);
    for (const wire of wires) assert.deepEqual(await wire.reply(), ['message', 'c', `from${i}`]);
  }
  for (const wire of wires) wire.close();
});

test('X13: what one node has acknowledged the others answer at once', async () => {
  const [writing, ...reading] = deployment.ports.map((port) => new Wire(port));
  for (let n = 0; n < READ_BACK; n++) {
    await writing?.must('SET', 'newest', n);
    const seen = await Promise.all(reading.map((wire) => wire.must('GET', 'newest')));
    assert.deepEqual(seen, [`${n}`, `${n}`]);
  }
  for (const wire of [writing, ...reading]) wire?.close();
});

async function setReads(reads: string): Promise<void> {
  await until(`reads: ${reads}`, STEP_MS, async () => {
    const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(0)}/spec`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reads }),
    });
    return answer.ok;
  });
  await until(`reads ${reads} on all`, STEP_MS, async () => {
    const all = await Promise.all(deployment.indices.map((i) => deployment.status(i)));
    return all.every(({ spec }) => spec?.reads === reads);
  });
}

test('X14: with two of three nodes paused the third answers reads that may be local at once', async () => {
  await setReads('local');
  const last = ((await deployment.leader()) + 1) % deployment.nodes;
  const wire = new Wire(deployment.port(last));
  await wire.must('SET', 'own', 'v');
  assert.equal(await wire.must('GET', 'own'), 'v');
  const others = deployment.indices.filter((i) => i !== last);
  const pids = await Promise.all(others.map((i) => deployment.agentPid(i)));
  for (const pid of pids) signal(pid, 'SIGSTOP');
  try {
    const fresh = new Wire(deployment.port(last));
    const times: number[] = [];
    for (const each of [wire, fresh])
      for (let n = 0; n < LOCAL_READS; n++) {
        const begun = performance.now();
        assert.equal(await each.must('GET', 'own'), 'v');
        times.push(performance.now() - begun);
      }
    figures('local-reads', { medianMs: median(times), worstMs: Math.max(...times) });
    assert.ok(median(times) < LOCAL_MS_MAX, `${median(times)} ms`);
    fresh.close();
  } finally {
    for (const pid of pids) signal(pid, 'SIGCONT');
  }
  wire.close();
  await deployment.ready();
  await setReads('leader');
});

test('X3, X10, X11, X12, X36: without a majority nothing is changed; with the second node all goes on', async () => {
  const [last, second, third] = [0, 1, 2] as const;
  await plays(deployment.port(last), [['SET kept v', 'OK']]);
  const wire = new Wire(deployment.port(last));
  await answers(wire, 'GET kept', 'v');
  for (const i of [second, third]) await deployment.stopNode(i);
  const isAlone = async (): Promise<boolean> => (await deployment.ask(last)).ready === false;
  await until('a node that is not ready', STEP_MS, isAlone);
  for (const command of ['SET kept other', 'FLUSHALL'])
    await answers(wire, command, /^-CLUSTERDOWN No leader/);
  deployment.startNode(second);
  await until('the same connection is served', STEP_MS, async () => {
    const reply = await wire.call('SET', 'regained', 'yes');
    return !(reply instanceof Failure);
  });
  for (const i of [last, second])
    await plays(deployment.port(i), [['MGET kept regained', ['v', 'yes']]]);
  wire.close();
  deployment.startNode(third);
  await deployment.ready();
});

test('X23: a node that starts while the others stand still joins once they go on', async () => {
  const late = 2;
  await deployment.stopNode(late, 'SIGKILL');
  const pids = await Promise.all([0, 1].map((i) => deployment.agentPid(i)));
  for (const pid of pids) signal(pid, 'SIGSTOP');
  try {
    deployment.startNode(late);
    await until('an answer', STEP_MS, async () => (await deployment.ask(late)).status !== null);
    await sleep(3_000);
    assert.equal((await deployment.ask(late)).ready, false);
  } finally {
    for (const pid of pids) signal(pid, 'SIGCONT');
  }
  await deployment.ready();
  await deployment.assertIdentical();
});

test('X22: all nodes are started again one by one: no write is refused or lost', async (t) => {
  for (const i of deployment.indices) {
    // Clients of the node that goes are those of a node that stays, as behind a balancer.
    const others = deployment.ports.filter((_, each) => each !== i);
    const writer = new Writer(t, others, `rolling${i}`);
    writer.start();
    await writer.reaches(50);
    await deployment.stopNode(i);
    deployment.startNode(i);
    await deployment.ready();
    await writer.stop();
    const { acknowledged, refused, stale } = writer;
    assert.deepEqual([refused, stale], [[], []]);
    await deployment.assertIdentical();
    const socket = await deployment.serverSocket(i);
    assert.deepEqual(await missingAt(socket, acknowledged), []);
    const { unknown, longestGapMs } = writer;
    figures('rolling', {
      acknowledged: acknowledged.length,
      unknown: unknown.length,
      longestGapMs,
    });
  }
});
