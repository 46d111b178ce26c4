import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import type { LogStore } from '../../core/raft/ports.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import { logIndex, replOffset, term } from '../../core/scalars.ts';
import { encodeData } from './entry.ts';
import { StreamIndex } from './stream-index.ts';
import { StreamLog } from './stream-log.ts';

const NOTHING = { index: logIndex(0), term: term(0) };
const LAST = { index: logIndex(9), term: term(3) };
const SNAPSHOT: SnapshotMeta = { id: 's', last: LAST, configuration: founded([]), bytes: 1 };

/** A log of three entries of five bytes each, under a store that only listens. */
function world() {
  const said: string[] = [];
  const store = {
    persist: () => said.push('persist'),
    installSnapshot: (_snapshot: SnapshotMeta, keepSuffix: boolean) =>
      said.push(`install${keepSuffix ? ' keeping' : ''}`),
  } as unknown as LogStore;
  const index = new StreamIndex({ last: NOTHING, offset: replOffset(0), reigns: [] });
  const log = new StreamLog(store, index, {
    baseOf: ({ last }) => ({ last, offset: replOffset(700), reigns: [] }),
    replaced: () => said.push(`replaced at ${index.baseIndex}`),
  });
  const entries = [1, 2, 3].map((at) => ({
    index: logIndex(at),
    term: term(1),
    payload: encodeData(replOffset(5 * (at - 1)), [Buffer.from('12345')], 5),
  }));
  log.persist(NOTHING, entries, () => undefined);
  said.length = 0;
  return { log, index, said };
}

test('a snapshot in place of the log: the index begins after it, and all are told before the disk', () => {
  const { log, index, said } = world();
  log.installSnapshot(SNAPSHOT, false, () => undefined);
  deepEqual(index.last, LAST);
  equal(index.endOffset, 700);
  deepEqual(said, ['replaced at 9', 'install']);
});

test('a snapshot of what the log holds drops what it covers and keeps the rest', () => {
  const { log, index, said } = world();
  const last = { index: logIndex(2), term: term(1) };
  log.installSnapshot({ ...SNAPSHOT, last }, true, () => undefined);
  equal(index.baseIndex, 2);
  equal(index.baseOffset, 10);
  equal(index.endOffset, 15);
  deepEqual(said, ['replaced at 2', 'install keeping']);
});
