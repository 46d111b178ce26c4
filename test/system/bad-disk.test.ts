/** A disk that lies, tears or is full: the node says so and stands aside, and nothing is lost. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

const NAMED_MS = 15_000;
const MIB = 1024 * 1024;

let deployment: Deployment;
const written: string[] = [];
const scope = fileScope();

before(async () => {
  const flags = ['--log-limit', '256kb'];
  deployment = await Deployment.agents(scope, { flags });
  await write('first', 500);
});

async function write(prefix: string, count = 50): Promise<void> {
  const live = deployment.ports.filter((_, i) => deployment.exitOf(i) === null);
  const writer = new Writer(scope, live, prefix);
  writer.start();
  await writer.reaches(count);
  await writer.stop();
  written.push(...writer.acknowledged);
}

async function allIsThere(): Promise<void> {
  await deployment.ready();
  await deployment.assertIdentical();
  for (const i of deployment.indices)
    assert.deepEqual(await missingAt(await deployment.serverSocket(i), written), []);
}

async function follower(): Promise<number> {
  return ((await deployment.leader()) + 1) % 3;
}

function newest(i: number, pattern: RegExp): string {
  const dir = join(deployment.nodeDir(i), 'data0');
  const [name] = readdirSync(dir)
    .filter((each) => pattern.test(each))
    .sort()
    .reverse();
  assert.ok(name, `a file like ${pattern} in ${dir}`);
  return join(dir, name);
}

/** The node ends by itself and names `code` and the file; the others serve; mended, it is back. */
async function refusesToStart(i: number, path: string, code: RegExp, damage: () => void) {
  const kept = `${path}.kept`;
  copyFileSync(path, join(deployment.dir, 'kept'));
  damage();
  const from = deployment.log(i).length;
  deployment.startNode(i);
  const exit = await until('the end of the node', NAMED_MS, () => deployment.exitOf(i));
  assert.notEqual(exit, 0, 'it ended with an error');
  deployment.assertLogged(i, code, from);
  deployment.assertLogged(i, new RegExp(path), from);
  await write(`beside:${code.source}`);
  copyFileSync(join(deployment.dir, 'kept'), path);
  rmSync(kept, { force: true });
  deployment.startNode(i);
  await allIsThere();
}

test('a torn last record is cut off, and nothing is missing', async () => {
  const i = await follower();
  await deployment.stopNode(i, 'SIGKILL');
  const path = newest(i, /^log-\d+$/);
  // As a power cut leaves it: the beginning of a record that was never acknowledged.
  const record = readFileSync(path).subarray(96, 96 + 24);
  appendFileSync(path, record);
  const from = deployment.log(i).length;
  deployment.startNode(i);
  await deployment.ready();
  deployment.assertLogged(i, /tornTailCut/, from);
  await write('after the tear');
  await allIsThere();
});

test('a log that lost bytes it had synced is damage, not a tear', async () => {
  const i = await follower();
  // What it has synced is noted a second later; a loaded machine takes its time.
  await sleep(4_000);
  await deployment.stopNode(i, 'SIGKILL');
  const path = newest(i, /^log-\d+$/);
  await refusesToStart(i, path, /SEGMENT_CHECKSUM|SEGMENT_HEADER/, () =>
    truncateSync(path, statSync(path).size - 3),
  );
});

test('a flipped byte in the middle of the log stops the node by name', async () => {
  const i = await follower();
  await write('more');
  await deployment.stopNode(i, 'SIGKILL');
  const path = newest(i, /^log-\d+$/);
  await refusesToStart(i, path, /SEGMENT_CHECKSUM/, () => {
    const bytes = readFileSync(path);
    const at = 96 + Math.floor((bytes.length - 96) / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
  });
});

test('a truncated snapshot stops the node by name', async () => {
  const pour = new Wire(deployment.port(await deployment.leader()));
  for (let n = 0; n < 20; n++) await pour.must('SET', `bulk:${n}`, randomBytes(64 * 1024));
  pour.close();
  const i = await follower();
  const path = await until('a snapshot', 30_000, () => {
    const dir = join(deployment.nodeDir(i), 'data0');
    return readdirSync(dir).some((name) => /^snapshot-[^.]*$/.test(name)) ? dir : null;
  }).then(() => sleep(1_000));
  assert.equal(path, undefined);
  await deployment.stopNode(i, 'SIGKILL');
  const snapshot = newest(i, /^snapshot-[^.]*$/);
  await refusesToStart(i, snapshot, /SNAPSHOT_CHECKSUM/, () =>
    truncateSync(snapshot, Math.floor(statSync(snapshot).size / 2)),
  );
});

test('a damaged file of term and vote, or of the identity, stops the node by name', async () => {
  const i = await follower();
  for (const [name, code] of [
    ['data0/hard-state', /HARD_STATE_DAMAGED/],
    ['identity', /IDENTITY_DAMAGED/],
  ] as const) {
    await deployment.stopNode(i, 'SIGKILL');
    const path = join(deployment.nodeDir(i), name);
    await refusesToStart(i, path, code, () => {
      writeFileSync(path, Buffer.alloc(statSync(path).size, 'x'));
    });
  }
});

const isRoot = process.getuid?.() === 0;

test('a full disk ends the leader by name; the others go on, and it comes back', {
  skip: !isRoot && 'needs root to mount a small disk',
}, async (t) => {
  const small = await Deployment.prepare(t, { flags: ['--log-limit', '64mb'] });
  const i = 0;
  mkdirSync(small.nodeDir(i), { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', small.nodeDir(i)]);
  // Runs before the directory is removed.
  const unmount = (): void => {
    execFileSync('umount', ['-l', small.nodeDir(i)]);
  };
  try {
    const ballast = join(small.nodeDir(i), 'ballast');
    writeFileSync(ballast, Buffer.alloc(80 * MIB, 1));
    small.startAll();
    await small.ready();
    if ((await small.leader()) !== i) await small.switchover(i);
    const writer = new Writer(t, small.ports.slice(1), 'w');
    writer.start(1);
    for (let n = 0; n < 60 && small.exitOf(i) === null; n++) {
      const wire = new Wire(small.port(1));
      await wire.call('SET', `bulk:${n % 8}`, randomBytes(MIB)).catch(() => undefined);
      wire.close();
    }
    const exit = await until('the end of the node', 30_000, () => small.exitOf(i)).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${small.lastWords()}`);
      },
    );
    assert.notEqual(exit, 0);
    small.assertLogged(i, /DISK_FULL/);
    await until('another leader', 20_000, async () => (await small.leader()) !== i);
    await sleep(500);
    await writer.stop();
    assert.ok(writer.acknowledged.length > 20);
    rmSync(ballast);
    small.startNode(i);
    await small.ready();
    await small.assertIdentical();
    for (const each of small.indices)
      assert.deepEqual(await missingAt(await small.serverSocket(each), writer.acknowledged), []);
    for (const each of small.indices) await small.stopNode(each);
  } finally {
    for (const each of small.indices) await small.stopNode(each, 'SIGKILL');
    unmount();
  }
});
