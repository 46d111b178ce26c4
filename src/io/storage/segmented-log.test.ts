import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIGURATION,
  entry,
  id,
  snapshotAt,
  textOf,
  VOTER,
  vote,
  World,
} from '../../../test/contracts/storage-world.ts';
import type { Entry } from '../../core/raft/protocol.ts';
import type { StorageError } from './errors.ts';
import type { OpenedGroup } from './recovery.ts';
import type { SnapshotExtra } from './snapshot-file.ts';

function persist(world: World, { store }: OpenedGroup, after: number, entries: Entry[]): void {
  const held = store.termAt(id(after, 0).index);
  let isDone = false;
  store.persist(id(after, held ?? -1), entries, (error) => {
    if (error !== undefined) throw error;
    isDone = true;
  });
  equal(isDone, false, 'never inside the call');
  world.settle();
  equal(isDone, true);
}

function elect(world: World, { store }: OpenedGroup, term: number): void {
  store.saveHardState(vote(term), (error) => {
    if (error !== undefined) throw error;
  });
  world.settle();
}

/** Entries 1 to `last` of term 1, each written and synced by itself. */
function filled(world: World, last: number, bytes = 100, segmentBytes = 1000): OpenedGroup {
  const group = world.open({ segmentBytes, cacheBytes: 0 });
  elect(world, group, 1);
  for (let i = 1; i <= last; i++)
    persist(world, group, i - 1, [entry(i, 1, String(i).padStart(bytes, '.'))]);
  return group;
}

function takeSnapshot(
  world: World,
  { snapshots }: OpenedGroup,
  last: [number, number],
  name: string,
  extra: SnapshotExtra = {},
): void {
  const start = { id: name, last: id(...last), configuration: CONFIGURATION };
  let isDone = false;
  snapshots.begin(start, extra, (_, writer) => {
    writer?.append(Buffer.from(`body of ${name}`), () => {
      writer.finish((error) => {
        isDone = error === null;
      });
    });
  });
  world.settle();
  ok(isDone);
}

test('LogStore: what was persisted is there after a power cut, with term and vote', () => {
  const world = new World();
  const group = world.open();
  elect(world, group, 3);
  persist(world, group, 0, [entry(1, 2, 'one'), entry(2, 3, '')]);
  persist(world, group, 2, [entry(3, 3, 'three')]);
  world.crash();
  const seen: Entry[] = [];
  const again = world.open({ mustExist: true }, seen);
  deepEqual(textOf(seen), ['1/2 one', '2/3 ', '3/3 three']);
  deepEqual(again.hardState, { term: 3, votedFor: VOTER });
  deepEqual(again.heads.at(0), { index: 1, term: 2, bytes: 3 });
  deepEqual(again.base, { index: 0, term: 0 });
});

test('LogStore: a conflicting suffix is replaced, and stays replaced after a restart', () => {
  const world = new World();
  const group = filled(world, 5);
  elect(world, group, 2);
  persist(world, group, 3, [entry(4, 2, 'new')]);
  equal(group.store.termAt(id(5, 1).index), null);
  persist(world, group, 2, []);
  persist(world, group, 2, [entry(3, 2, 'newest')]);
  const want = textOf(world.entriesOf(group));
  equal(want.at(-1), '3/2 newest');
  world.crash();
  deepEqual(textOf(world.entriesOf(world.open())), want);
});

test('LogStore: entries can be read before they are synced, and within the call', () => {
  const world = new World();
  const { store } = world.open();
  store.saveHardState(vote(1), () => undefined);
  const payload = Buffer.alloc(2000, 1);
  store.persist(id(0, 0), [entry(1, 1, payload)], () => undefined);
  let got: readonly Entry[] | null = null;
  store.read(id(0, 0), id(1, 1), 10, (entries) => {
    got = entries;
  });
  equal((got as readonly Entry[] | null)?.[0]?.payload, payload, 'the very same bytes');
});

