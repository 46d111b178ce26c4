/** Directories that are used twice, rolled back, or half gone (`facts/holes.md` H8, H9). */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';

const NAMED_MS = 15_000;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.prepare(scope);
});

/** A write that all nodes agree on, and proof that they serve. */
async function write(key: string): Promise<void> {
  const wire = new Wire(deployment.port(await deployment.leader()));
  assert.equal(await wire.must('SET', key, key), 'OK');
  wire.close();
}

async function follower(): Promise<number> {
  return ((await deployment.leader()) + 1) % deployment.nodes;
}

test('H8: two of three nodes found nothing; all three do, and begin at once', async () => {
  deployment.startNode(0);
  deployment.startNode(1);
  for (const i of [0, 1])
    await until('an answer', 20_000, async () => (await deployment.ask(i)).status !== null);
  await sleep(2_000);
  for (const i of [0, 1]) {
    const { ready, status } = await deployment.ask(i);
    assert.equal(ready, false);
    assert.equal(status?.deployment, '');
  }
  deployment.startNode(2);
  await deployment.ready();
  const ids = await Promise.all(
    deployment.indices.map(async (i) => (await deployment.status(i)).deployment),
  );
  assert.equal(new Set(ids).size, 1);
  await write('founded');
});

test('H9: a second agent on the directory of one that runs is refused, and disturbs nobody', async (t) => {
  const i = await follower();
  const pid = await deployment.agentPid(i);
  const second = await Deployment.prepare(t, { nodes: 1 });
  second.startNode(0, ['--dir', deployment.nodeDir(i), '--node', `node${i + 1}`]);
  const exit = await until('its end', NAMED_MS, () => second.exitOf(0));
  assert.notEqual(exit, 0);
  second.assertLogged(0, /DIRECTORY_LOCKED/);
  assert.equal(await deployment.agentPid(i), pid);
  await write('beside a second agent');
});

test('H9: a directory that was rolled back is refused by those who knew it later', async (t) => {
  const i = await follower();
  const dir = deployment.nodeDir(i);
  await deployment.stopNode(i);
  const old = join(deployment.dir, 'old');
  cpSync(dir, old, { recursive: true });
  deployment.startNode(i);
  await deployment.ready();
  await write('after the copy');
  await deployment.stopNode(i);
  const newer = join(deployment.dir, 'newer');
  renameSync(dir, newer);
  cpSync(old, dir, { recursive: true });
  t.after(async () => {
    await deployment.stopNode(i);
    rmSync(dir, { recursive: true });
    renameSync(newer, dir);
    deployment.startNode(i);
    await deployment.ready();
    await deployment.assertIdentical();
  });
  // Starting it again and again makes it no younger.
  for (let start = 0; start < 3; start++) {
    const from = deployment.log(i).length;
    deployment.startNode(i);
    await until('OLD_INCARNATION', NAMED_MS, () =>
      deployment.log(i).slice(from).includes('OLD_INCARNATION'),
    );
    await write('beside a rolled back one');
    assert.equal((await deployment.ask(i)).ready, false);
    await deployment.stopNode(i);
  }
});

test('H9: an identity without its log is damage, and the node says which', async () => {
  const i = await follower();
  const data = join(deployment.nodeDir(i), 'data0');
  for (const [lost, code] of [
    [/./, 'LOG_MISSING'],
    [/^log-/, 'LOG_MISSING'],
    [/^hard-state$/, 'HARD_STATE_MISSING'],
  ] as const) {
    await deployment.stopNode(i, 'SIGKILL');
    const aside = join(deployment.dir, 'aside');
    mkdirSync(aside);
    for (const name of readdirSync(data).filter((each) => lost.test(each)))
      renameSync(join(data, name), join(aside, name));
    if (readdirSync(data).length === 0) rmSync(data, { recursive: true });
    const from = deployment.log(i).length;
    deployment.startNode(i);
    assert.notEqual(await until('its end', NAMED_MS, () => deployment.exitOf(i)), 0);
    deployment.assertLogged(i, new RegExp(code), from);
    await write(`beside ${code}`);
    mkdirSync(data, { recursive: true });
    for (const name of readdirSync(aside)) renameSync(join(aside, name), join(data, name));
    rmSync(aside, { recursive: true });
    deployment.startNode(i);
    await deployment.ready();
  }
  await deployment.assertIdentical();
});
