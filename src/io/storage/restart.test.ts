import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONFIGURATION,
  entry,
  id,
  snapshotAt,
  textOf,
  vote,
  World,
} from '../../../test/contracts/storage-world.ts';
import { founded } from '../../core/raft/configuration.ts';
import { nodeId } from '../../core/scalars.ts';
import type { OpenedGroup } from './recovery.ts';

test('a snapshot of a term that was not saved yet opens with that term and a free vote', () => {
  const world = new World();
  const group = world.open();
  group.store.saveHardState(vote(1), () => undefined);
  world.settle();
  const start = { id: 's7', last: id(7, 3), configuration: CONFIGURATION };
  group.snapshots.begin(start, {}, (_, writer) => writer?.finish(() => undefined));
  world.settle();
  world.crash();
  const again = world.open();
  deepEqual(again.hardState, { term: 3, votedFor: null });
  deepEqual(again.base, id(7, 3));
  world.crash();
  deepEqual(world.open().hardState, { term: 3, votedFor: null });
});

test('names that only the kernel knew outlive the power once the log was opened', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    for (let turns = 1; turns <= 40; turns += 1) {
      const world = new World(seed);
      const group = world.open({ segmentBytes: 200 });
      group.store.saveHardState(vote(1), () => undefined);
      let held = 0;
      for (let index = 1; index <= 6; index += 1) {
        const after = id(index - 1, index === 1 ? 0 : 1);
        group.store.persist(after, [entry(index, 1, 'x'.repeat(120))], () => {
          held = index;
        });
      }
      world.allow(turns);
      world.settle();
      world.kill();
      const found = world.open({ segmentBytes: 200 }).store.last.index;
      world.crash();
      const again = world.open({ segmentBytes: 200 }).store.last.index;
      equal(again, found, `seed ${seed}, ${turns} operations: what a restart found stays`);
      equal(again >= held, true, `seed ${seed}, ${turns} operations: what was synced stays`);
    }
  }
});

test('compaction leaves term and vote as they are, through a power cut', () => {
  const world = new World();
  const group = world.open({ segmentBytes: 200 });
  group.store.saveHardState(vote(1), () => undefined);
  for (let index = 1; index <= 6; index += 1) {
    const after = id(index - 1, index === 1 ? 0 : 1);
    group.store.persist(after, [entry(index, 1, 'x'.repeat(120))], () => undefined);
  }
  group.store.saveHardState(vote(9), () => undefined);
  world.settle();
  const start = { id: 's5', last: id(5, 1), configuration: CONFIGURATION };
  group.snapshots.begin(start, {}, (_, writer) =>
    writer?.finish((_error, meta) => {
      if (meta !== null) group.store.compactTo(meta, 0, () => undefined);
    }),
  );
  world.settle();
  equal(group.store.base.index > 0, true, 'something was compacted');
  world.crash();
  deepEqual(world.open().hardState, vote(9));
});

const VOTERS = founded(['a@0123abcd', 'b@0123abcd', 'c@0123abcd'].map(nodeId));
const SMALL = { segmentBytes: 300, cacheBytes: 0 };

function fill(
  world: World,
  { store }: OpenedGroup,
  from: number,
  to: number,
  inTerm: number,
): void {
  for (let index = from; index <= to; index += 1)
    store.persist(store.last, [entry(index, inTerm, 'x'.repeat(80))], () => undefined);
  world.settle();
}

function takeSnapshot(world: World, group: OpenedGroup, at: number, inTerm: number): void {
  const meta = { ...snapshotAt(id(at, inTerm)), configuration: VOTERS };
  const { id: name, last, configuration } = meta;
  group.snapshots.begin({ id: name, last, configuration }, {}, (_, writer) =>
    writer?.append(Buffer.alloc(100, at), () => writer.finish(() => undefined)),
  );
  world.settle();
  group.store.compactTo(meta, 0, () => undefined);
  world.settle();
}

