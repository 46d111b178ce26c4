/**
 * Real processes on disks that lose what was not synced, stall, fail or are full (the shim of
 * `faults/shims`): every acknowledged write is there afterwards, and the node says what happened.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildShims } from '../../faults/shims/build.ts';
import { NodeShims } from '../../faults/shims/node-shims.ts';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { pidsUnder, until } from './processes.ts';
import { atEnd, fileScope } from './scope.ts';
import { missingAt, Writer } from './writer.ts';

const built = await buildShims();
const skip = 'skipped' in built ? built.skipped : false;

const ROUNDS = IS_FULL ? 15 : 2;
const SYNC_MS = 15;
/** Much longer than the disk may keep a leader waiting. */
const STALL_MS = 15_000;
const HAND_OVER_MS = 8_000;
const NAMED_MS = 15_000;
/** Before something is done to those who write them. */
const WRITES = 100;

const shims: NodeShims[] = [];
const written: string[] = [];
const scope = fileScope();
let deployment: Deployment;

before(async () => {
  if (skip !== false) return;
  deployment = await Deployment.agents(scope, { flags: ['--log-limit', '256kb'], environmentOf });
});

function environmentOf(i: number, { dir }: Deployment): Record<string, string> {
  const library = 'path' in built ? built.path : '';
  const dataDirectory = join(dir, `node${i + 1}`);
  shims[i] ??= new NodeShims({ library, dataDirectory, scratch: join(dir, `shim${i + 1}`) });
  shims[i].control.journal(true);
  return { ...shims[i].environment };
}

async function allIsThere(): Promise<void> {
  await deployment.ready();
  await deployment.assertIdentical();
  for (const i of deployment.indices)
    assert.deepEqual(await missingAt(await deployment.serverSocket(i), written), []);
}

/** The error that the node ended with, as it told it in its log. */
function lastError(i: number): string {
  const lines = deployment.log(i).trimEnd().split('\n');
  const line = lines.findLast((each) => each.includes('"event":"agent.failed"'));
  assert.ok(line, deployment.lastWords());
  return (JSON.parse(line) as { error: { message: string } }).error.message;
}

test('a power cut of one node or of all loses nothing that was acknowledged', {
  skip,
}, async (t) => {
  const lost = { writes: 0, names: 0 };
  // So that the power goes between a write and its sync more often than not.
  atEnd(t, async () => {
    for (const { control } of shims) control.slowDisk(0);
  });
  for (const { control } of shims) control.slowDisk(SYNC_MS);
  for (let round = 0; round < ROUNDS; round++) {
    const writer = new Writer(t, deployment.ports, `r${round}`);
    writer.start(4);
    await writer.reaches(WRITES);
    const victims = round % 3 === 0 ? deployment.indices : [await deployment.leader()];
    await Promise.all(victims.map((i) => deployment.stopNode(i, 'SIGKILL')));
    if (victims.length > 1) await writer.stop();
    for (const i of victims) {
      const servers = `server of node${i + 1} gone`;
      await until(servers, 5_000, () => pidsUnder(deployment.nodeDir(i)).length === 0);
      const { writes, names } =
        shims[i]?.loseUnsynced(round % 2 === 0 ? 'all' : Math.random) ?? lost;
      lost.writes += writes;
      lost.names += names;
      deployment.startNode(i);
    }
    if (victims.length === 1) await writer.stop();
    assert.deepEqual(writer.stale, []);
    written.push(...writer.acknowledged);
    await allIsThere();
  }
  figures('power-cuts', { rounds: ROUNDS, acknowledged: written.length, ...lost });
  assert.ok(lost.writes + lost.names > 0, 'something was not synced when the power went');
});

test('a leader whose disk stalls hands over, and is back when the disk is', { skip }, async (t) => {
  const leader = await deployment.leader();
  const others = deployment.ports.filter((_, i) => i !== leader);
  const writer = new Writer(t, others, 'stalled');
  writer.start();
  await writer.reaches(WRITES);
  const begunMs = performance.now();
  atEnd(t, async () => shims[leader]?.control.slowDisk(0));
  shims[leader]?.control.slowDisk(STALL_MS);
  await until('another leader', HAND_OVER_MS, async () => (await deployment.leader()) !== leader);
  const tookMs = Math.round(performance.now() - begunMs);
  const gapMs = await writer.gapAfter(performance.now(), HAND_OVER_MS);
  shims[leader]?.control.slowDisk(0);
  await sleep(500);
  await writer.stop();
  deployment.assertLogged(leader, /disk\.stalled/);
  figures('stalled-disk', { tookMs, gapMs, longestGapMs: writer.longestGapMs });
  written.push(...writer.acknowledged);
  await allIsThere();
  assert.equal(deployment.exitOf(leader), null);
});

// The log may just need its next file, or have no use for an old one.
const WRITING = '(write|open)';
const SYNCING = '(fdatasync|sync directory)';

for (const [what, writes, syncs, named] of [
  ['a leader whose fdatasync fails once ends by name', null, 'EIO', `DISK_FAILED: ${SYNCING}: EIO`],
  ['a leader whose writes fail ends by name', 'EIO', null, `DISK_FAILED: ${WRITING}: EIO`],
  [
    'a leader without room on its disk ends by name',
    'ENOSPC',
    null,
    `DISK_FULL: ${WRITING}: ENOSPC`,
  ],
] as const)
  test(`${what}, and comes back`, { skip }, async (t) => {
    const leader = await deployment.leader();
    const others = deployment.ports.filter((_, i) => i !== leader);
    const writer = new Writer(t, others, what);
    writer.start();
    await writer.reaches(WRITES);
    atEnd(t, async () => shims[leader]?.control.failDisk(null, null));
    shims[leader]?.control.failDisk(writes, syncs);
    const exit = await until('its end', NAMED_MS, () => deployment.exitOf(leader));
    assert.notEqual(exit, 0);
    const said = lastError(leader);
    assert.match(said, new RegExp(`^${named}: `));
    const [, doing, path = ''] = /: (\w+)[^:]*: .* \((\S+)( at byte \d+)?\)/.exec(said) ?? [];
    assert.ok(path.startsWith(`${deployment.nodeDir(leader)}/data0`), said);
    assert.equal(existsSync(path), doing !== 'open', `the file is named that is there: ${said}`);
    await until('another leader', HAND_OVER_MS, async () => (await deployment.leader()) !== leader);
    await writer.gapAfter(performance.now(), HAND_OVER_MS);
    await writer.stop();
    shims[leader]?.control.failDisk(null, null);
    // What a failed sync left in the kernel's cache is not on the disk.
    shims[leader]?.loseUnsynced();
    deployment.startNode(leader);
    written.push(...writer.acknowledged);
    await allIsThere();
  });
