import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIGURATION, entry, id, vote, World } from '../../../test/contracts/storage-world.ts';

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