test('LogStore.read: at least one entry, then as many as fit, from disk and from memory', () => {
  const world = new World();
  filled(world, 20).store.close(() => undefined);
  world.settle();
  const group = world.open({ cacheBytes: 1000, segmentBytes: 1000 });
  persist(world, group, 20, [entry(21, 1, 'x'.repeat(100)), entry(22, 1, 'y'.repeat(100))]);
  for (const bytesMax of [0, 99, 100, 199, 200, 250, 1900, 100_000]) {
    for (let after = 0; after < 22; after++) {
      let got: readonly Entry[] | null = null;
      group.store.read(id(after, after === 0 ? 0 : 1), id(22, 1), bytesMax, (entries) => {
        got = entries;
      });
      world.settle();
      const want = Math.min(22 - after, Math.max(1, Math.floor(bytesMax / 100)));
      equal((got as readonly Entry[] | null)?.length, want, `${bytesMax} bytes after ${after}`);
      equal((got as readonly Entry[] | null)?.[0]?.index, after + 1);
    }
  }
});

test('LogStore.read yields null for what the log does not hold, term and index', () => {
  const world = new World();
  const { store } = filled(world, 3);
  const cases: [number, number, number, number][] = [
    [0, 1, 3, 1],
    [1, 2, 3, 1],
    [0, 0, 3, 2],
    [0, 0, 4, 1],
    [3, 1, 3, 1],
  ];
  for (const [index, term, lastIndex, lastTerm] of cases) {
    let got: unknown = 'nothing';
    store.read(id(index, term), id(lastIndex, lastTerm), 100, (entries) => {
      got = entries;
    });
    world.settle();
    equal(got, null);
  }
});

test('LogStore.read: entries replaced while the disk works are not yielded', () => {
  const world = new World();
  const group = filled(world, 3);
  elect(world, group, 2);
  let got: unknown = 'nothing';
  group.store.read(id(0, 0), id(3, 1), 1000, (entries) => {
    got = entries;
  });
  group.store.persist(id(1, 1), [entry(2, 2, 'other')], () => undefined);
  world.settle();
  equal(got, null);
});

test('group commit: all that arrives during a sync goes out as one write and one sync', () => {
  const world = new World();
  const { store } = world.open();
  store.saveHardState(vote(1), () => undefined);
  world.settle();
  world.counts.clear();
  const order: number[] = [];
  for (let i = 1; i <= 500; i++) {
    store.persist(id(i - 1, i === 1 ? 0 : 1), [entry(i, 1, `entry ${i}`)], () => order.push(i));
  }
  world.settle();
  equal(world.counts.get('write'), 2, 'the first by itself, then all others');
  equal(world.counts.get('sync'), 2);
  deepEqual(
    order,
    Array.from({ length: 500 }, (_, i) => i + 1),
  );
});

test('what callbacks ask for is gathered into one batch too', () => {
  const world = new World();
  const { store } = world.open();
  store.saveHardState(vote(1), () => undefined);
  world.settle();
  world.counts.clear();
  let last = id(0, 0);
  const add = (again: boolean): void => {
    const next = entry(last.index + 1, 1, 'x');
    const after = last;
    last = next;
    store.persist(after, [next], () => {
      if (again) add(false);
    });
  };
  for (let i = 0; i < 10; i++) add(true);
  world.settle();
  equal(world.counts.get('write'), 3, 'one, nine with the one of its callback, nine');
});

test('requests complete in the order of the calls, whatever their kind', () => {
  const world = new World();
  const group = filled(world, 30);
  takeSnapshot(world, group, [20, 1], 'one');
  const { store } = group;
  const order: string[] = [];
  store.saveHardState(vote(2), () => order.push('vote 2'));
  store.persist(id(30, 1), [entry(31, 2, 'a')], () => order.push('31'));
  store.persist(id(31, 2), [], () => order.push('nothing'));
  store.compactTo(snapshotAt(id(20, 1)), 0, () => order.push('compact'));
  store.persist(id(31, 2), [entry(32, 2, 'b')], () => order.push('32'));
  store.installSnapshot(snapshotAt(id(90, 2)), false, () => order.push('install'));
  store.saveHardState(vote(3), () => order.push('vote 3'));
  store.persist(id(90, 2), [entry(91, 3, 'c')], () => order.push('91'));
  store.close(() => order.push('close'));
  world.settle();
  deepEqual(order, [
    'vote 2',
    '31',
    'nothing',
    'compact',
    '32',
    'install',
    'vote 3',
    '91',
    'close',
  ]);
});

