/** An eventual deployment that begins with data from elsewhere, and what may be wanted of it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Status } from '../../src/doors/view.ts';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { Wire } from './wire.ts';

const [FIRST, IMPORTER, WITNESS, LATE] = [0, 1, 2, 3];
const KEYS = 1_000;
const STEP_MS = 60_000;

/** As a server that ran elsewhere has left it. */
function appendOnlyFile(path: string): void {
  const words = Array.from({ length: KEYS }, (_, n) => ['SET', `k${n}`, `v${n}`]);
  const bytes = words.map((each) => [
    `*${each.length}`,
    ...each.flatMap((w) => [`$${w.length}`, w]),
  ]);
  writeFileSync(path, `${bytes.flat().join('\r\n')}\r\n`);
}

async function called(port: number, ...words: string[]): Promise<unknown> {
  const wire = new Wire(port);
  try {
    return await wire.call(...words);
  } finally {
    wire.close();
  }
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
  await until('it is told why not', STEP_MS, async () =>
    hasProblem(await status(LATE), 'IMPORT_TOO_LATE'),
  );
  assert.equal(await called(deployment.port(IMPORTER), 'SET', 'later', '1'), 'OK');
  await deployment.stopNode(LATE);
  await deployment.stopNode(IMPORTER, 'SIGKILL');
  deployment.startNode(IMPORTER, imports);
  await until('it is back', STEP_MS, async () => (await status(IMPORTER))?.role != null);
  deployment.assertLogged(IMPORTER, /import\.isDone/);
});
