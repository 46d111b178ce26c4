/** A majority is gone for ever: a survivor begins anew, and nobody comes back to mix the two. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AssemblyView, Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { missingAt, Writer } from './writer.ts';

const STEP_MS = 60_000;

/** Without a terminal: nobody can be asked. */
function recover(...args: readonly string[]): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    const words = [PROGRAM, 'recover', ...args];
    execFile(process.execPath, words, { timeout: STEP_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: `${stdout}${stderr}` }),
    ).stdin?.end();
  });
}

/** A loaded machine may be late with it. */
function statusOf(deployment: Deployment, i: number): Promise<Status> {
  return until(`node${i + 1} to answer`, STEP_MS, async () => (await deployment.ask(i)).status);
}

/** As somebody would who wants the node anew. */
function empty(deployment: Deployment, i: number): void {
  for (const name of readdirSync(deployment.nodeDir(i)))
    if (name !== 'agent.log') rmSync(join(deployment.nodeDir(i), name), { recursive: true });
}

function files(deployment: Deployment, i: number): string {
  return ['identity', 'data0/hard-state', 'control/hard-state']
    .map((name) => readFileSync(join(deployment.nodeDir(i), name)).toString('hex'))
    .join();
}

test('two of three directories are lost: the third goes on under another id, without the others', async (t) => {
  const deployment = await Deployment.agents(t);
  const { deployment: before } = await statusOf(deployment, 0);
  const writer = new Writer(t, deployment.ports, 'w');
  writer.start();
  await writer.reaches(100);
  await writer.stop();
  await deployment.assertIdentical();
  const [one = '', two = '', three = ''] = deployment.indices.map((i) => deployment.nodeDir(i));

  const running = await recover(one, '--yes');
  assert.equal(running.code, 1);
  assert.match(running.out, /DIRECTORY_LOCKED/);
  await deployment.stopNode(0, 'SIGKILL');
  const hasMajority = await recover(one, '--yes');
  assert.equal(hasMajority.code, 1);
  assert.match(hasMajority.out, /node2 at \S+: something answers[\s\S]*Refused: .* majority/);

  for (const i of [1, 2]) await deployment.stopNode(i, 'SIGKILL');
  const untouched = files(deployment, 0);
  const asked = await recover(one);
  assert.equal(asked.code, 1);
  assert.match(asked.out, /What may be lost: [\s\S]*Nothing was changed/);
  assert.equal(files(deployment, 0), untouched);
  const all = await recover(three, one, two);
  assert.equal(all.code, 0);
  assert.match(all.out, /NODE[\s\S]*node1[\s\S]*The first has most/);

  empty(deployment, 1);
  const done = await recover(one, '--yes');
  assert.equal(done.code, 0, done.out);
  deployment.startNode(0);
  await deployment.leader();
  const { deployment: after, problems } = await statusOf(deployment, 0);
  assert.notEqual(after, before);
  assert.match(done.out, new RegExp(`deployment ${after} now`));
  assert.deepEqual(await missingAt(await deployment.serverSocket(0), writer.acknowledged), []);
  assert.deepEqual(
    problems.filter(({ code }) => code !== 'TOO_FEW_NODES'),
    [],
  );

  // It has not heard of it.
  deployment.startNode(2);
  await until('the old node refused', STEP_MS, async () => {
    const { status } = await deployment.ask(2);
    return status?.problems.some(({ code }) => code === 'PEER_WRONG_DEPLOYMENT');
  });
  assert.equal((await deployment.ask(2)).ready, false);
  const second = new Writer(t, [deployment.port(0)], 'x');
  second.start();
  await second.reaches(50);
  assert.equal((await statusOf(deployment, 2)).deployment, before);
  await deployment.stopNode(2);

  // Emptied, both join the deployment that there is now.
  empty(deployment, 2);
  for (const i of [1, 2]) deployment.startNode(i);
  await until('three that hold the data', STEP_MS, async () => {
    const answers = await Promise.all(deployment.indices.map((i) => deployment.ask(i)));
    const roles = answers.map(({ status }) => status?.role);
    return roles.every((role) => role === 'leader' || role === 'follower');
  });
  await second.stop();
  await deployment.assertIdentical();
  const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(1)}/members`);
  const { decisions } = (await answer.json()) as AssemblyView;
  assert.ok(decisions.some(({ text }) => text === 'recovered from node1; without node2, node3'));
  const acknowledged = [...writer.acknowledged, ...second.acknowledged];
  for (const i of deployment.indices)
    assert.deepEqual(await missingAt(await deployment.serverSocket(i), acknowledged), []);
});
