/** What happens to snapshots at rest, row by row as the README has it. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIGURATION, entry, id, vote, World } from '../../../test/contracts/storage-world.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import type { StorageError } from './errors.ts';
import type { OpenedGroup } from './recovery.ts';
import { BLOCK_BYTES } from './snapshot-blocks.ts';
import type { SnapshotReader } from './snapshots.ts';

/** Three blocks and a bit, so that damage lies in one of them. */
const BODY = Buffer.from(
  Array.from({ length: 3 * BLOCK_BYTES + 500 }, (_, i) => 1 + ((i * 7) % 251)),
);
const ENTRIES = 3;

interface Kept {
  readonly world: World;
  readonly group: OpenedGroup;
  readonly failures: StorageError[];
}

/** Entries 1 to 3, all in the log. */
function opened(): Kept {
  const world = new World();
  const failures: StorageError[] = [];
  const group = world.open({ onFailure: (error) => failures.push(error) });
  group.store.saveHardState(vote(1), () => undefined);
  for (let index = 1; index <= ENTRIES; index++)
    group.store.persist(id(index - 1, Math.min(1, index - 1)), [entry(index, 1, 'x')], () => {});
  world.settle();
  return { world, group, failures };
}

function taken({ world, group }: Kept, index: number): SnapshotMeta {
  let taken: SnapshotMeta | null = null;
  const start = { id: `s${index}`, last: id(index, 1), configuration: CONFIGURATION };
  group.snapshots.begin(start, {}, (_, writer) => {
    writer?.append(BODY.subarray(0, 100_000), () =>
      writer.append(BODY.subarray(100_000), () =>
        writer.finish((_error, meta) => {
          taken = meta;
        }),
      ),
    );
  });
  world.settle();
  ok(taken !== null);
  return taken;
}

function readerOf({ world, group }: Kept): SnapshotReader {
  let reader: SnapshotReader | null = null;
  group.snapshots.openLatest((_, found) => {
    reader = found;
  });
  world.settle();
  ok(reader !== null);
  return reader;
}

function pathOf(meta: SnapshotMeta): string {
  return `/data0/snapshot-${meta.id}`;
}

test('a snapshot that rots is noticed before the server gets a byte of the damaged block', () => {
  for (const piece of [1_000, 50_000, 1 << 20]) {
    for (const damagedAt of [0, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 499]) {
      const kept = opened();
      const meta = taken(kept, 2);
      const reader = readerOf(kept);
      kept.world.disk.flipBit(pathOf(meta), reader.bodyAt + damagedAt, 3);
      const got: Uint8Array[] = [];
      let error: StorageError | null = null;
      for (let at = 0; at < BODY.length && error === null; at += piece) {
        reader.read(at, piece, (failure, bytes) => {
          error = failure;
          got.push(bytes);
        });
        kept.world.settle();
      }
      const given = Buffer.concat(got);
      ok(given.equals(BODY.subarray(0, given.length)), 'what is given is sound');
      ok(given.length <= Math.floor(damagedAt / BLOCK_BYTES) * BLOCK_BYTES);
      equal((error as StorageError | null)?.code, 'SNAPSHOT_CHECKSUM');
      deepEqual(kept.failures, [error], 'the node ends');
      equal(kept.group.store.failure, error, 'and acknowledges nothing more');
    }
  }
});

test('a snapshot that rots is noticed before a peer gets a byte of the damaged block', () => {
  for (const damagedAt of [0, 70, 64 + 2 * BLOCK_BYTES]) {
    const kept = opened();
    const meta = taken(kept, 2);
    const sound = kept.world.disk.contentOf(pathOf(meta));
    kept.world.disk.flipBit(pathOf(meta), damagedAt);
    const got: (Uint8Array | null)[] = [];
    for (let at = 0; at < meta.bytes && got.at(-1) !== null; at += 10_000) {
      kept.group.snapshots.read(meta.id, at, 10_000, (bytes) => got.push(bytes));
      kept.world.settle();
    }
    equal(got.at(-1), null);
    const given = Buffer.concat(got.filter((bytes) => bytes !== null));
    ok(given.equals(sound.subarray(0, given.length)) && given.length <= damagedAt);
    equal(kept.failures[0]?.code, 'SNAPSHOT_CHECKSUM');
    equal(kept.group.store.failure, kept.failures[0]);
  }
});

