/** Nodes come, go, move and are taken out, under a writer that counts what it was promised. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AssemblyView, Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { missingAt, Writer } from './writer.ts';

const FOUNDERS = [0, 1, 2];
const ALL = [0, 1, 2, 3, 4];
const ROUNDS = IS_FULL ? 5 : 1;
const STEP_MS = 60_000;
/** Generous: a loaded machine of two cores may well be slow. The figures say how it was. */
const GAP_MS_MAX = 15_000;

/** Three that found it, and two that are given one address, each of another. */
async function begin(t: TestContext, flags: readonly string[] = []): Promise<Deployment> {
  const deployment = await Deployment.prepare(t, {
    nodes: 5,
    flags,
    peersOf: (i, { peerPort }) => {
      const known = i < FOUNDERS.length ? FOUNDERS : [i % FOUNDERS.length];
      return known.map((each) => `127.0.0.1:${peerPort.call(deployment, each)}`);
    },
  });
  for (const i of FOUNDERS) deployment.startNode(i);
  await serving(deployment, FOUNDERS);
  return deployment;
}

/** Ends with the test, however that ends. */
function writerOn(t: TestContext, ports: readonly number[]): Writer {
  const writer = new Writer(ports, 'w');
  t.after(() => writer.stop());
  return writer;
}

async function joinAll(deployment: Deployment): Promise<void> {
  deployment.startNode(3, ['--join']);
  deployment.startNode(4);
  await serving(deployment, ALL);
}

function serving(deployment: Deployment, nodes: readonly number[]): Promise<unknown> {
  return until(`nodes ${nodes.join()} serving`, STEP_MS, async () => {
    const answers = await Promise.all(nodes.map((i) => deployment.ask(i)));
    return answers.every(({ ready }) => ready);
  });
}

async function send(deployment: Deployment, i: number, method: string, path: string, body: object) {
  const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(i)}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
}

