/**
 * Real processes on disks that lose what was not synced, stall, fail or are full (the shim of
 * `faults/shims`): every acknowledged write is there afterwards, and the node says what happened.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildShims } from '../../faults/shims/build.ts';
import { NodeShims } from '../../faults/shims/node-shims.ts';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { pidsUnder, until } from './processes.ts';
import { missingAt, Writer } from './writer.ts';

const built = await buildShims();
const skip = 'skipped' in built ? built.skipped : false;

const ROUNDS = IS_FULL ? 15 : 2;
const SYNC_MS = 15;
/** Much longer than the disk may keep a leader waiting. */
const STALL_MS = 15_000;
const HAND_OVER_MS = 8_000;
const NAMED_MS = 15_000;

const shims: NodeShims[] = [];
const written: string[] = [];
const scope: (() => Promise<void>)[] = [];
let deployment: Deployment;

before(async () => {
  if (skip !== false) return;
  deployment = await Deployment.agents(
    { after: (fn) => void scope.unshift(fn) },
    { flags: ['--log-limit', '256kb'], environmentOf },
  );
});

after(async () => {
  for (const fn of scope) await fn();
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

test('a power cut of one node or of all loses nothing that was acknowledged', {
  skip,
}, async () => {
  const lost = { writes: 0, names: 0 };
  // So that the power goes between a write and its sync more often than not.
  for (const { control } of shims) control.slowDisk(SYNC_MS);
  for (let round = 0; round < ROUNDS; round++) {
    const writer = new Writer(deployment.ports, `r${round}`);
    writer.start(4);
    await sleep(1_200);
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
    assert.ok(writer.acknowledged.length > 50, `${writer.acknowledged.length} were acknowledged`);
    assert.deepEqual(writer.stale, []);
    written.push(...writer.acknowledged);
    await allIsThere();
  }
  for (const { control } of shims) control.slowDisk(0);
  figures('power-cuts', { rounds: ROUNDS, acknowledged: written.length, ...lost });
  assert.ok(lost.writes + lost.names > 0, 'something was not synced when the power went');
});

test('a leader whose disk stalls hands over, and is back when the disk is', { skip }, async () => {
  const leader = await deployment.leader();
  const others = deployment.ports.filter((_, i) => i !== leader);
  const writer = new Writer(others, 'stalled');
  writer.start();
  await sleep(500);
  const begunMs = performance.now();
  shims[leader]?.control.slowDisk(STALL_MS);
  await until('another leader', HAND_OVER_MS, async () => (await deployment.leader()) !== leader);
  const tookMs = Math.round(performance.now() - begunMs);
  const gapMs = await writer.gapAfter(performance.now(), HAND_OVER_MS);
  shims[leader]?.control.slowDisk(0);
  await sleep(500);
  await writer.stop();
  assert.match(deployment.log(leader), /disk\.stalled/);
  figures('stalled-disk', { tookMs, gapMs, longestGapMs: writer.longestGapMs });
  written.push(...writer.acknowledged);
  await allIsThere();
  assert.equal(deployment.exitOf(leader), null);
});

for (const [what, writes, syncs, named] of [
  ['a leader whose fdatasync fails once ends by name', null, 'EIO', /DISK_FAILED: fdatasync.*EIO/],
  ['a leader whose writes fail ends by name', 'EIO', null, /DISK_FAILED: write.*EIO/],
  ['a leader without room on its disk ends by name', 'ENOSPC', null, /DISK_FULL: write.*ENOSPC/],
] as const)
  test(`${what}, and comes back`, { skip }, async () => {
    const leader = await deployment.leader();
    const writer = new Writer(
      deployment.ports.filter((_, i) => i !== leader),
      what,
    );
    writer.start();
    await sleep(500);
    shims[leader]?.control.failDisk(writes, syncs);
    const exit = await until('its end', NAMED_MS, () => deployment.exitOf(leader));
    assert.notEqual(exit, 0);
    const log = deployment.log(leader);
    assert.match(log, named);
    assert.ok(log.includes(`${deployment.nodeDir(leader)}/data0/`), 'the file is named');
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
