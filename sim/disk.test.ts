import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { completed, type DiskUnderTest, opened, testDisk } from '../test/contracts/disk.ts';
import { testLogStore } from '../test/contracts/log-store.ts';
import { pseudoRandom } from '../test/contracts/storage-world.ts';
import { SimDisk } from './disk.ts';

function simDisk(seed: number): SimDisk {
  return new SimDisk({
    entropy: pseudoRandom(seed),
    schedule: (run) => setImmediate(run),
  });
}

function make(): DiskUnderTest {
  const disk = simDisk(1);
  disk.makeDirectory('/d', () => undefined);
  return { disk, directory: '/d', end: () => undefined };
}

testDisk('SimDisk', make);
testLogStore('storage over SimDisk', make);

/** A durable file of 'old', then a change that is not synced, then a power cut. */
async function afterCrash(seed: number, isSynced: boolean): Promise<string | null> {
  const disk = simDisk(seed);
  await completed((done) => disk.makeDirectory('/d', done));
  const file = await opened(disk, '/d/a', 'new');
  await completed((done) => file.write(0, [Buffer.alloc(1024, 'o')], done));
  if (isSynced) {
    await completed((done) => file.sync(done));
    await completed((done) => disk.syncDirectory('/d', done));
  }
  await completed((done) => file.write(1024, [Buffer.alloc(1024, 'n')], done));
  disk.crash();
  if (!disk.paths().includes('/d/a')) return null;
  const text = Buffer.from(disk.contentOf('/d/a')).toString('latin1');
  return text.replace(/o+/g, 'o').replace(/n+/g, 'n').replace(/\0+/g, '0');
}

test('SimDisk: a power cut keeps, loses or tears what was not synced, and nothing else', async () => {
  const synced = new Set<string | null>();
  const unsynced = new Set<string | null>();
  for (let seed = 0; seed < 200; seed++) {
    synced.add(await afterCrash(seed, true));
    unsynced.add(await afterCrash(seed, false));
  }
  deepEqual([...synced].sort(), ['o', 'o0', 'o0n', 'on', 'on0']);
  ok(unsynced.has(null), 'a name that was not synced may be gone');
});

test('SimDisk: the same seed tears in the same way', async () => {
  for (let seed = 0; seed < 20; seed++)
    equal(await afterCrash(seed, false), await afterCrash(seed, false));
});

test('SimDisk: after a failed sync the bytes are seen, and the next power cut takes them', async () => {
  const disk = simDisk(1);
  await completed((done) => disk.makeDirectory('/d', done));
  const file = await opened(disk, '/d/a', 'new');
  await completed((done) => disk.syncDirectory('/d', done));
  await completed((done) => file.write(0, [Buffer.from('lost')], done));
  disk.setFailing('syncs');
  const code = await new Promise((resolve) => file.sync((error) => resolve(error?.code)));
  equal(code, 'DISK_FAILED');
  disk.setFailing('nothing');
  await completed((done) => file.sync(done));
  equal(Buffer.from(disk.contentOf('/d/a')).toString(), 'lost');
  disk.crash();
  equal(disk.contentOf('/d/a').length, 0);
});
