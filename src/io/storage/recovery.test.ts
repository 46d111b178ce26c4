import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Life } from '../../../test/contracts/storage-life.ts';
import {
  CONFIGURATION,
  entry,
  id,
  textOf,
  vote,
  World,
} from '../../../test/contracts/storage-world.ts';
import { groupId } from '../../core/scalars.ts';
import type { OpenedGroup } from './recovery.ts';

const LOG = '/data0/log-0000000001';
const HARD_STATE = '/data0/hard-state';

/** Each inner list is one batch: written and synced by itself, and acknowledged. */
function written(world: World, batches: readonly (readonly string[])[], segmentBytes = 1 << 20) {
  const group = world.open({ segmentBytes });
  let last = id(0, 0);
  group.store.saveHardState(vote(1), () => undefined);
  world.settle();
  for (const texts of batches) {
    const entries = texts.map((text, i) => entry(last.index + 1 + i, 1, text));
    let isDone = false;
    group.store.persist(last, entries, () => {
      isDone = true;
    });
    world.settle();
    ok(isDone);
    last = entries.at(-1) ?? last;
  }
  return group;
}

function closed(world: World, { store }: OpenedGroup): void {
  store.close(() => undefined);
  world.settle();
}

test('a crash at any disk operation loses nothing acknowledged and invents nothing', () => {
  for (let seed = 1; seed <= 8; seed++) {
    for (let turns = 0; ; turns++) {
      const life = new Life(seed * 1000 + turns);
      const isOver = life.run(turns);
      // Every third time only the process dies; then the restart dies as well, then comes up.
      life.end(turns % 3 === 0 ? 'kill' : 'crash');
      life.interruptRestart(turns % 7);
      life.check(`seed ${seed}, ${turns} operations`);
      if (isOver) break;
    }
  }
});

test('a flipped byte anywhere in the log is never taken for a shorter log', () => {
  const world = new World();
  written(world, [['one'], ['two', 'and three', 'and four'], ['five'], ['six', 'seven']]);
  world.kill();
  const log = world.disk.contentOf(LOG);
  const hardState = world.disk.contentOf(HARD_STATE);
  for (let at = 0; at < log.length; at++) {
    for (const bit of [0, 7]) {
      const damaged = Uint8Array.from(log);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      world.disk.plant(LOG, damaged);
      world.disk.plant(HARD_STATE, hardState);
      const error = world.failureOfOpen({ mustExist: true });
      match(error.code, /^SEGMENT_(CHECKSUM|HEADER)$/, `byte ${at}, bit ${bit}: ${error.message}`);
      equal(error.path, LOG);
      ok(error.position !== null && error.position <= at, `byte ${at}: ${error.message}`);
    }
  }
});

test('a flipped byte in a record that holds a sector of zeros is seen once it is noted', () => {
  const zeros = '\0'.repeat(1500);
  for (const isSettled of [false, true]) {
    const world = new World();
    const { store } = written(world, [['one'], [zeros]]);
    if (isSettled) store.settle();
    world.settle();
    world.kill();
    world.disk.flipBit(LOG, 200);
    const result = world.tryOpen();
    // Without the mark it cannot be told from a torn write: the documented limit.
    equal(result.ok, !isSettled);
  }
});

test('a last batch that is cut anywhere is a torn write, one before it is damage', () => {
  const world = new World();
  written(world, [['one'], ['two']]);
  world.kill();
  const twoEnds = world.disk.contentOf(LOG).length;
  const group = world.open();
  group.store.persist(id(2, 1), [entry(3, 1, 'three'), entry(4, 1, 'four')], () => undefined);
  world.settle();
  world.kill();
  const log = world.disk.contentOf(LOG);
  const hardState = world.disk.contentOf(HARD_STATE);
  for (let cut = 0; cut <= log.length; cut++) {
    for (const filler of [0, 4096]) {
      world.disk.plant(HARD_STATE, hardState);
      world.disk.plant(LOG, Buffer.concat([log.subarray(0, cut), Buffer.alloc(filler)]));
      const result = world.tryOpen({ mustExist: true });
      if (cut >= twoEnds && (filler === 0 || cut === log.length)) {
        ok(result.ok, `cut at ${cut}: ${result.ok ? '' : result.error.message}`);
        const texts = textOf(world.entriesOf(result));
        deepEqual(texts.slice(0, 2), ['1/1 one', '2/1 two']);
        world.kill();
      } else if (cut < twoEnds) {
        ok(!result.ok, `cut at ${cut}`);
      }
    }
  }
});

