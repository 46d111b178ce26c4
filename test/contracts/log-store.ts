/** What a group's storage does over any disk: append, roll over, compact, install, come back. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Done } from '../../src/core/raft/ports.ts';
import type { Entry, SnapshotMeta } from '../../src/core/raft/protocol.ts';
import {
  type OpenedGroup,
  type OpenGroupOptions,
  type OpenGroupResult,
  openGroup,
} from '../../src/io/storage/recovery.ts';
import type { SnapshotWriter } from '../../src/io/storage/snapshot-writer.ts';
import type { SnapshotReader } from '../../src/io/storage/snapshots.ts';
import { completed, type DiskUnderTest, resulting } from './disk.ts';
import { CONFIGURATION, DEFAULTS, entry, id, textOf, vote } from './storage-world.ts';

async function open(
  { disk, directory }: DiskUnderTest,
  options: Partial<OpenGroupOptions> = {},
  onEntry: ((one: Entry) => void) | null = null,
): Promise<OpenedGroup> {
  const all = { ...DEFAULTS, segmentBytes: 2000, cacheBytes: 500, ...options };
  const result = await new Promise<OpenGroupResult>((resolve) => {
    openGroup(disk, `${directory}/groups/data0`, all, onEntry, resolve);
  });
  if (!result.ok) throw result.error;
  return result;
}

function stored(call: (done: Done) => void): Promise<void> {
  return completed((done) => call((error) => done((error as never) ?? null)));
}

function read({ store }: OpenedGroup): Promise<readonly Entry[] | null> {
  return new Promise((resolve) => store.read(store.base, store.last, 1 << 30, resolve));
}

async function takeSnapshot(
  group: OpenedGroup,
  index: number,
  body: Uint8Array,
): Promise<SnapshotMeta> {
  const start = { id: `s${index}`, last: id(index, 1), configuration: CONFIGURATION };
  const writer = await resulting<SnapshotWriter | null>((done) => {
    group.snapshots.begin(start, { offset: index }, done);
  });
  ok(writer !== null);
  await completed((done) => writer.append(body, done));
  const meta = await resulting<SnapshotMeta | null>((done) => writer.finish(done));
  ok(meta !== null);
  return meta;
}

export function testLogStore(name: string, make: () => DiskUnderTest): void {
  test(`${name}: a group appends, rolls over, compacts, installs, and comes back`, async () => {
    const under = make();
    try {
      await scenario(under);
    } finally {
      under.end();
    }
  });

  test(`${name}: a record of 65 MiB is stored by reference and read back`, async () => {
    const under = make();
    try {
      const group = await open(under);
      await stored((done) => group.store.saveHardState(vote(1), done));
      const payload = Buffer.alloc(65 * 1024 * 1024, 'althing');
      await stored((done) => group.store.persist(id(0, 0), [entry(1, 1, payload)], done));
      await stored((done) => group.store.close(done));
      const again = await open(under, { mustExist: true });
      const entries = await read(again);
      ok(Buffer.from(entries?.[0]?.payload ?? []).equals(payload));
      await stored((done) => again.store.close(done));
    } finally {
      under.end();
    }
  });
}

async function scenario(under: DiskUnderTest): Promise<void> {
  const group = await open(under);
  const { store } = group;
  await stored((done) => store.saveHardState(vote(1), done));
  const pending: Promise<void>[] = [];
  for (let i = 1; i <= 60; i++) {
    const one = entry(i, 1, `${i}`.padStart(i * 3, '.'));
    pending.push(stored((done) => store.persist(id(i - 1, i === 1 ? 0 : 1), [one], done)));
  }
  await Promise.all(pending);
  ok(store.syncs < 60, 'group commit');
  equal((await read(group))?.length, 60);
  const meta = await takeSnapshot(group, 40, Buffer.alloc(5000, 'rdb'));
  await stored((done) => store.compactTo(meta, 0, done));
  ok(store.base.index > 20 && store.base.index <= 40);
  const tail = textOf((await read(group)) ?? []);
  await stored((done) => store.close(done));

  const seen: Entry[] = [];
  const again = await open(under, { mustExist: true }, (one) => seen.push(one));
  deepEqual(textOf(seen), tail);
  deepEqual(again.snapshot, meta);
  equal(again.tornBytes, 0);
  const reader = await resulting<SnapshotReader | null>((done) => again.snapshots.openLatest(done));
  const body = await resulting<Uint8Array>((done) => reader?.read(4990, 100, done));
  equal(Buffer.from(body).toString(), Buffer.alloc(5000, 'rdb').toString().slice(4990));
  reader?.close();

  const far = await takeSnapshot(again, 900, Buffer.alloc(0));
  await stored((done) => again.store.installSnapshot(far, false, done));
  await stored((done) => again.store.persist(far.last, [entry(901, 1, 'on')], done));
  await stored((done) => again.store.close(done));
  const last = await open(under, { mustExist: true });
  deepEqual(last.base, id(900, 1));
  deepEqual(textOf((await read(last)) ?? []), ['901/1 on']);
  await stored((done) => last.store.close(done));
}
