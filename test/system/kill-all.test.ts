/** The power goes out: every process dies at once, in the middle of writes. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { isAlive, signal } from './processes.ts';
import { fileScope } from './scope.ts';
import { missingAt, Writer } from './writer.ts';

const ROUNDS = IS_FULL ? 10 : 1;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

test('all six processes are killed in the middle of writes: every acknowledged one is there', async (t) => {
  const acknowledged: string[] = [];
  const startMs: number[] = [];
  let unknown = 0;
  let lost = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const writer = new Writer(t, deployment.ports, `r${round}`);
    writer.start(4);
    await writer.reaches(500);
    const statuses = await Promise.all(deployment.indices.map((i) => deployment.status(i)));
    const pids = statuses.flatMap(({ pid, server }) => [pid, server.pid ?? 0]);
    assert.equal(pids.filter(isAlive).length, 2 * deployment.nodes);
    for (const pid of pids) signal(pid, 'SIGKILL');
    await writer.stop();
    for (const i of deployment.indices) await deployment.stopNode(i, 'SIGKILL');
    assert.deepEqual(writer.stale, []);
    acknowledged.push(...writer.acknowledged);
    unknown += writer.unknown.length;
    const begin = performance.now();
    deployment.startAll();
    await deployment.leader();
    startMs.push(Math.round(performance.now() - begin));
    await deployment.ready();
    await deployment.assertIdentical();
    for (const i of deployment.indices) {
      const missing = await missingAt(await deployment.serverSocket(i), acknowledged);
      lost += missing.length;
      assert.deepEqual(missing.slice(0, 5), [], `lost on node${i + 1}`);
    }
    assert.deepEqual(await missingAt(deployment.port(round % 3), acknowledged), []);
  }
  figures('kill-all', {
    rounds: ROUNDS,
    acknowledged: acknowledged.length,
    unknown,
    lost,
    startMs,
  });
});

test('what was written, expired and deleted stays so when all nodes start again', async (t) => {
  const writer = new Writer(t, deployment.ports, 'w');
  writer.start();
  await writer.reaches(100);
  await writer.stop();
  const before = await deployment.assertIdentical();
  for (const i of deployment.indices) await deployment.stopNode(i);
  deployment.startAll();
  await deployment.ready();
  assert.equal(await deployment.assertIdentical(), before);
});
