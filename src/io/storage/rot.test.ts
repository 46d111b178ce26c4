/** What happens to files at rest, row by row as the README has it; the log and the hard state. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { entry, id, textOf, vote, World } from '../../../test/contracts/storage-world.ts';
import type { StorageError } from './errors.ts';
import type { OpenedGroup, OpenGroupResult } from './recovery.ts';
import { SECTOR_BYTES } from './segment.ts';

const LOG = '/data0/log-0000000001';
const HARD_STATE = '/data0/hard-state';
const SECOND_SLOT_AT = 16 * 1024;
const SEGMENT_BYTES = 2_000;
const ENTRIES = 20;

/** Sizes so that records begin and end all over their sectors; no sector of zeros in them. */
function textFor(index: number): string {
  return `${index} `.repeat(30 + index * 7);
}

/** Each entry written, synced and acknowledged by itself. */
function filled(world: World, isNoted: boolean, segmentBytes = SEGMENT_BYTES): string[] {
  const group = world.open({ segmentBytes });
  group.store.saveHardState(vote(3), () => undefined);
  for (let index = 1; index <= ENTRIES; index++) {
    const after = index === 1 ? id(0, 0) : id(index - 1, 3);
    group.store.persist(after, [entry(index, 3, textFor(index))], () => undefined);
    world.settle();
  }
  if (isNoted) group.store.settle();
  world.settle();
  const texts = textOf(world.entriesOf(group));
  equal(texts.length, ENTRIES);
  world.kill();
  return texts;
}

interface Files {
  restore(): void;
}

function kept(world: World): Files {
  const files = world.disk.paths().map((path) => [path, world.disk.contentOf(path)] as const);
  return {
    restore: () => {
      for (const path of world.disk.paths())
        if (!files.some(([name]) => name === path)) world.disk.lose(path);
      for (const [path, content] of files) world.disk.plant(path, content);
    },
  };
}

/** It is all there, or the start says by name that it is not. */
function allOrNamed(world: World, texts: readonly string[], what: string): string {
  const result = world.tryOpen({ segmentBytes: SEGMENT_BYTES, mustExist: true });
  if (!result.ok) {
    world.kill();
    const { code, message } = result.error;
    match(message, /Do not mend the files by hand|newer version/, `${what}: the way out is told`);
    return code;
  }
  deepEqual(textOf(world.entriesOf(result)), texts, what);
  deepEqual(result.hardState, vote(3), what);
  world.kill();
  return 'ok';
}

test('flipped lengths, checksums, ids: no part of a record header hides what follows it', () => {
  const world = new World();
  const texts = filled(world, false, 1 << 20);
  const files = kept(world);
  const log = world.disk.contentOf(LOG);
  const firstAt = 96;
  const lastAt = log.length - 41 - textFor(ENTRIES).length;
  for (const recordAt of [firstAt, lastAt]) {
    for (let at = recordAt; at < recordAt + 40; at++) {
      for (let bit = 0; bit < 8; bit++) {
        files.restore();
        world.disk.flipBit(LOG, at, bit);
        equal(allOrNamed(world, texts, `byte ${at} bit ${bit}`), 'SEGMENT_CHECKSUM');
      }
    }
  }
});

test('a log that lost its end below what was noted is damage, wherever it ends now', () => {
  const world = new World();
  const texts = filled(world, true);
  const files = kept(world);
  for (const path of world.disk.paths().filter((each) => each.includes('/log-'))) {
    const bytes = world.disk.contentOf(path).length;
    for (let end = 0; end < bytes; end += 13) {
      files.restore();
      world.disk.shorten(path, end);
      match(allOrNamed(world, texts, `${path} up to ${end}`), /^(SEGMENT_|LOG_GAP)/);
    }
  }
});

test('zeros in the place of sectors, below what was noted, are damage', () => {
  const world = new World();
  const texts = filled(world, true);
  const files = kept(world);
  for (const path of world.disk.paths().filter((each) => each.includes('/log-'))) {
    const bytes = world.disk.contentOf(path).length;
    for (let at = 0; at < bytes; at += SECTOR_BYTES) {
      files.restore();
      world.disk.overwrite(path, at, new Uint8Array(SECTOR_BYTES));
      match(allOrNamed(world, texts, `${path} at ${at}`), /^(SEGMENT_|LOG_GAP)/);
    }
  }
});

test('a sector that belongs elsewhere is never taken for what was there', () => {
  const world = new World();
  const texts = filled(world, true);
  const files = kept(world);
  const paths = world.disk.paths();
  const sectors = paths.flatMap((path) => {
    const content = world.disk.contentOf(path);
    const count = Math.min(6, Math.ceil(content.length / SECTOR_BYTES));
    return Array.from({ length: count }, (_, i) =>
      content.subarray(i * SECTOR_BYTES).slice(0, 512),
    );
  });
  for (const path of paths) {
    const bytes = Math.min(world.disk.contentOf(path).length, 6 * SECTOR_BYTES);
    for (let at = 0; at < bytes; at += SECTOR_BYTES) {
      for (const [i, sector] of sectors.entries()) {
        files.restore();
        world.disk.overwrite(path, at, sector);
        allOrNamed(world, texts, `${path} at ${at}, sector ${i}`);
      }
    }
  }
});

test('an older copy of a file in its place is noticed once the newer one was noted', () => {
  const world = new World();
  const group = world.open();
  group.store.saveHardState(vote(3), () => undefined);
  group.store.persist(id(0, 0), [entry(1, 3, 'one')], () => undefined);
  world.settle();
  const old = world.disk.contentOf(LOG);
  group.store.persist(id(1, 3), [entry(2, 3, 'two')], () => undefined);
  world.settle();
  group.store.settle();
  world.settle();
  world.kill();
  world.disk.plant(LOG, old);
  equal(world.failureOfOpen({ mustExist: true }).code, 'SEGMENT_CHECKSUM');
});

