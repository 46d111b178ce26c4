import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Primary } from '../../core/control/state.ts';
import { nodeId } from '../../core/scalars.ts';
import { Held, type Told } from './held.ts';
import { type DataRecord, NO_HISTORY, NO_RECORD, type ServerSeen } from './ports.ts';
import { TRIAL_SEEN } from './trial-seen.ts';

const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)];
const OPEN: Primary = {
  decision: 7,
  node: nodeId('a@00000001'),
  isPlanned: false,
  base: null,
  history: H1,
  from: null,
  former: null,
};
const FOLLOWS: ServerSeen = { ...TRIAL_SEEN, offset: 100, upstream: 'a:6379', isLinkUp: true };

/** A disk on which a record is durable when somebody says so. */
class Disk {
  record: DataRecord = NO_RECORD;
  nowMs = 0;
  readonly #saving: (() => void)[] = [];

  open(): Held {
    const { record } = this;
    const save = (next: DataRecord, done: () => void): void => {
      this.#saving.push(() => {
        this.record = next;
        done();
      });
    };
    return new Held({ record, save }, () => this.nowMs);
  }

  settle(): void {
    while (this.#saving.length > 0) this.#saving.shift()?.();
  }
}

/** Asked anew each time. */
function toldBy(held: Held): Told {
  return held.told;
}

test('only a completed sync of the agreed history counts', () => {
  const held = new Disk().open();
  held.seen({ ...FOLLOWS, isLinkUp: false }, OPEN);
  const nothing: Told = { history: null, offset: 0, isExact: true };
  deepEqual(toldBy(held), nothing);
  held.seen({ ...FOLLOWS, history: H2 }, OPEN);
  deepEqual(toldBy(held), nothing);
  held.seen(FOLLOWS, OPEN);
  deepEqual(toldBy(held), { history: H1, offset: 100, isExact: true });
  held.seen({ ...FOLLOWS, isLinkUp: false, offset: 120 }, OPEN);
  equal(toldBy(held).offset, 120, 'what it has it keeps when the primary is gone');
});

test('after a restart the record is a lower bound', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen(FOLLOWS, OPEN);
  disk.settle();
  held.seen({ ...FOLLOWS, offset: 150 }, OPEN);
  held.serverGone();
  deepEqual(held.told, { history: H1, offset: 100, isExact: false });
  deepEqual(disk.open().told, held.told);
});

test('nothing is recorded that a kill would take back', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen({ ...FOLLOWS, isOnDisk: false }, OPEN);
  disk.settle();
  equal(disk.record, NO_RECORD);
});

test('data that are replaced are nobody’s before they are', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen(FOLLOWS, OPEN);
  disk.settle();
  let mayGo = false;
  held.leaving(H2, () => {
    mayGo = true;
  });
  ok(!mayGo, 'it is not durable yet');
  disk.settle();
  ok(mayGo);
  equal(disk.record, NO_RECORD);
  held.seen({ ...FOLLOWS, isLoading: true }, OPEN);
  equal(held.told.history, null);
});

test('a restarted server that was emptied for others’ data holds nothing', () => {
  for (const emptied of [
    { ...FOLLOWS, isLoading: true },
    { ...FOLLOWS, history: NO_HISTORY, offset: 0, isLinkUp: false },
  ]) {
    const disk = new Disk();
    disk.open().seen(FOLLOWS, OPEN);
    disk.settle();
    const held = disk.open();
    const started = { ...FOLLOWS, history: H2, isLinkUp: false };
    held.seen({ ...started, isLoading: true }, OPEN);
    held.seen(started, OPEN);
    deepEqual(toldBy(held), { history: H1, offset: 100, isExact: false });
    held.seen(emptied, OPEN);
    deepEqual(toldBy(held), { history: null, offset: 0, isExact: true });
    held.serverGone();
    equal(toldBy(held).history, H1, 'its file was not touched');
  }
});

test('who goes on with the history that it has keeps its record', () => {
  const disk = new Disk();
  disk.open().seen(FOLLOWS, OPEN);
  disk.settle();
  let mayGo = false;
  disk.open().leaving(H1, () => {
    mayGo = true;
  });
  ok(mayGo);
  equal(disk.record.point?.history, H1);
});

test('a history that was begun is known after a crash, whichever it came to be', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen(FOLLOWS, OPEN);
  held.begins({ history: H2, offset: 110, decision: 9, isOnDisk: true });
  ok(!held.hasBegun(H2), 'not before it is on disk');
  disk.settle();
  ok(held.hasBegun(H2));
  const unopened = { ...OPEN, decision: 9, base: H1, history: null };
  for (const primary of [
    { ...unopened, history: H2 },
    { ...unopened, base: H2, decision: 10 },
  ]) {
    const later = disk.open();
    later.agreed(primary);
    deepEqual(later.told, { history: H2, offset: 110, isExact: false });
  }
  const later = disk.open();
  later.agreed(unopened);
  equal(later.told.history, H1);
  ok(later.isOpenWhether(9) && !later.isOpenWhether(10));
});

test('a history that was begun before its data were on disk only guards against another', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen({ ...FOLLOWS, isOnDisk: false }, OPEN);
  const begun = { history: H2, offset: 110, decision: 9, isOnDisk: false };
  held.begins(begun);
  disk.settle();
  deepEqual(disk.record, { point: null, begun });
  const early = disk.open();
  ok(early.isOpenWhether(9));
  early.agreed({ ...OPEN, decision: 9, history: H2 });
  equal(early.told.history, null);
  held.begins({ ...begun, isOnDisk: true });
  disk.settle();
  const later = disk.open();
  later.agreed({ ...OPEN, decision: 9, history: H2 });
  deepEqual(later.told, { history: H2, offset: 110, isExact: false });
});

test('a server that finds no data starts when nothing claims any', () => {
  const disk = new Disk();
  const held = disk.open();
  held.seen(FOLLOWS, OPEN);
  disk.settle();
  held.serverGone();
  let mayStart = false;
  held.empty(() => {
    mayStart = true;
  });
  equal(held.told.history, null);
  ok(!mayStart, 'it is not durable yet');
  disk.settle();
  ok(mayStart);
  equal(disk.record, NO_RECORD);
});
