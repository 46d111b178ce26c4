/**
 * What RedisRaft offered, row by row of `docs/COVERAGE.md`, as far as no other test shows it: what
 * a node tells of itself, orders, transactions and blocked clients across nodes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { IS_FULL } from './figures.ts';
import { signal, until } from './processes.ts';
import { answers, plays } from './rows.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';
import { Writer } from './writer.ts';

const STEP_MS = 40_000;
const KILLS_OF_ALL = IS_FULL ? 3 : 1;
/** An agent answers an order within 30 s, whatever comes of it. */
const ORDER_MS = 35_000;
const LOOKS = 40;
/** The server itself adds a PING now and then. */
const OWN_BYTES_MAX = 100;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

async function order(i: number, method: string, path: string, body: object): Promise<Response> {
  return fetch(`http://127.0.0.1:${deployment.httpPort(i)}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ORDER_MS),
  });
}

function statuses(): Promise<Status[]> {
  return Promise.all(deployment.indices.map((i) => deployment.status(i)));
}

async function aFollower(): Promise<number> {
  return ((await deployment.leader()) + 1) % deployment.nodes;
}

test('Q31, Q8: a node alone serves nobody, looks on for others, and says so', async (t) => {
  const alone = await Deployment.prepare(t);
  alone.startNode(0);
  const told = await until('what it waits for', STEP_MS, async () => {
    const { status } = await alone.ask(0);
    return status?.problems.some(({ code }) => code === 'NOT_FOUNDED') ? [status] : null;
  });
  assert.deepEqual(
    told.map(({ deployment: id, role, leader }) => [id, role, leader]),
    [['', 'starting', null]],
  );
  await plays(alone.port(0), [
    ['SET a b', /^-CLUSTERDOWN No leader/],
    ['GET a', /^-CLUSTERDOWN No leader/],
  ]);
  for (const i of [1, 2]) alone.startNode(i);
  await alone.ready();
  await plays(alone.port(0), [['GET a', null]]);
});

test('Q62, Q63: every node tells who leads, in which term, and where each of them is', async () => {
  const leader = await deployment.leader();
  await until('all tell the same', STEP_MS, async () => {
    const all = await statuses();
    const [first] = all;
    const nodes = deployment.indices.map((i) => `node${i + 1}`);
    return all.every(({ leader: led, term, members, role, node, deployment: id }, i) => {
      const where = members.map((member) => [member.node, member.address].join());
      const wanted = nodes.map((each, at) => `${each},127.0.0.1:${deployment.port(at)}`);
      return (
        node === nodes[i] &&
        led === nodes[leader] &&
        role === (i === leader ? 'leader' : 'follower') &&
        term === first?.term &&
        id === first?.deployment &&
        where.join() === wanted.join()
      );
    });
  });
  const { members, votedFor, version } = await deployment.status(leader);
  for (const { node, lagBytes } of members) assert.equal(typeof lagBytes, 'number', node);
  assert.equal(votedFor, `node${leader + 1}`, 'who leads has voted for itself in that term');
  assert.match(version, /^\d+\.\d+\.\d+/);
});

test('Q63: every connection to a peer that is made or lost is a line of the journal', async () => {
  const lost = await aFollower();
  const others = deployment.indices.filter((i) => i !== lost);
  const told = (event: string) => (i: number) => {
    const lines = deployment.log(i).split('\n');
    const ofIt = (line: string) => line.includes(event) && line.includes(`"node${lost + 1}@`);
    return lines.filter(ofIt).length;
  };
  const [made, ended] = [others.map(told('peer.up')), others.map(told('peer.down'))];
  assert.ok(made.every((count) => count > 0));
  await deployment.stopNode(lost, 'SIGKILL');
  const isMore = (event: string, before: readonly number[]) => async () =>
    others.every((i, at) => told(event)(i) > (before[at] ?? 0));
  await until('all tell that it is lost', STEP_MS, isMore('peer.down', ended));
  deployment.startNode(lost);
  await until('all tell that it is back', STEP_MS, isMore('peer.up', made));
  await deployment.ready();
});

test('Q64: what is committed is never ahead of the leader, nor a follower of what is committed', async (t) => {
  const leader = await deployment.leader();
  const writer = new Writer(t, deployment.ports, 'q64');
  writer.start();
  for (let look = 0; look < LOOKS; look++) {
    for (const i of deployment.indices) {
      const { executed, committed, applied } = (await deployment.status(i)).offsets;
      if (i === leader) assert.ok(committed <= executed, `${committed} ${executed}`);
      else assert.ok(applied <= committed, `node${i + 1}: ${applied} ${committed}`);
    }
    await sleep(10);
  }
  await writer.stop();
  assert.ok(writer.acknowledged.length > 0);
});