test('segments: a full one is followed by the next, and a large record gets its own', () => {
  const world = new World();
  const group = world.open({ segmentBytes: 1000, cacheBytes: 0 });
  elect(world, group, 1);
  persist(world, group, 0, [entry(1, 1, 'small'), entry(2, 1, Buffer.alloc(5000, 2))]);
  persist(world, group, 2, [entry(3, 1, 'small')]);
  const logs = world.disk.paths().filter((path) => path.includes('/log-'));
  equal(logs.length, 3);
  world.crash();
  const again = world.open({ segmentBytes: 1000, cacheBytes: 0 });
  deepEqual(
    world.entriesOf(again).map((e) => e.payload.length),
    [5, 5000, 5],
  );
});

test('a record of 65 MiB goes out and comes back', () => {
  const world = new World();
  const group = world.open({ cacheBytes: 0 });
  elect(world, group, 1);
  const payload = Buffer.alloc(65 * 1024 * 1024, 'althing');
  persist(world, group, 0, [entry(1, 1, payload), entry(2, 1, 'after')]);
  world.crash();
  const again = world.open({ cacheBytes: 0 });
  ok(Buffer.from(world.entriesOf(again)[0]?.payload ?? []).equals(payload));
});

test('compaction drops whole segments, keeps what was asked for, and survives a restart', () => {
  const world = new World();
  const group = filled(world, 60);
  takeSnapshot(world, group, [40, 1], 'forty', { offset: 4711 });
  const before = group.store.bytes;
  group.store.compactTo(snapshotAt(id(40, 1)), 1000, () => undefined);
  world.settle();
  ok(group.store.bytes < before);
  ok(group.store.base.index <= 30 && group.store.base.index > 20, String(group.store.base.index));
  const { base } = group.store;
  const want = textOf(world.entriesOf(group));
  world.crash();
  const again = world.open({ mustExist: true });
  deepEqual(again.base, base);
  deepEqual(textOf(world.entriesOf(again)), want);
  deepEqual(again.snapshot?.last, id(40, 1));
  deepEqual(again.extra, { offset: 4711 });
  equal(again.store.termAt(base.index), 1, 'the term of the base is known');
});

test('compaction after a suffix was replaced agrees with what a restart finds', () => {
  const world = new World();
  const group = filled(world, 30);
  elect(world, group, 2);
  // Back over several segments.
  persist(world, group, 12, [entry(13, 2, 'new 13'), entry(14, 2, 'new 14')]);
  for (let i = 15; i <= 25; i++) persist(world, group, i - 1, [entry(i, 2, 'x'.repeat(100))]);
  for (const at of [12, 13, 20]) {
    takeSnapshot(world, group, [at, at === 12 ? 1 : 2], `at${at}`);
    group.store.compactTo(snapshotAt(id(at, at === 12 ? 1 : 2)), 0, () => undefined);
    world.settle();
    const want = textOf(world.entriesOf(group));
    const { base } = group.store;
    world.kill();
    const again = world.open({ segmentBytes: 1000, cacheBytes: 0 });
    deepEqual(again.base, base);
    deepEqual(textOf(world.entriesOf(again)), want);
    Object.assign(group, again);
  }
});