test('a snapshot that lost its end, or that the disk cannot read, ends the node when it is used', () => {
  for (const [damage, code] of [
    [(world: World, path: string) => world.disk.shorten(path, 1_000), 'SNAPSHOT_CHECKSUM'],
    [(world: World) => world.disk.setFailing('reads'), 'DISK_FAILED'],
    [(world: World, path: string) => world.disk.lose(path), 'FILE_MISSING'],
  ] as const) {
    const kept = opened();
    const meta = taken(kept, 2);
    damage(kept.world, pathOf(meta));
    let got: Uint8Array | null = new Uint8Array(0);
    kept.group.snapshots.read(meta.id, 50_000, 1_000, (bytes) => {
      got = bytes;
    });
    kept.world.settle();
    equal(got, null);
    equal(kept.failures[0]?.code, code);
  }
});

test('a damaged snapshot beside a sound newer one is removed, and told', () => {
  const kept = opened();
  const older = taken(kept, 1);
  // Somebody reads it, so that the newer one does not replace it at once.
  kept.group.snapshots.read(older.id, 0, 100, () => undefined);
  kept.world.settle();
  const newer = taken(kept, 2);
  kept.group.store.compactTo(newer, 0, () => undefined);
  kept.world.settle();
  kept.world.kill();
  kept.world.disk.flipBit(pathOf(older), 5_000);
  const again = kept.world.open();
  deepEqual(
    again.repaired.map(({ path }) => path),
    [pathOf(older)],
  );
  deepEqual(again.snapshot, newer);
  ok(!kept.world.disk.paths().includes(pathOf(older)));
});

test('a snapshot under a name that is not its own is told, and never passes for one that is there', () => {
  for (const isNeeded of [false, true]) {
    const kept = opened();
    const meta = taken(kept, ENTRIES);
    if (isNeeded) kept.group.store.installSnapshot(meta, false, () => undefined);
    kept.world.settle();
    kept.world.kill();
    const other = '/data0/snapshot-other';
    kept.world.disk.plant(other, kept.world.disk.contentOf(pathOf(meta)));
    kept.world.disk.lose(pathOf(meta));
    const result = kept.world.tryOpen({ mustExist: true });
    equal(result.ok, !isNeeded);
    const told = result.ok ? result.repaired[0] : result.error;
    equal(told?.code, 'SNAPSHOT_CHECKSUM');
    equal(told?.path, other);
    equal(kept.world.disk.paths().includes(other), isNeeded);
    if (result.ok) equal(result.snapshot, null);
  }
});

test('a snapshot that rots while a vote is saved: the vote fails with that error, once', () => {
  const kept = opened();
  const meta = taken(kept, 2);
  kept.world.disk.flipBit(pathOf(meta), 70);
  const told: unknown[] = [];
  kept.group.snapshots.read(meta.id, 0, 10, () => undefined);
  kept.world.turn();
  kept.group.store.saveHardState(vote(2), (error) => told.push(error));
  kept.world.settle();
  equal(kept.failures.length, 1);
  deepEqual(told, kept.failures);
});

test('a damaged snapshot that stood for more than the log holds is refused', () => {
  const kept = opened();
  // As when it was fetched, and the log not yet begun anew after it.
  const ahead = taken(kept, ENTRIES + 1);
  kept.world.kill();
  kept.world.disk.flipBit(pathOf(ahead), 5_000);
  equal(kept.world.failureOfOpen().code, 'SNAPSHOT_CHECKSUM');
});

test('a disk that fails while a snapshot is written ends the snapshot, not the node', () => {
  for (const failing of ['writes', 'syncs'] as const) {
    const kept = opened();
    const codes: (string | undefined)[] = [];
    const start = { id: 'one', last: id(2, 1), configuration: CONFIGURATION };
    kept.group.snapshots.begin(start, {}, (_, writer) => {
      kept.world.disk.setFailing(failing);
      writer?.append(BODY, (error) => {
        if (error === null) writer.finish((finishError) => codes.push(finishError?.code));
        else writer.abort(() => codes.push(error.code));
      });
    });
    kept.world.settle();
    deepEqual(codes, ['DISK_FAILED']);
    equal(kept.group.store.failure, null);
    equal(kept.group.snapshots.latest, null);
  }
});
