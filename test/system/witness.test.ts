/** Two data nodes and a witness: any one of them may go, and the witness serves nobody. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AssemblyView, Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { missingAt, Writer } from './writer.ts';

const DATA = [0, 1];
const WITNESS = 2;
/** Who goes, one after the other, each when the one before is back. */
const ORDERS = IS_FULL
  ? [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]
  : [[0, 2, 1]];
const STEP_MS = 60_000;
/** Generous: a loaded machine of two cores may well be slow. The figures say how it was. */
const GAP_MS_MAX = 15_000;

function start(deployment: Deployment, i: number): void {
  deployment.startNode(i, i === WITNESS ? ['--witness'] : []);
}

async function begin(t: TestContext): Promise<Deployment> {
  const deployment = await Deployment.prepare(t, { flags: ['--log-limit', '32kb'] });
  for (const i of deployment.indices) start(deployment, i);
  await deployment.ready();
  return deployment;
}

async function assertKept(deployment: Deployment, writer: Writer): Promise<void> {
  await deployment.assertIdentical(DATA);
  for (const i of DATA)
    assert.deepEqual(
      (await missingAt(await deployment.serverSocket(i), writer.acknowledged)).slice(0, 5),
      [],
      `node${i + 1} lacks what was acknowledged`,
    );
  assert.deepEqual(writer.stale, [], 'a read did not see what was acknowledged before it');
}

/** A loaded machine may be late with it. */
function statusOf(deployment: Deployment, i: number): Promise<Status> {
  return until(`node${i + 1} to answer`, STEP_MS, async () => (await deployment.ask(i)).status);
}

/** It has all that is committed, on its disk: whoever goes next finds a majority. */
function level(deployment: Deployment): Promise<unknown> {
  return until('everybody level', STEP_MS, async () => {
    const { ready, status } = await deployment.ask(await deployment.leader());
    return ready && status?.members.every(({ lagBytes }) => (lagBytes ?? 1e9) < 50_000);
  });
}

test('any one of two data nodes and a witness may go, in any order, under a writer', async (t) => {
  const deployment = await begin(t);
  const { role, server } = await statusOf(deployment, WITNESS);
  assert.deepEqual({ role, pid: server.pid }, { role: 'witness', pid: null });
  const replicas = await until('a spec', STEP_MS, async () => {
    const { spec } = await statusOf(deployment, 0);
    return spec === null ? null : `${spec.replicas}`;
  });
  assert.equal(replicas, '1', 'the witness is no copy');
  const writer = new Writer(t, deployment.ports, 'w');
  writer.start();
  await writer.reaches(50);
  const gaps: number[] = [];
  for (const victim of ORDERS.flat()) {
    await level(deployment);
    await deployment.stopNode(victim, 'SIGKILL');
    gaps.push(await writer.gapAfter(performance.now(), GAP_MS_MAX));
    const seen = await statusOf(deployment, await deployment.leader());
    assert.notEqual(seen.node, `node${WITNESS + 1}`);
    start(deployment, victim);
    await deployment.ready();
  }
  await writer.stop();
  await assertKept(deployment, writer);
  assert.equal(existsSync(join(deployment.nodeDir(WITNESS), 'server')), false);
  for (const i of DATA) assert.doesNotMatch(deployment.log(i), /agent.failed/);
  figures('witness', {
    acknowledged: writer.acknowledged.length,
    unknown: writer.unknown.length,
    refused: writer.refused.length,
    longestGapAfterAKillMs: Math.max(...gaps),
    witnessLogBytes: (await statusOf(deployment, WITNESS)).log.bytes,
  });
});

test('H5: what a data node and the witness agreed on is brought to the other by the witness', async (t) => {
  const deployment = await begin(t);
  const writer = new Writer(t, [deployment.port(0)], 'w');
  if ((await deployment.leader()) !== 0) await deployment.switchover(0);
  await deployment.stopNode(1, 'SIGKILL');
  writer.start();
  await writer.reaches(50);
  // It keeps a snapshot in place of the log's beginning, made by the only server that there is.
  await until('a snapshot at the witness', STEP_MS, async () => {
    const { snapshot } = await statusOf(deployment, WITNESS);
    return snapshot.bytes > 0;
  });
  await writer.stop();
  await deployment.stopNode(0, 'SIGKILL');
  const startedAt = performance.now();
  start(deployment, 1);
  assert.equal(await deployment.leader(), 1);
  const openMs = Math.round(performance.now() - startedAt);
  deployment.assertLogged(WITNESS, /witness.handedOver/);
  const missing = await missingAt(await deployment.serverSocket(1), writer.acknowledged);
  assert.deepEqual(missing.slice(0, 5), []);
  start(deployment, 0);
  await deployment.ready();
  await assertKept(deployment, writer);
  figures('witness brings level', {
    acknowledged: writer.acknowledged.length,
    openMs,
    bySnapshot: /the log was replaced/.test(deployment.log(1)),
  });
});

test('a witness that joins two nodes votes, and of the three one may go', async (t) => {
  const deployment = await Deployment.prepare(t, {
    peersOf: (i, { peerPort }) =>
      (i === WITNESS ? [0] : DATA).map((each) => `127.0.0.1:${peerPort.call(deployment, each)}`),
  });
  for (const i of DATA) start(deployment, i);
  await deployment.leader();
  start(deployment, WITNESS);
  await deployment.ready();
  await until('a vote for the witness', STEP_MS, async () => {
    const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(0)}/members`);
    const { members, decisions } = (await answer.json()) as AssemblyView;
    const isDecided = decisions.some(({ kind, outcome, text }) => {
      return kind === 'data' && outcome === 'done' && /node3 votes as a witness/.test(text);
    });
    return isDecided && members.some(({ node, role }) => node === 'node3' && role === 'witness');
  });
  const writer = new Writer(t, [deployment.port(1), deployment.port(WITNESS)], 'w');
  writer.start();
  await writer.reaches(20);
  await deployment.stopNode(0, 'SIGKILL');
  await writer.gapAfter(performance.now(), GAP_MS_MAX);
  start(deployment, 0);
  await deployment.ready();
  await writer.stop();
  await assertKept(deployment, writer);
});