test('after a torn end was cut, the log goes on from there', () => {
  const world = new World();
  written(world, [['one'], ['two']]);
  world.kill();
  const log = world.disk.contentOf(LOG);
  world.disk.plant(LOG, Buffer.concat([log, log.subarray(96, 120)]));
  const group = world.open();
  equal(group.tornBytes, 24);
  group.store.persist(id(2, 1), [entry(3, 1, 'three')], () => undefined);
  world.settle();
  world.crash();
  deepEqual(textOf(world.entriesOf(world.open())), ['1/1 one', '2/1 two', '3/1 three']);
});

test('records of one torn batch may survive out of order: only what follows on is kept', () => {
  const world = new World();
  const big = 'x'.repeat(600);
  written(world, [['one'], [big, 'two', big, 'three']]);
  world.kill();
  const log = world.disk.contentOf(LOG);
  log.fill(0, 512, 1024);
  world.disk.plant(LOG, log);
  // Nothing later proves the batch, so it was never acknowledged. But the mark of an earlier
  // settle would have.
  deepEqual(textOf(world.entriesOf(world.open())), ['1/1 one']);
});

test('one damaged slot of the hard state is repaired, two are an error', () => {
  const world = new World();
  const { store } = written(world, [['one']]);
  store.saveHardState(vote(7), () => undefined);
  world.settle();
  world.kill();
  const hardState = world.disk.contentOf(HARD_STATE);
  for (const slot of [0, 16 * 1024]) {
    for (let at = slot; at < slot + 512; at++) {
      world.disk.plant(HARD_STATE, hardState);
      world.disk.flipBit(HARD_STATE, at, at % 8);
      deepEqual(world.open().hardState, vote(7), `byte ${at}`);
      world.kill();
    }
  }
  world.disk.plant(HARD_STATE, hardState);
  world.disk.flipBit(HARD_STATE, 20);
  world.disk.flipBit(HARD_STATE, 16 * 1024 + 20);
  equal(world.failureOfOpen().code, 'HARD_STATE_DAMAGED');
});

test('identity without its log is damage, not emptiness', () => {
  const cases: [string, (world: World) => void, string][] = [
    ['no directory', () => undefined, 'LOG_MISSING'],
    ['no hard state', (world) => lose(world, /hard-state/), 'HARD_STATE_MISSING'],
    ['no segments', (world) => lose(world, /log-/), 'LOG_MISSING'],
    ['nothing at all', (world) => lose(world, /./), 'HARD_STATE_MISSING'],
    ['no first segment', (world) => lose(world, /log-0000000001/), 'LOG_GAP'],
    ['no second segment', (world) => lose(world, /log-0000000002/), 'LOG_GAP'],
  ];
  for (const [name, damage, code] of cases) {
    const world = new World();
    if (name !== 'no directory') {
      const texts = Array.from({ length: 30 }, (_, i) => [`entry ${i}`]);
      closed(world, written(world, texts, 500));
    }
    damage(world);
    equal(world.failureOfOpen({ mustExist: true }).code, code, name);
  }
});

test('the newest segment is missed once its end was noted', () => {
  const world = new World();
  closed(
    world,
    written(
      world,
      Array.from({ length: 30 }, (_, i) => [`entry ${i}`]),
      500,
    ),
  );
  const newest = world.disk.paths().findLast((path) => path.includes('log-')) ?? '';
  world.disk.lose(newest);
  const error = world.failureOfOpen();
  equal(error.code, 'LOG_GAP');
  equal(error.path, newest);
});