test('Q14, Q66: syncs, and what is passed through, are counted', async () => {
  const [leader, follower] = [await deployment.leader(), await aFollower()];
  const syncs = () => deployment.metric(leader, 'althing_log_syncs_total');
  const passed = () => deployment.metric(follower, 'althing_commands_total');
  const [syncsBefore, passedBefore] = [await syncs(), await passed()];
  const wire = new Wire(deployment.port(follower));
  for (let n = 0; n < 20; n++) await wire.must('SET', 'synced', n);
  assert.ok((await syncs()) - syncsBefore >= 20, '20 writes, one after the other');
  assert.ok((await passed()) - passedBefore >= 20);
  assert.ok((await deployment.metric(leader, 'althing_clients_passed_through')) >= 1);
  assert.equal(await deployment.metric(follower, 'althing_clients_waiting'), 0);
  wire.close();
});

test('Q64: places in the log are in order at every look, and syncs have their times', async (t) => {
  const writer = new Writer(t, deployment.ports, 'q64places');
  writer.start();
  const looks = deployment.indices.map(() => 0);
  for (let look = 0; look < LOOKS; look++) {
    for (const i of deployment.indices) {
      const { bytes, entries, last, committed, applied } = (await deployment.status(i)).log;
      assert.ok(applied <= committed && committed <= last, `${applied} ${committed} ${last}`);
      assert.ok(bytes > 0 && entries > 0 && entries <= last, `${bytes} ${entries} ${last}`);
      looks[i] = Math.max(looks[i] ?? 0, applied);
    }
    await sleep(10);
  }
  await writer.stop();
  assert.ok(looks.every((applied) => applied > 0));
  for (const i of deployment.indices) {
    // In this order: what is asked for later may only be more.
    const ofLog = await deployment.metric(i, 'althing_log_syncs_total');
    const max = await deployment.metric(i, 'althing_disk_sync_max_seconds');
    const total = await deployment.metric(i, 'althing_disk_sync_seconds_total');
    const count = await deployment.metric(i, 'althing_disk_syncs_total');
    assert.ok(ofLog > 0 && count >= ofLog, `${count} ${ofLog}`);
    assert.ok(max > 0 && max <= total, `${max} ${total}`);
  }
});

test('Q71: reads leave the log as it is', async () => {
  const leader = await deployment.leader();
  const executed = async () => (await deployment.status(leader)).offsets.executed;
  await deployment.assertIdentical();
  const before = await executed();
  const wire = new Wire(deployment.port(leader));
  for (let n = 0; n < 100; n++) await wire.must('GET', 'synced');
  assert.ok((await executed()) - before < OWN_BYTES_MAX);
  await wire.must('SET', 'long', 'x'.repeat(1_000));
  assert.ok((await executed()) - before > 1_000);
  wire.close();
});

test('Q72, Q83: a transaction through any node is one; what cannot be in it spoils it', async () => {
  for (const port of deployment.ports)
    await plays(port, [
      ['DEL n', /^[01]$/],
      ['MULTI', 'OK'],
      ['INCR n', 'QUEUED'],
      ['INCR n', 'QUEUED'],
      ['INCR n', 'QUEUED'],
      ['EXEC', [1, 2, 3]],
      ['MULTI', 'OK'],
      ['INCR n', 'QUEUED'],
      ['NOSUCH', /^-ERR unknown command/],
      ['EXEC', /^-EXECABORT /],
      ['GET n', '3'],
      ['EXEC', /^-ERR EXEC without MULTI/],
      ['DISCARD', /^-ERR DISCARD without MULTI/],
      ['MULTI', 'OK'],
      ['MULTI', /^-ERR MULTI calls can not be nested/],
      ['EXEC', /^-EXECABORT |^$/],
    ]);
});

test('Q75: blocked clients of different nodes get one element each, and the third stays', async () => {
  const [first, second] = [new Wire(deployment.port(0)), new Wire(deployment.port(1))];
  const wire = new Wire(deployment.port(2));
  const blocked = (count: number) =>
    until(`${count} blocked`, STEP_MS, async () =>
      String(await wire.must('INFO', 'clients')).includes(`blocked_clients:${count}\r`),
    );
  first.command('BLPOP', 'queue', 0);
  await blocked(1);
  const id = Number(await second.must('CLIENT', 'ID'));
  second.command('BRPOP', 'queue', 0);
  await blocked(2);
  // One after the other, so that nothing is left to how a server orders those of one push.
  for (const element of ['a', 'b', 'c']) await wire.must('RPUSH', 'queue', element);
  assert.deepEqual(await first.reply(), ['queue', 'a']);
  assert.deepEqual(await second.reply(), ['queue', 'b']);
  await answers(wire, 'LRANGE queue 0 -1', ['c']);
  await deployment.assertIdentical();
  second.command('BLPOP', 'nothing', 0);
  await blocked(1);
  await answers(wire, `CLIENT UNBLOCK ${id}`, 1);
  assert.equal(await second.reply(), null);
  for (const each of [first, second, wire]) each.close();
});