test('redisraft 52: term and vote survive compaction, and the term of the base is known', () => {
  for (const end of ['crash', 'kill'] as const) {
    const world = new World(52);
    const group = world.open(SMALL);
    group.store.saveHardState(vote(3), () => undefined);
    fill(world, group, 1, 20, 3);
    group.store.saveHardState(vote(9), () => undefined);
    world.settle();
    takeSnapshot(world, group, 18, 3);
    world[end]();
    const again = world.open({ ...SMALL, mustExist: true });
    deepEqual(again.hardState, vote(9), 'a second vote in term 9 would make two leaders');
    equal(again.store.termAt(again.base.index), 3);
    // And once more: what was compacted is the base of the next compaction.
    fill(world, again, 21, 40, 9);
    takeSnapshot(world, again, 35, 9);
    world[end]();
    const third = world.open({ ...SMALL, mustExist: true });
    deepEqual(third.hardState, vote(9));
    deepEqual(third.store.last, id(40, 9));
  }
});

test('redisraft 44: the voters are in every snapshot, the second and third too', () => {
  const world = new World(44);
  let group = world.open(SMALL);
  group.store.saveHardState(vote(1), () => undefined);
  for (let generation = 1; generation <= 3; generation += 1) {
    fill(world, group, generation * 10 - 9, generation * 10, 1);
    takeSnapshot(world, group, generation * 10 - 1, 1);
    world.crash();
    group = world.open({ ...SMALL, mustExist: true });
    deepEqual(group.snapshot?.configuration, VOTERS, `generation ${generation}`);
    equal(group.snapshot?.last.index, generation * 10 - 1);
  }
});

test('redisraft 54: entries that are written while a snapshot is are all there, wherever it ends', () => {
  for (let turns = 1; turns <= 60; turns += 1) {
    const world = new World(turns);
    const group = world.open(SMALL);
    group.store.saveHardState(vote(1), () => undefined);
    fill(world, group, 1, 20, 1);
    const { id: name, last, configuration } = snapshotAt(id(10, 1));
    group.snapshots.begin({ id: name, last, configuration }, {}, (_, writer) => {
      const write = (left: number): void => {
        if (left > 0) writer?.append(Buffer.alloc(64, left), () => write(left - 1));
        else writer?.finish(() => group.store.compactTo(snapshotAt(id(10, 1)), 0, () => undefined));
      };
      write(10);
    });
    let held = 20;
    for (let index = 21; index <= 30; index += 1) {
      group.store.persist(group.store.last, [entry(index, 1, `new ${index}`)], () => {
        held = index;
      });
      world.turn();
    }
    world.allow(turns);
    world.settle();
    world.crash();
    const again = world.open({ ...SMALL, mustExist: true });
    ok(again.store.last.index >= held, `${again.store.last.index} after ${held} were synced`);
    const texts = textOf(world.entriesOf(again));
    for (let index = 21; index <= held; index += 1)
      ok(texts.includes(`${index}/1 new ${index}`), `entry ${index}`);
  }
});

test('compaction without a tail frees what a replaced suffix left, all but the segment that grows', () => {
  const world = new World();
  const group = world.open({ segmentBytes: 1_000 });
  group.store.saveHardState(vote(1), () => undefined);
  group.store.persist(id(0, 0), [entry(1, 1, 'kept')], () => undefined);
  for (let index = 2; index <= 20; index += 1)
    group.store.persist(id(index - 1, 1), [entry(index, 1, 'x'.repeat(400))], () => undefined);
  group.store.saveHardState(vote(2), () => undefined);
  group.store.persist(id(1, 1), [entry(2, 2, 'new')], () => undefined);
  world.settle();
  equal(group.store.closedBytes > 5_000, true, 'most of what was replaced lies in closed segments');
  const start = { id: 's2', last: id(2, 2), configuration: CONFIGURATION };
  const compact = (keepBytes: number): void => {
    group.snapshots.begin({ ...start, id: `s2-${keepBytes}` }, {}, (_, writer) =>
      writer?.finish((_error, meta) => {
        if (meta !== null) group.store.compactTo(meta, keepBytes, () => undefined);
      }),
    );
    world.settle();
  };
  compact(500);
  equal(group.store.closedBytes > 5_000, true, 'a tail of live entries begins before all of it');
  compact(0);
  equal(group.store.closedBytes, 0);
});
