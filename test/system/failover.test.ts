/** The promise: a leader dies, writes go on, and nothing that was acknowledged is missing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { signal } from './processes.ts';
import { Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

/** With threads the short form kills an agent only: of servers they know nothing. */
const KILLS = IS_FULL ? 20 : process.env['ALTHING_RELAY_THREADS'] === undefined ? 3 : 1;
const WHAT = ['agent', 'server', 'both'] as const;
/** Generous: a loaded machine of two cores may well be slow. The figures say how it was. */
const GAP_MS_MAX = 15_000;

test(`the leader is killed ${KILLS} times: writes go on, every acknowledged one is there`, async (t) => {
  const deployment = await Deployment.up(t);
  const writer = new Writer(t, deployment.ports, 'w');
  writer.start();
  const gaps: { what: string; ms: number }[] = [];
  for (let n = 0; n < KILLS; n++) {
    await deployment.ready();
    await sleep(400);
    const what = WHAT[n % WHAT.length] ?? 'agent';
    const leader = await deployment.leader();
    const { pid, server } = await deployment.status(leader);
    const killedAt = performance.now();
    if (what !== 'agent') assert.ok(signal(server.pid, 'SIGKILL'), 'the server was there');
    if (what !== 'server') assert.ok(signal(pid, 'SIGKILL'), 'the agent was there');
    gaps.push({ what, ms: await writer.gapAfter(killedAt, GAP_MS_MAX) });
  }
  await sleep(300);
  await writer.stop();
  await deployment.ready();
  const { acknowledged, unknown, refused, stale } = writer;
  await deployment.assertIdentical();
  assert.deepEqual(stale, [], 'a read did not see what was acknowledged before it');
  const lost: string[] = [];
  for (const i of deployment.indices)
    lost.push(...(await missingAt(await deployment.serverSocket(i), acknowledged)));
  assert.deepEqual(
    lost.slice(0, 5),
    [],
    `${lost.length} acknowledged writes are not on every node`,
  );
  // Each node shows it as leader too, through its own port.
  for (const i of deployment.indices) {
    if ((await deployment.leader()) !== i) await deployment.switchover(i);
    assert.equal(await deployment.leader(), i);
    assert.deepEqual((await missingAt(deployment.port(i), acknowledged)).slice(0, 5), []);
  }
  const ghosts = refused.length - (await missingAt(deployment.port(0), refused)).length;
  assert.equal(ghosts, 0, 'what was refused with an error was not executed');
  const times = gaps.map(({ ms }) => ms);
  figures('failover', {
    kills: KILLS,
    acknowledged: acknowledged.length,
    unknown: unknown.length,
    refused: refused.length,
    lost: lost.length,
    medianMs: median(times),
    maxMs: Math.max(...times),
    longestGapMs: writer.longestGapMs,
    gaps,
  });
});

test('a leader whose followers are stopped acknowledges nothing, and loses nothing when it dies', async (t) => {
  const deployment = await Deployment.agents(t);
  const leader = await deployment.leader();
  const followers = deployment.indices.filter((i) => i !== leader);
  const pids = await Promise.all(followers.map((i) => deployment.agentPid(i)));
  const { pid, server } = await deployment.status(leader);
  const wire = new Wire(deployment.port(leader));
  assert.equal(await wire.must('SET', 'k', 'before'), 'OK');
  for (const each of pids) signal(each, 'SIGSTOP');
  for (let n = 0; n < 50; n++) wire.command('SET', `k${n}`, 'during');
  wire.command('GET', 'k');
  await sleep(600);
  assert.equal(wire.unread, 0, 'nothing is answered that no majority has');
  signal(server.pid, 'SIGKILL');
  signal(pid, 'SIGKILL');
  for (const each of pids) signal(each, 'SIGCONT');
  const next = await deployment.leader();
  assert.notEqual(next, leader);
  const other = new Wire(deployment.port(next));
  assert.equal(await other.must('GET', 'k'), 'before');
  assert.equal(await other.must('SET', 'k', 'after'), 'OK');
  await deployment.stopNode(leader);
  deployment.startNode(leader);
  await deployment.ready();
  await deployment.assertIdentical();
  assert.equal(await other.must('GET', 'k'), 'after');
  wire.close();
  other.close();
});