test('a read that comes back short ends the store', () => {
  const world = new World();
  filled(world, true, 1 << 20);
  const failures: StorageError[] = [];
  const group = world.open({ cacheBytes: 0, onFailure: (error) => failures.push(error) });
  world.disk.shorten(LOG, 300);
  let got: unknown = 'nothing';
  group.store.read(id(0, 0), id(ENTRIES, 3), 1 << 20, (entries) => {
    got = entries;
  });
  world.settle();
  equal(got, null);
  equal(failures[0]?.code, 'SEGMENT_CHECKSUM');
});

test('a disk that cannot be read ends the start and changes nothing, and later the store', () => {
  const world = new World();
  const texts = filled(world, true);
  world.disk.setFailing('reads');
  const before = world.disk.paths().map((path) => world.disk.contentOf(path));
  equal(world.failureOfOpen({ mustExist: true }).code, 'DISK_FAILED');
  world.kill();
  deepEqual(
    world.disk.paths().map((path) => world.disk.contentOf(path)),
    before,
  );
  world.disk.setFailing('nothing');
  const failures: StorageError[] = [];
  const options = { cacheBytes: 0, onFailure: (error: StorageError) => failures.push(error) };
  const { store } = world.open({ ...options, segmentBytes: SEGMENT_BYTES });
  world.disk.setFailing('reads');
  store.read(id(0, 0), id(ENTRIES, 3), 1 << 20, (entries) => equal(entries, null));
  world.settle();
  equal(failures[0]?.code, 'DISK_FAILED');
  world.kill();
  world.disk.setFailing('nothing');
  equal(allOrNamed(world, texts, 'a sound disk'), 'ok');
});

/** Votes in term 8, after term 7 was saved, and dies after `turns` operations of the disk. */
function votedAgain(world: World, turns: number): { isSaved: boolean; isOver: boolean } {
  const { store } = world.open();
  store.saveHardState(vote(7), () => undefined);
  world.settle();
  let isSaved = false;
  world.allow(turns);
  store.saveHardState(vote(8), () => {
    isSaved = true;
  });
  const isOver = world.settle();
  return { isSaved, isOver };
}

test('a damaged slot never brings back a vote older than the last one that was told', () => {
  for (let turns = 0; ; turns++) {
    let isOver = false;
    for (const slotAt of [0, SECOND_SLOT_AT]) {
      for (const how of ['crash', 'kill'] as const) {
        const world = new World(turns);
        const voted = votedAgain(world, turns);
        isOver = voted.isOver;
        if (how === 'crash') world.crash();
        else world.kill();
        world.disk.flipBit(HARD_STATE, slotAt + 20);
        const result: OpenGroupResult = world.tryOpen();
        // Both are gone only when the other was being written at that moment.
        if (!result.ok) equal(result.error.code, 'HARD_STATE_DAMAGED');
        else if (voted.isSaved) deepEqual(result.hardState, vote(8), `${turns} ${slotAt} ${how}`);
      }
    }
    if (isOver) break;
  }
});

function repairsOf({ repaired }: OpenedGroup): string[] {
  return repaired.map(({ code, path, position }) => `${code} ${path} ${position}`);
}

test('a damaged slot is repaired once, and told', () => {
  for (const slotAt of [0, SECOND_SLOT_AT]) {
    const world = new World();
    filled(world, false);
    world.disk.flipBit(HARD_STATE, slotAt + 30);
    const group = world.open({ segmentBytes: SEGMENT_BYTES });
    deepEqual(repairsOf(group), [`HARD_STATE_DAMAGED ${HARD_STATE} ${slotAt}`]);
    world.crash();
    deepEqual(repairsOf(world.open({ segmentBytes: SEGMENT_BYTES })), []);
  }
});

test('a hard state that lost its end keeps one slot, or is damage', () => {
  const world = new World();
  const texts = filled(world, false);
  const files = kept(world);
  for (let end = 0; end < SECOND_SLOT_AT + 512; end += 31) {
    files.restore();
    world.disk.shorten(HARD_STATE, end);
    equal(allOrNamed(world, texts, `${end}`), end < 512 ? 'HARD_STATE_DAMAGED' : 'ok');
  }
});

test('after a failed sync a start writes both slots again, so that either may rot later', () => {
  for (const slotAt of [0, SECOND_SLOT_AT]) {
    const world = new World();
    const { store } = world.open();
    store.saveHardState(vote(7), () => undefined);
    world.settle();
    world.disk.setFailing('syncs');
    store.saveHardState(vote(8), () => undefined);
    world.settle();
    ok(store.failure !== null);
    world.kill();
    world.disk.setFailing('nothing');
    // The kernel still shows the slot that the disk never got.
    deepEqual(world.open().hardState, vote(8));
    world.crash();
    world.disk.flipBit(HARD_STATE, slotAt + 20);
    deepEqual(world.open().hardState, vote(8), `slot at ${slotAt}`);
    world.kill();
  }
});

test('a slot that was mended by a start that then failed is told by that start', () => {
  const world = new World();
  filled(world, true);
  world.disk.flipBit(HARD_STATE, 100);
  world.disk.flipBit(LOG, 1_000);
  const result = world.tryOpen({ segmentBytes: SEGMENT_BYTES, mustExist: true });
  ok(!result.ok);
  equal(result.error.code, 'SEGMENT_CHECKSUM');
  deepEqual(
    result.repaired.map(({ code, path }) => [code, path]),
    [['HARD_STATE_DAMAGED', HARD_STATE]],
  );
});