test('a hard state older than the log is damage: a vote may be forgotten', () => {
  const world = new World();
  const group = written(world, [['one']]);
  const old = world.disk.contentOf(HARD_STATE);
  group.store.saveHardState(vote(5), () => undefined);
  group.store.persist(id(1, 1), [entry(2, 5, 'two')], () => undefined);
  world.settle();
  world.kill();
  world.disk.plant(HARD_STATE, old);
  equal(world.failureOfOpen().code, 'HARD_STATE_DAMAGED');
});

test('a segment of another group, or under another name, is refused', () => {
  const world = new World();
  closed(world, written(world, [['one']]));
  equal(world.failureOfOpen({ group: groupId('data1') }).code, 'SEGMENT_HEADER');
  world.disk.plant('/data0/log-0000000002', world.disk.contentOf(LOG));
  equal(world.failureOfOpen().code, 'SEGMENT_HEADER');
});

/** A log of three entries with a snapshot of the first two; `isCompacted`: it lacks those two. */
function withSnapshot(world: World, isCompacted: boolean): void {
  const group = written(world, [['one'], ['two'], ['three']], isCompacted ? 100 : 1 << 20);
  const start = { id: 's2', last: id(2, 1), configuration: CONFIGURATION };
  group.snapshots.begin(start, { offset: 1 }, (_, writer) => {
    writer?.append(Buffer.from('the body'), () =>
      writer.finish((_error, meta) => {
        ok(meta !== null);
        if (isCompacted) group.store.compactTo(meta, 0, () => undefined);
      }),
    );
  });
  world.settle();
  equal(group.store.base.index, isCompacted ? 2 : 0);
  world.kill();
}

const SNAPSHOT = '/data0/snapshot-s2';

test('a damaged or truncated snapshot is an error that names the file', () => {
  const world = new World();
  withSnapshot(world, true);
  const content = world.disk.contentOf(SNAPSHOT);
  for (let at = 0; at < content.length; at++) {
    world.disk.plant(SNAPSHOT, content);
    world.disk.flipBit(SNAPSHOT, at, at % 8);
    const error = world.failureOfOpen();
    equal(error.code, 'SNAPSHOT_CHECKSUM', `byte ${at}`);
    equal(error.path, SNAPSHOT);
    world.disk.plant(SNAPSHOT, content.subarray(0, at));
    equal(world.failureOfOpen().code, 'SNAPSHOT_CHECKSUM', `cut at ${at}`);
  }
});

test('a snapshot with a damaged body goes when the log still holds all that it stood for', () => {
  const world = new World();
  withSnapshot(world, false);
  const before = world.disk.contentOf(SNAPSHOT);
  const bodyAt = before.length - 'the body'.length;
  for (const at of [bodyAt, before.length - 1]) {
    world.disk.plant(SNAPSHOT, before);
    world.disk.flipBit(SNAPSHOT, at);
    const group = world.open();
    deepEqual(
      group.repaired.map(({ code, path }) => `${code} ${path}`),
      [`SNAPSHOT_CHECKSUM ${SNAPSHOT}`],
    );
    equal(group.snapshot, null);
    deepEqual(textOf(world.entriesOf(group)), ['1/1 one', '2/1 two', '3/1 three']);
    ok(!world.disk.paths().includes(SNAPSHOT));
    world.crash();
    deepEqual(world.open().repaired, []);
    world.kill();
  }
});

test('a damaged snapshot of which nobody can say what it stood for is kept and refused', () => {
  const world = new World();
  withSnapshot(world, false);
  world.disk.flipBit(SNAPSHOT, 70);
  equal(world.failureOfOpen().code, 'SNAPSHOT_CHECKSUM');
  ok(world.disk.paths().includes(SNAPSHOT));
});

function lose(world: World, pattern: RegExp): void {
  for (const path of world.disk.paths()) if (pattern.test(path)) world.disk.lose(path);
}