test('installSnapshot makes the snapshot the base; what came before is gone', () => {
  const world = new World();
  const group = filled(world, 10);
  elect(world, group, 4);
  takeSnapshot(world, group, [100, 4], 'far');
  group.store.installSnapshot(snapshotAt(id(100, 4)), false, () => undefined);
  equal(group.store.termAt(id(5, 1).index), null, 'at once');
  persist(world, group, 100, [entry(101, 4, 'next')]);
  world.crash();
  const again = world.open();
  deepEqual(again.base, id(100, 4));
  deepEqual(textOf(world.entriesOf(again)), ['101/4 next']);
  deepEqual(again.hardState, vote(4), 'term and vote stay');
  equal(world.disk.paths().filter((path) => path.includes('/log-')).length, 1);
});

test('a snapshot that was fetched and not installed is accepted at the start', () => {
  const world = new World();
  const group = filled(world, 10);
  takeSnapshot(world, group, [100, 1], 'far');
  world.crash();
  const again = world.open();
  deepEqual(again.base, id(100, 1));
  deepEqual(again.heads, []);
});

test('a failed write fails everything after it with the same error, and tells once', () => {
  for (const fault of ['full', 'broken'] as const) {
    const world = new World();
    const failures: StorageError[] = [];
    const group = world.open({ onFailure: (error) => failures.push(error) });
    elect(world, group, 1);
    if (fault === 'full') world.disk.limit(40_000);
    else world.disk.setFailing('writes and syncs');
    const errors: (Error | undefined)[] = [];
    group.store.persist(id(0, 0), [entry(1, 1, Buffer.alloc(50_000))], (e) => errors.push(e));
    group.store.persist(id(1, 1), [entry(2, 1, 'x')], (e) => errors.push(e));
    world.settle();
    world.disk.limit(Number.POSITIVE_INFINITY);
    world.disk.setFailing('nothing');
    group.store.saveHardState(vote(2), (e) => errors.push(e));
    equal(errors.length, 2, 'never inside the call');
    world.settle();
    equal(failures.length, 1);
    equal(failures[0]?.code, fault === 'full' ? 'DISK_FULL' : 'DISK_FAILED');
    deepEqual(errors, [failures[0], failures[0], failures[0]]);
    world.kill();
    const { heads } = world.open();
    equal(heads.length, fault === 'full' ? 0 : 1, 'what is whole is kept, what is not is cut');
    world.crash();
    deepEqual(world.open().heads, heads, 'and what was found at a start is durable');
  }
});

test('a disk that is full when the log needs another file fails it by name, and names the file', () => {
  const world = new World();
  const failures: StorageError[] = [];
  const group = world.open({ segmentBytes: 1_000, onFailure: (error) => failures.push(error) });
  elect(world, group, 1);
  for (const [n, bytes] of [800, 800].entries())
    persist(world, group, n, [entry(n + 1, 1, Buffer.alloc(bytes))]);
  world.disk.limit(0);
  group.store.persist(id(2, 1), [entry(3, 1, Buffer.alloc(800))], () => undefined);
  world.settle();
  const named = failures.map(({ code, path }) => `${code} ${path}`);
  deepEqual(named, ['DISK_FULL /data0/log-0000000003.temp']);
});

test('an error in a file of the log tells the name that it has by then', () => {
  const world = new World();
  const failures: StorageError[] = [];
  const group = world.open({ onFailure: (error) => failures.push(error) });
  elect(world, group, 1);
  world.disk.setFailing('writes');
  group.store.persist(id(0, 0), [entry(1, 1, 'x')], () => undefined);
  world.settle();
  deepEqual(
    failures.map(({ path }) => path),
    ['/data0/log-0000000001'],
  );
});

test('a record that was synced and reads back damaged ends the store', () => {
  const world = new World();
  const failures: StorageError[] = [];
  filled(world, 5).store.close(() => undefined);
  world.settle();
  const group = world.open({ cacheBytes: 0, onFailure: (error) => failures.push(error) });
  world.disk.flipBit('/data0/log-0000000001', 200);
  let got: unknown = 'nothing';
  group.store.read(id(0, 0), id(5, 1), 1000, (entries) => {
    got = entries;
  });
  world.settle();
  equal(got, null);
  equal(failures[0]?.code, 'SEGMENT_CHECKSUM');
});
