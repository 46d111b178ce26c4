/** An eventual deployment that begins with data from elsewhere, and what may be wanted of it. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { signal, until } from './processes.ts';
import { Failure, type Value, Wire } from './wire.ts';

const [FIRST, IMPORTER, WITNESS, LATE] = [0, 1, 2, 3];
const KEYS = 1_000;
const STEP_MS = 60_000;
/** More than the kernel keeps of it for a replica that stands still. */
const LOST_MIB = 32;
/** The primary has told how far it is, and what is wanted has arrived. */
const TOLD_MS = 1_000;

/** As a server that ran elsewhere has left it. */
function appendOnlyFile(path: string): void {
  const words = Array.from({ length: KEYS }, (_, n) => ['SET', `k${n}`, `v${n}`]);
  const bytes = words.map((each) => [
    `*${each.length}`,
    ...each.flatMap((w) => [`$${w.length}`, w]),
  ]);
  writeFileSync(path, `${bytes.flat().join('\r\n')}\r\n`);
}

async function called(port: number, ...words: string[]): Promise<Value> {
  const wire = new Wire(port);
  try {
    return await wire.call(...words);
  } finally {
    wire.close();
  }
}

async function change(deployment: Deployment, spec: unknown): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(FIRST)}/spec`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(spec),
  });
  assert.equal(answer.status, 200, await answer.text());
}

function hasProblem(status: Status | null, code: string): boolean {
  return status?.problems.some((problem) => problem.code === code) ?? false;
}

test('data from elsewhere are the first, and what is wanted comes to pass', async (t) => {
  const flags = ['--consistency', 'eventual', '--expect', '3'];
  const deployment = await Deployment.prepare(t, { nodes: 4, flags });
  const source = join(deployment.dir, 'appendonly.aof');
  appendOnlyFile(source);
  const imports = ['--import-data', source];
  const status = async (i: number) => (await deployment.ask(i)).status;

  // Two that have nothing are there first, and begin nothing without it.
  deployment.startNode(FIRST);
  deployment.startNode(WITNESS, ['--witness']);
  deployment.startNode(IMPORTER, imports);
  await until('a primary', STEP_MS, async () => (await status(IMPORTER))?.role === 'primary');
  await until('its data are everywhere', STEP_MS, async () => {
    const counts = [FIRST, IMPORTER].map((i) => called(deployment.port(i), 'DBSIZE'));
    return (await Promise.all(counts)).every((count) => count === KEYS);
  });
  assert.equal(await called(deployment.port(FIRST), 'GET', 'k7'), 'v7');

  // Not twice, though it is told so again; and never into a deployment that is there.
  deployment.startNode(LATE, imports);
  await until('it says why not', STEP_MS, async () =>
    hasProblem(await status(LATE), 'IMPORT_TOO_LATE'),
  );
  assert.equal(await called(deployment.port(IMPORTER), 'SET', 'later', '1'), 'OK');
  await deployment.stopNode(LATE);
  rmSync(deployment.nodeDir(LATE), { recursive: true, force: true });

  // A copy more than there are nodes for, until one comes; it has no disk, and leaves.
  await change(deployment, { replicas: 2, minReplicasToWrite: 2 });
  const refused = await until('writes wait for a second replica', STEP_MS, async () => {
    const answer = await called(deployment.port(IMPORTER), 'SET', 'later', '2');
    return answer instanceof Failure ? answer.text : null;
  });
  assert.match(refused, /^NOREPLICAS/);
  assert.ok(hasProblem(await status(IMPORTER), 'TOO_FEW_REPLICAS'));
  deployment.startNode(LATE, ['--join', '--ephemeral']);
  await until('writes are taken', STEP_MS, async () => {
    return (await called(deployment.port(IMPORTER), 'SET', 'later', '3')) === 'OK';
  });
  await until('it has the data', STEP_MS, async () => {
    return (await called(deployment.port(LATE), 'GET', 'later')) === '3';
  });
  assert.equal((await status(LATE))?.role, 'replica');
  await deployment.stopNode(LATE);
  await until('it has left', STEP_MS, async () => {
    return (await status(IMPORTER))?.members.length === 3;
  });
  await change(deployment, { replicas: 1, minReplicasToWrite: 0 });

  // More is known to be missing than may be: nobody takes over before somebody says so.
  await change(deployment, { maxLostBytes: '1mb' });
  const replica = await deployment.serverPid(FIRST);
  signal(replica, 'SIGSTOP');
  const value = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < LOST_MIB; n++)
    assert.equal(await called(deployment.port(IMPORTER), 'SET', `large${n}`, value), 'OK');
  await sleep(TOLD_MS);
  signal(await deployment.serverPid(IMPORTER), 'SIGKILL');
  await deployment.stopNode(IMPORTER, 'SIGKILL');
  signal(replica, 'SIGCONT');
  await until('nobody goes on', STEP_MS, async () => hasProblem(await status(FIRST), 'NO_PRIMARY'));
  const shut = await called(deployment.port(FIRST), 'SET', 'later', '4');
  assert.match(shut instanceof Failure ? shut.text : '', /^READONLY/);
  await change(deployment, { maxLostBytes: null });
  await until('it goes on', STEP_MS, async () => {
    return (await called(deployment.port(FIRST), 'SET', 'later', '5')) === 'OK';
  });

  // What it brought in once it does not bring in again: it has data, and lost some of them.
  deployment.startNode(IMPORTER, imports);
  await until('it tells what was lost', STEP_MS, async () =>
    hasProblem(await status(IMPORTER), 'WRITES_LOST'),
  );
  deployment.assertLogged(IMPORTER, /import\.isDone/);
  await until('it follows', STEP_MS, async () => {
    return (await called(deployment.port(IMPORTER), 'GET', 'later')) === '5';
  });
  assert.equal(await called(deployment.port(IMPORTER), 'GET', 'k7'), 'v7');
});
