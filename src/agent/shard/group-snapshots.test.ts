import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import { logIndex, nodeId, replOffset, term } from '../../core/scalars.ts';
import { type Flavor, versionText } from '../../io/server/flavor.ts';
import { RDB_MAGIC_BYTES, rdbUnreadableBecause } from '../../io/server/rdb-version.ts';
import type { OpenedGroup } from '../../io/storage/recovery.ts';
import type { SnapshotBody, SnapshotUnreadable } from '../strong/ports.ts';
import { StreamIndex } from '../strong/stream-index.ts';
import type { Strong } from '../strong/strong.ts';
import { GroupSnapshots } from './group-snapshots.ts';
import type { GroupServer } from './ports.ts';

const REDIS_7_0: Flavor = { product: 'redis', major: 7, minor: 0, patch: 15 };

/** One snapshot on disk, whose RDB begins with `head`, and an own server of Redis 7.0. */
function world() {
  const said: string[] = [];
  const it = { head: 'REDIS0010', closed: 0, said, voters: [nodeId('a@00000001')] };
  const reader = {
    meta: { id: 's', last: { index: 1, term: 1 } },
    extra: { offset: 7, lastOffset: 7, reigns: [], serverVersion: '8.0.1' },
    bodyBytes: 9,
    read: (position: number, bytes: number, done: (error: null, bytes: Buffer) => void) =>
      done(null, Buffer.from(it.head.slice(position, position + bytes))),
    close: () => {
      it.closed += 1;
    },
  };
  const snapshots = new GroupSnapshots({
    id: nodeId('a@00000001'),
    configurationAt: () => founded(it.voters),
    opened: {
      snapshots: {
        openLatest: (done: (error: null, found: typeof reader) => void) => done(null, reader),
      },
      store: {
        base: { index: 0, term: 0 },
        termAt: () => 1,
        compactTo: () => said.push('compactTo'),
      },
    } as unknown as OpenedGroup,
    index: new StreamIndex({
      last: { index: logIndex(1), term: term(1) },
      offset: replOffset(7),
      reigns: [],
    }),
    historyId: 'f'.repeat(40),
    server: {
      versionText: versionText(REDIS_7_0),
      rdbHeadBytes: RDB_MAGIC_BYTES,
      unloadable: (head) => rdbUnreadableBecause(head, REDIS_7_0),
    } as GroupServer,
    entropy: () => 0,
    note: (_level, event) => said.push(event),
    strong: () => null as unknown as Strong,
    fatal: (error) => {
      throw error;
    },
  });
  const open = () => {
    let found: SnapshotBody | SnapshotUnreadable | null = null;
    snapshots.open((given) => {
      found = given;
    });
    return found as SnapshotBody | SnapshotUnreadable | null;
  };
  return { it, snapshots, open };
}

test('H3: an RDB that the own server cannot load is refused with both versions, and closed', () => {
  const { it, snapshots, open } = world();
  it.head = 'REDIS0011';
  equal(open()?.kind, 'unreadable');
  match(snapshots.problem ?? '', /8\.0\.1.*REDIS0011.*redis 7\.0\.15/);
  equal(it.closed, 1);
});

test('the problem is over when a snapshot can be loaded', () => {
  const { it, snapshots, open } = world();
  it.head = 'VALKEY080';
  open();
  it.head = 'REDIS0010';
  equal(open()?.kind, 'body');
  equal(snapshots.problem, null);
});

test('a snapshot whose members are not those of the log is refused before anything is dropped', () => {
  const { it, snapshots } = world();
  const last = { index: logIndex(1), term: term(1) };
  const offered = { id: 's', last, configuration: founded([nodeId('b@00000001')]), bytes: 9 };
  const adopt = () =>
    snapshots.adopt(
      offered,
      0,
      () => it.said.push('compacted'),
      () => it.said.push('done'),
    );
  adopt();
  deepEqual(it.said.splice(0), ['snapshot.refused', 'done']);
  it.voters = [nodeId('b@00000001')];
  adopt();
  equal(it.said[0], 'compactTo');
});