test('Q39, Q40: leadership goes where it is wanted, and nowhere where it cannot', async () => {
  for (const i of deployment.indices) {
    if ((await deployment.leader()) === i) continue;
    await deployment.ready();
    const answer = await order(i, 'POST', '/switchover', { to: `node${i + 1}` });
    assert.equal(answer.status, 200, await answer.text());
    await until('all know', STEP_MS, async () =>
      (await statuses()).every(({ leader }) => leader === `node${i + 1}`),
    );
  }
  await deployment.ready();
  const leader = await deployment.leader();
  assert.equal((await order(leader, 'POST', '/switchover', { to: 'node9' })).status, 409);
  const asleep = await aFollower();
  const pid = await deployment.agentPid(asleep);
  signal(pid, 'SIGSTOP');
  try {
    const answer = await order(leader, 'POST', '/switchover', { to: `node${asleep + 1}` });
    assert.equal(answer.ok, false, await answer.text());
    assert.equal(await deployment.leader(), leader);
    await plays(deployment.port(leader), [['SET still here', 'OK']]);
  } finally {
    signal(pid, 'SIGCONT');
  }
  await deployment.ready();
});

test('Q10: a node that stands still is told by the others, until it goes on', async () => {
  const leader = await deployment.leader();
  const asleep = await aFollower();
  const name = `node${asleep + 1}`;
  const isTold = async (): Promise<boolean> => {
    const { members, problems } = await deployment.status(leader);
    const role = members.find(({ node }) => node === name)?.role;
    const isNamed = problems.some(({ text }) => text.startsWith(`${name} cannot be reached`));
    return role === 'unreachable' && isNamed;
  };
  const pid = await deployment.agentPid(asleep);
  signal(pid, 'SIGSTOP');
  try {
    await until('it is told', STEP_MS, isTold);
  } finally {
    signal(pid, 'SIGCONT');
  }
  await until('it is back', STEP_MS, async () => {
    const { members, problems } = await deployment.status(leader);
    const member = members.find(({ node }) => node === name);
    return member?.role === 'follower' && problems.length === 0;
  });
});

test('R22, R23: an order is taken while a node is down, and holds when all have started again', async () => {
  const down = await aFollower();
  await deployment.stopNode(down, 'SIGKILL');
  const up = deployment.indices.find((i) => i !== down) ?? 0;
  await deployment.leader();
  // The leader of the control group may have been the one that went.
  await until('the order is taken', STEP_MS, async () => {
    const answer = await order(up, 'PATCH', '/spec', { forgetAfter: '20m' });
    if (!answer.ok) assert.equal(answer.status, 503, await answer.text());
    return answer.ok;
  });
  deployment.startNode(down);
  await deployment.ready();
  for (const i of deployment.indices) await deployment.stopNode(i);
  deployment.startAll();
  await deployment.ready();
  await until('all tell it', STEP_MS, async () =>
    (await statuses()).every(({ spec }) => spec?.forgetAfter === '20m'),
  );
});

test('Q46, R70: every byte is there after all were killed, again and again', async () => {
  const awkward = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const values = [Buffer.from('\r\n*1\r\n$4\r\nPING\r\n\0"\''), awkward, randomBytes(1024 * 1024)];
  for (let round = 0; round < KILLS_OF_ALL; round++) {
    const wire = new Wire(deployment.port(round));
    for (const [n, value] of values.entries())
      assert.equal(await wire.must('SET', `byte:${round}:${n}`, value), 'OK');
    wire.close();
    for (const i of deployment.indices) signal(await deployment.serverPid(i), 'SIGKILL');
    for (const i of deployment.indices) await deployment.stopNode(i, 'SIGKILL');
    deployment.startAll();
    await deployment.ready();
    const reading = new Wire(deployment.port((round + 1) % 3));
    for (let earlier = 0; earlier <= round; earlier++)
      for (const [n, value] of values.entries()) {
        reading.command('GET', `byte:${earlier}:${n}`);
        const reply = await reading.raw();
        assert.ok(reply.subarray(reply.indexOf('\n') + 1, -2).equals(value), `${earlier}:${n}`);
      }
    reading.close();
  }
  await deployment.assertIdentical();
});

test('Q45: of five nodes two may be gone, and with a third gone nothing is acknowledged', async (t) => {
  const five = await Deployment.agents(t, { nodes: 5 });
  await plays(five.port(0), [['SET k 0', 'OK']]);
  for (const i of [4, 3]) await five.stopNode(i, 'SIGKILL');
  await five.leader();
  await plays(five.port(0), [['SET k 1', 'OK']]);
  await five.stopNode(2, 'SIGKILL');
  const wire = new Wire(five.port(0));
  const reply = await wire.call('SET', 'k', 2).catch((error: Error) => error);
  assert.notEqual(reply, 'OK');
  wire.close();
  five.startNode(3);
  await five.leader();
  // The third write's outcome is unknown where it was not refused.
  await until('served again', STEP_MS, async () => {
    const again = new Wire(five.port(3));
    const value = await again.call('GET', 'k').catch(() => null);
    again.close();
    return value === '1' || value === '2';
  });
});
