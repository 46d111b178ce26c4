/** `althing backup`: of a cluster and of one server, whole or not at all. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { althing } from './althing.ts';
import { ClusterServers, done, refused } from './cluster-servers.ts';
import { isAllAt, tell, writeEveryType } from './every-type.ts';
import { IS_FULL } from './figures.ts';
import { PlainServer } from './plain-server.ts';
import { until } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, fileScope } from './scope.ts';

const KEYS = IS_FULL ? 200_000 : 400;
const KILLS = IS_FULL ? 50 : 2;
const STEP_MS = 60_000;

const scope = fileScope();
const dir = mkdtempSync(join(tmpdir(), 'althing-backup-'));
const told = new Map<number, string>();
let plain: PlainServer;
let cluster: ClusterServers;

before(async () => {
  atEnd(scope, async () => rmSync(dir, { recursive: true, force: true }));
  plain = await PlainServer.start(scope);
  await plain.with(async (wire) => {
    await writeEveryType(wire, 0, KEYS);
    for (let i = 0; i < KEYS; i++) told.set(i, await tell(wire, i));
  });
  cluster = await ClusterServers.start(scope, 4);
  await cluster.form(3);
  await cluster.ask(3, 'CLUSTER', 'REPLICATE', await cluster.id(0));
  await until('the replica follows', STEP_MS, async () =>
    String(await cluster.ask(3, 'INFO', 'replication')).includes('master_link_status:up'),
  );
});

function backupsIn(place: string): string[] {
  return readdirSync(place).filter((name) => /^\d{8}T\d{6}Z(-\d+)?$/.test(name));
}

async function backedUp(place: string, from: string, ...words: string[]): Promise<string> {
  const out = done(await althing('backup', '--to', place, '--from', from, ...words));
  return /^OK: (\S+)$/m.exec(out)?.[1] ?? assert.fail(out);
}

test('C51, G3: one server into three shards, and back from what is taken of these, a replica first', async (t) => {
  const one = await backedUp(join(dir, 'one'), plain.address);
  done(await althing('restore', '--from', one, '--to', cluster.at(0), '--yes'));
  const three = await backedUp(join(dir, 'three'), cluster.at(1));
  const manifest = JSON.parse(readFileSync(join(three, 'backup.json'), 'utf8'));
  assert.deepEqual(manifest.shards.map(({ role }: { role: string }) => role).toSorted(), [
    'primary',
    'primary',
    'replica',
  ]);
  assert.deepEqual(manifest.shards.map(({ slots }: { slots: string }) => slots).toSorted(), [
    '0-5460',
    '10923-16383',
    '5461-10922',
  ]);
  const target = await PlainServer.start(t);
  const out = done(await althing('restore', '--from', three, '--to', target.address, '--yes'));
  assert.match(out, /OK: all is there/);
  await isAllAt([target.port], told);
});

test('a damaged backup is refused with the name of what is damaged, and nothing is touched', async (t) => {
  const target = await PlainServer.start(t);
  const place = join(dir, 'damaged');
  const taken = await backedUp(place, plain.address);
  const path = join(taken, 'shard-0.rdb');
  const bytes = readFileSync(path);
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 1;
  writeFileSync(path, bytes);
  const words = ['restore', '--from', taken, '--to', target.address, '--yes'];
  refused(await althing(...words), /SOURCE_DAMAGED: \S*shard-0\.rdb .* sha256 differs/);
  refused(await althing('backup', 'list', place, '--check'), /shard-0\.rdb .* sha256 differs/);
  writeFileSync(path, bytes.subarray(0, 100));
  refused(await althing(...words), /shard-0\.rdb has 100 bytes/);
  refused(await althing('backup', 'list', place), /not as long as it was/);
  assert.equal(await target.keys(), 0);
});

test('kill -9 at any moment leaves no backup that counts and is not whole; --keep keeps the newest', async () => {
  const place = join(dir, 'killed');
  const began = performance.now();
  await backedUp(place, cluster.at(0));
  const wholeMs = performance.now() - began;
  for (let n = 0; n < KILLS; n++) {
    const words = [PROGRAM, 'backup', '--to', place, '--from', cluster.at(0)];
    const tool = spawn(process.execPath, words, { stdio: 'ignore' });
    const gone = new Promise((resolve) => tool.once('exit', resolve));
    await sleep(Math.random() * wholeMs);
    tool.kill('SIGKILL');
    await gone;
    done(await althing('backup', 'list', place, '--check'));
  }
  const newest = await backedUp(place, cluster.at(0), '--keep', '1');
  assert.deepEqual(
    backupsIn(place).map((name) => join(place, name)),
    [newest],
  );
});

test('what cannot be taken is told, and leaves nothing', async () => {
  const place = join(dir, 'none');
  const nobody = await althing('backup', '--to', place, '--from', '127.0.0.1:1');
  assert.equal(nobody.code, 3, nobody.out);
  assert.equal((await althing('backup', '--from', plain.address)).code, 2);
  await plain.with(async (wire) => {
    await wire.must('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '+@all', '-psync');
  });
  const access = ['--user', 'reader', '-a', 'secret'];
  refused(
    await althing('backup', '--to', place, '--from', plain.address, ...access),
    /TARGET_REFUSED: .*NOPERM/,
  );
  assert.deepEqual(readdirSync(place), []);
});