async function assembly(deployment: Deployment, i: number): Promise<AssemblyView> {
  const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(i)}/members`);
  return (await answer.json()) as AssemblyView;
}

/** Those that hold the data, once the leader says that it is as was decided. */
async function holders(deployment: Deployment, nodes: readonly number[], count: number) {
  return until(`${count} holders`, STEP_MS, async () => {
    const statuses = await Promise.all(nodes.map(async (i) => (await deployment.ask(i)).status));
    const roleOf = (i: number): Status['role'] | null => statuses[nodes.indexOf(i)]?.role ?? null;
    const holding = nodes.filter((i) => roleOf(i) === 'leader' || roleOf(i) === 'follower');
    const isWhole = nodes.every((i) => holding.includes(i) || roleOf(i) === 'spare');
    const { decisions } = await assembly(deployment, nodes[0] ?? 0);
    const isOver = decisions.every(({ outcome }) => outcome !== null);
    return isWhole && isOver && holding.length === count ? holding : null;
  });
}

async function assertKept(
  deployment: Deployment,
  nodes: readonly number[],
  writer: Writer,
): Promise<void> {
  await deployment.assertIdentical(nodes);
  for (const i of nodes)
    assert.deepEqual(
      (await missingAt(await deployment.serverSocket(i), writer.acknowledged)).slice(0, 5),
      [],
      `node${i + 1} lacks what was acknowledged`,
    );
  assert.deepEqual(writer.stale, [], 'a read did not see what was acknowledged before it');
}

test('3 -> 5 -> 1 -> 3 under a writer: nothing acknowledged is lost', async (t) => {
  const deployment = await begin(t);
  const writer = writerOn(t, deployment.ports.slice(0, 3));
  writer.start();
  await joinAll(deployment);
  assert.equal((await holders(deployment, ALL, 3)).length, 3);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, replicas] of [4, 0, 2].entries()) {
      // Any node takes the order, a spare too.
      await send(deployment, (round + i + 3) % 5, 'PATCH', '/spec', { replicas });
      await holders(deployment, ALL, replicas + 1);
    }
  await writer.stop();
  const held = await holders(deployment, ALL, 3);
  await assertKept(deployment, held, writer);
  assert.ok(writer.acknowledged.length > 0);
  assert.ok(writer.longestGapMs < GAP_MS_MAX, `no write for ${writer.longestGapMs} ms`);
  figures('scaling', {
    rounds: ROUNDS,
    acknowledged: writer.acknowledged.length,
    unknown: writer.unknown.length,
    refused: writer.refused.length,
    longestGapMs: writer.longestGapMs,
  });
});

test('a leader is removed by order, a member moves, and who was removed comes back only anew', async (t) => {
  const deployment = await begin(t);
  const writer = writerOn(t, [deployment.port(1), deployment.port(2)]);
  deployment.startNode(3, ['--join']);
  await serving(deployment, [0, 1, 2, 3]);
  if ((await deployment.leader()) !== 0) await deployment.switchover(0);
  writer.start();

  await send(deployment, 3, 'POST', '/remove', { node: 'node1' });
  assert.deepEqual(await holders(deployment, [1, 2, 3], 3), [1, 2, 3]);
  const isRemoved = async (): Promise<boolean> =>
    (await deployment.ask(0)).status?.role === 'removed';
  await until('node1 knowing it', STEP_MS, isRemoved);
  await deployment.stopNode(0);
  deployment.startNode(0);
  await until('node1 remembering it', STEP_MS, isRemoved);
  assert.equal((await deployment.ask(0)).ready, false);

  // With its directory, somewhere else: nobody was told where.
  const id = (await assembly(deployment, 1)).members.find(({ node }) => node === 'node4')?.id;
  await deployment.stopNode(3, 'SIGKILL');
  const elsewhere = deployment.peerPort(4);
  deployment.startNode(3, ['--peer-port', `${elsewhere}`]);
  await until('node4 at its new address', STEP_MS, async () => {
    const { members } = await assembly(deployment, 1);
    const member = members.find(({ node }) => node === 'node4');
    return member?.id === id && member?.peerAddress === `127.0.0.1:${elsewhere}`;
  });
  await holders(deployment, [1, 2, 3], 3);

  await deployment.stopNode(0);
  for (const name of readdirSync(deployment.nodeDir(0)))
    if (name !== 'agent.log') rmSync(join(deployment.nodeDir(0), name), { recursive: true });
  deployment.startNode(0);
  await serving(deployment, [0, 1, 2, 3]);
  assert.equal((await deployment.status(0)).role, 'spare');
  await writer.stop();
  await assertKept(deployment, [1, 2, 3], writer);
  figures('removal', { longestGapMs: writer.longestGapMs, refused: writer.refused.length });
});

test('four of five without a disk are stopped at once: the fifth has it all', async (t) => {
  const deployment = await begin(t, ['--ephemeral']);
  await joinAll(deployment);
  await send(deployment, 0, 'PATCH', '/spec', { replicas: 4 });
  await holders(deployment, ALL, 5);
  const writer = writerOn(t, [deployment.port(4)]);
  writer.start();
  const begun = performance.now();
  const exits = await Promise.all([0, 1, 2, 3].map((i) => deployment.stopNode(i)));
  const stopMs = Math.round(performance.now() - begun);
  assert.deepEqual(exits, ['exit code 0', 'exit code 0', 'exit code 0', 'exit code 0']);
  const gapMs = await writer.gapAfter(performance.now(), GAP_MS_MAX);
  await writer.stop();
  assert.deepEqual(await holders(deployment, [4], 1), [4]);
  await assertKept(deployment, [4], writer);
  const { members } = await assembly(deployment, 4);
  assert.deepEqual(
    members.map(({ node }) => node),
    ['node5'],
  );
  figures('ephemeral', { stopMs, gapMs, longestGapMs: writer.longestGapMs });
});
