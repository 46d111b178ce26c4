import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { CONFIGURATION, id, vote, World } from '../../../test/contracts/storage-world.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import { nodeId } from '../../core/scalars.ts';
import type { StorageError } from './errors.ts';
import type { OpenedGroup } from './recovery.ts';
import type { SnapshotReader } from './snapshots.ts';

function taken(world: World, group: OpenedGroup, index: number, body: Uint8Array): SnapshotMeta {
  const start = { id: `a@00000000-${index}`, last: id(index, 1), configuration: CONFIGURATION };
  let meta: SnapshotMeta | null = null;
  group.snapshots.begin(start, { reigns: [1, 2] }, (_, writer) => {
    writer?.append(body.subarray(0, 10), () => {
      writer.append(body.subarray(10), () => {
        writer.finish((_error, finished) => {
          meta = finished;
        });
      });
    });
  });
  world.settle();
  ok(meta !== null);
  return meta;
}

function opened(seed = 1): { world: World; group: OpenedGroup } {
  const world = new World(seed);
  const group = world.open();
  group.store.saveHardState(vote(1), () => undefined);
  world.settle();
  return { world, group };
}

function served(world: World, group: OpenedGroup, name: string, at: number, bytesMax: number) {
  let answer: { bytes: Uint8Array | null; total: number } | null = null;
  group.snapshots.read(name, at, bytesMax, (bytes, total) => {
    answer = { bytes, total };
  });
  world.settle();
  ok(answer !== null);
  return answer as { bytes: Uint8Array | null; total: number };
}

/** Writes what is missing, in chunks, up to `until`. */
function fetched(
  world: World,
  to: OpenedGroup,
  meta: SnapshotMeta,
  file: Uint8Array,
  until: number,
) {
  const { sink } = to.snapshots;
  for (let at = sink.resumeAt(meta); at < until; ) {
    const chunk = file.subarray(at, Math.min(until, at + 300));
    let failure: Error | undefined;
    sink.write(at, chunk, (error) => {
      failure = error;
    });
    world.settle();
    if (failure !== undefined) throw failure;
    at += chunk.length;
  }
}

function finished(world: World, to: OpenedGroup, meta: SnapshotMeta): StorageError | null {
  let outcome: Error | null | undefined;
  to.snapshots.sink.finish(meta, (error) => {
    outcome = error ?? null;
  });
  world.settle();
  ok(outcome !== undefined);
  return outcome as StorageError | null;
}

const BODY = Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * 7) % 251));

test('a snapshot is invisible until it is finished, and gone when aborted', () => {
  const { world, group } = opened();
  const start = { id: 'one', last: id(5, 1), configuration: CONFIGURATION };
  group.snapshots.begin(start, {}, (_, writer) => {
    writer?.append(BODY, () => {
      equal(group.snapshots.latest, null);
      writer.abort(() => undefined);
    });
  });
  world.settle();
  deepEqual(
    world.disk.paths().filter((path) => path.includes('snapshot')),
    [],
  );
});

test('the body reads back in pieces, and the description with it', () => {
  const { world, group } = opened();
  const meta = taken(world, group, 5, BODY);
  equal(meta.bytes, world.disk.contentOf(`/data0/snapshot-${meta.id}`).length);
  let reader: SnapshotReader | null = null;
  group.snapshots.openLatest((_, found) => {
    reader = found;
  });
  world.settle();
  const open = reader as SnapshotReader | null;
  ok(open !== null);
  deepEqual(open.meta, meta);
  deepEqual(open.extra, { reigns: [1, 2] });
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < open.bodyBytes; at += 300) {
    open.read(at, 300, (_, bytes) => pieces.push(bytes));
    world.settle();
  }
  ok(Buffer.concat(pieces).equals(BODY));
});

test('a peer fetches the file, and resumes after a break and after a restart', () => {
  const from = opened();
  const meta = taken(from.world, from.group, 5, BODY);
  const { bytes, total } = served(from.world, from.group, meta.id, 0, 1 << 20);
  ok(bytes !== null);
  equal(total, meta.bytes);
  const world = new World(2);
  let group = world.open();
  fetched(world, group, meta, bytes, 1000);
  equal(group.snapshots.sink.resumeAt(meta), 1000);
  world.kill();
  group = world.open();
  equal(group.snapshots.sink.resumeAt(meta), 1000);
  fetched(world, group, meta, bytes, meta.bytes);
  equal(finished(world, group, meta), null);
  deepEqual(group.snapshots.latest?.meta, meta);
  deepEqual(group.snapshots.latest?.extra, { reigns: [1, 2] });
  world.crash();
  deepEqual(world.open().snapshot, meta);
});

