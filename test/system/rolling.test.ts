/**
 * Every pod replaced one after another, under a writer: a new name, a new address and an empty
 * disk each, the new one first or the old one first, as rolling updates do. And an address that
 * goes from a node of one deployment to a node of another.
 */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { missingAt, Writer } from './writer.ts';

const STEP_MS = 60_000;
/** What is promised; a fifth of a second where nothing else runs. */
const GAP_MS_MAX = 3_000;
const OLD = [0, 1, 2];
const PODS = 6;

async function holding(deployment: Deployment, nodes: readonly number[]): Promise<void> {
  await until(`the data on ${nodes.map((i) => `node${i + 1}`)}`, STEP_MS, async () => {
    const answers = await Promise.all(nodes.map((i) => deployment.ask(i)));
    return answers.every(({ ready, status }) => {
      const isHolding = status?.role === 'leader' || status?.role === 'follower';
      return ready && isHolding && status.members.length === nodes.length;
    });
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${deployment.lastWords()}`);
  });
}

/** A node that is busy answers late. */
function serverOf(deployment: Deployment, i: number): Promise<number> {
  return until(`node${i + 1} answers`, STEP_MS, async () => {
    return (await deployment.ask(i)).status?.server.pid ?? null;
  });
}

const ORDERS = [
  ['the new one first', true],
  ['the old one first', false],
] as const;

for (const [order, isNewFirst] of IS_FULL ? ORDERS : ORDERS.slice(0, 1))
  test(`every pod replaced, ${order}: data stays, writes go on, nobody is loaded twice`, async (t) => {
    const deployment = await Deployment.prepare(t, {
      nodes: PODS,
      flags: ['--ephemeral'],
      // Whoever comes is told of two that are there then, and finds the others by them.
      peersOf: (i, { peerPort }) => {
        const known = i < OLD.length ? OLD : [i - 1, i - 2];
        return known.map((each) => `127.0.0.1:${peerPort.call(deployment, each)}`);
      },
    });
    for (const i of OLD) deployment.startNode(i);
    await holding(deployment, OLD);
    const writer = new Writer(t, deployment.ports, 'w');
    writer.start();
    await writer.reaches(200);
    const servers = new Map<number, number>();
    let pods = [...OLD];
    for (const old of OLD) {
      const fresh = old + OLD.length;
      for (const i of pods) servers.set(i, await serverOf(deployment, i));
      if (isNewFirst) {
        deployment.startNode(fresh, ['--join']);
        await until(
          'the new one is there',
          STEP_MS,
          async () => (await deployment.ask(fresh)).ready,
        );
      }
      assert.equal(await deployment.stopNode(old), 'exit code 0');
      if (!isNewFirst) deployment.startNode(fresh, ['--join']);
      pods = [...pods.filter((i) => i !== old), fresh];
      await holding(deployment, pods);
      // A server that is loaded again is started again: it begins in an empty directory.
      for (const i of pods.filter((each) => each !== fresh))
        assert.equal(await serverOf(deployment, i), servers.get(i), `node${i + 1} was loaded anew`);
    }
    await writer.stop();
    await deployment.assertIdentical(pods);
    for (const i of pods)
      assert.deepEqual(await missingAt(await deployment.serverSocket(i), writer.acknowledged), []);
    assert.deepEqual(writer.stale, []);
    const { longestGapMs, acknowledged } = writer;
    assert.ok(longestGapMs < GAP_MS_MAX, `no write for ${longestGapMs} ms`);
    figures('rolling', { order, longestGapMs, acknowledged: acknowledged.length });
  });

test('an address that goes to a node of another deployment: refused, and both keep working', async (t) => {
  const [ours, theirs] = [
    [0, 1, 2],
    [3, 4],
  ] as const;
  const deployment = await Deployment.prepare(t, {
    nodes: 5,
    peersOf: (i, { peerPort }) => {
      const known = ours.some((each) => each === i) ? ours : theirs;
      return known.map((each) => `127.0.0.1:${peerPort.call(deployment, each)}`);
    },
  });
  deployment.startAll();
  await holding(deployment, ours);
  await holding(deployment, theirs);
  const idOf = async (i: number): Promise<string> => (await deployment.status(i)).deployment;
  const [own, other] = [await idOf(0), await idOf(3)];
  assert.notEqual(own, other);
  const writers = [[0, 1] as const, [3] as const].map(
    (nodes, at) =>
      new Writer(
        t,
        nodes.map((i) => deployment.port(i)),
        `w${at}`,
      ),
  );
  for (const writer of writers) writer.start();

  // node3's machine is gone, and node5's directory comes up at its address.
  await deployment.stopNode(2, 'SIGKILL');
  await deployment.stopNode(4, 'SIGKILL');
  renameSync(deployment.nodeDir(2), `${deployment.nodeDir(2)}-gone`);
  renameSync(deployment.nodeDir(4), deployment.nodeDir(2));
  const known = [3, 2].map((i) => `127.0.0.1:${deployment.peerPort(i)}`).join(',');
  deployment.startNode(2, ['--node', 'node5', '--peers', known]);
  const refused = /WRONG_DEPLOYMENT/;
  await until('node1 refuses it, or is refused', STEP_MS, () => refused.test(deployment.log(0)));
  await until('node5 at its new address', STEP_MS, async () => (await deployment.ask(2)).ready);
  for (const writer of writers) await writer.gapAfter(performance.now(), STEP_MS);
  for (const writer of writers) await writer.stop();
  assert.deepEqual(await Promise.all([0, 1, 3, 2].map(idOf)), [own, own, other, other]);
  await deployment.assertIdentical([0, 1]);
  await deployment.assertIdentical([3, 2]);
  for (const [at, nodes] of [[0, 1] as const, [3, 2] as const].entries())
    for (const i of nodes) {
      const missing = await missingAt(
        await deployment.serverSocket(i),
        writers[at]?.acknowledged ?? [],
      );
      assert.deepEqual(missing, []);
    }
});