/** As files were written before there were learners. */
function ofVersionOne(meta: SnapshotMeta, file: Uint8Array) {
  const { voters } = meta.configuration;
  const text = JSON.stringify({
    id: meta.id,
    last: meta.last,
    configuration: { voters },
    extra: {},
  });
  const description = Buffer.from(text);
  const bytes = Buffer.from(file);
  const body = bytes.subarray(64 + bytes.readUInt32BE(12));
  const head = Buffer.from(bytes.subarray(0, 64));
  head.writeUInt32BE(1, 8);
  head.writeUInt32BE(description.length, 12);
  head.writeUInt32BE(crc32(description), 28);
  head.writeUInt32BE(crc32(head.subarray(0, 60)), 60);
  const old = Buffer.concat([head, description, body]);
  return { file: old, meta: { ...meta, bytes: old.length } };
}

test('a file of version 1 is read: it names voters, there were no learners and no decisions', () => {
  const from = opened();
  const { bytes } = served(
    from.world,
    from.group,
    taken(from.world, from.group, 5, BODY).id,
    0,
    1e6,
  );
  const latest = from.group.snapshots.latest;
  ok(bytes !== null && latest !== null);
  const old = ofVersionOne(latest.meta, bytes);
  const world = new World(2);
  const group = world.open();
  fetched(world, group, old.meta, old.file, old.meta.bytes);
  equal(finished(world, group, old.meta), null);
  deepEqual(group.snapshots.latest?.meta.configuration, CONFIGURATION);
});

test('a file with other members than were offered is another snapshot', () => {
  const from = opened();
  const meta = taken(from.world, from.group, 5, BODY);
  const { bytes } = served(from.world, from.group, meta.id, 0, 1e6);
  ok(bytes !== null);
  const offered = { ...meta, configuration: { ...meta.configuration, decision: 1 } };
  const world = new World(2);
  const group = world.open();
  fetched(world, group, offered, bytes, offered.bytes);
  equal(finished(world, group, offered)?.code, 'SNAPSHOT_CHECKSUM');
});

test('learners and the decision are part of a snapshot, also after a restart', () => {
  const { world, group } = opened();
  const configuration = { ...CONFIGURATION, learners: [nodeId('x@00000001')], decision: 9 };
  const start = { id: 'one', last: id(5, 1), configuration };
  group.snapshots.begin(start, {}, (_, writer) => {
    writer?.append(BODY, () => writer.finish(() => undefined));
  });
  world.settle();
  world.crash();
  deepEqual(world.open().snapshot?.configuration, configuration);
});

test('a fetched file with a wrong byte anywhere is refused, removed and started over', () => {
  const from = opened();
  const meta = taken(from.world, from.group, 5, BODY.subarray(0, 300));
  const { bytes } = served(from.world, from.group, meta.id, 0, 1 << 20);
  ok(bytes !== null);
  const { world, group } = opened(2);
  for (let at = 0; at < bytes.length; at += 3) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 4;
    fetched(world, group, meta, damaged, meta.bytes);
    equal(finished(world, group, meta)?.code, 'SNAPSHOT_CHECKSUM', `byte ${at}`);
    equal(group.snapshots.sink.resumeAt(meta), 0);
    equal(world.disk.paths().filter((path) => path.includes('snapshot')).length, 0);
  }
});

test('another snapshot drops the download before it', () => {
  const from = opened();
  const one = taken(from.world, from.group, 5, BODY);
  const { bytes } = served(from.world, from.group, one.id, 0, 1 << 20);
  const two = taken(from.world, from.group, 6, BODY);
  const other = served(from.world, from.group, two.id, 0, 1 << 20).bytes;
  ok(bytes !== null && other !== null);
  const { world, group } = opened(2);
  fetched(world, group, one, bytes, 900);
  fetched(world, group, two, other, 300);
  equal(world.disk.paths().filter((path) => path.includes('snapshot')).length, 1);
  equal(group.snapshots.sink.resumeAt(one), 0);
  equal(group.snapshots.sink.resumeAt(two), 300);
});

test('the newest is kept, and the one that a peer still reads', () => {
  const { world, group } = opened();
  const files = (): number => world.disk.paths().filter((path) => path.includes('snapshot')).length;
  const first = taken(world, group, 1, BODY);
  served(world, group, first.id, 0, 100);
  const second = taken(world, group, 2, BODY);
  equal(files(), 2);
  equal(served(world, group, first.id, 100, 100).total, first.bytes);
  taken(world, group, 3, BODY);
  equal(files(), 2, 'the first is still being read, the second is nobody’s');
  equal(served(world, group, second.id, 0, 100).bytes, null);
  taken(world, group, 4, BODY);
  equal(files(), 1, 'nobody has read the first since');
});

test('a full disk ends a snapshot, not the log, and gives its room back', () => {
  const { world, group } = opened();
  world.disk.limit(40_000);
  const start = { id: 'one', last: id(5, 1), configuration: CONFIGURATION };
  const codes: (string | undefined)[] = [];
  group.snapshots.begin(start, {}, (_, writer) => {
    writer?.append(Buffer.alloc(60_000), (error) => {
      codes.push(error?.code);
      writer.abort(() => undefined);
    });
  });
  world.settle();
  deepEqual(codes, ['DISK_FULL']);
  equal(group.store.failure, null);
  equal(world.disk.paths().filter((path) => path.includes('snapshot')).length, 0);
});
