import assert from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import { logIndex, nodeId, term } from '../../core/scalars.ts';
import { Compaction, type CompactionSight } from './compaction.ts';

const LIMITS = { logLimitBytes: 1_000, logHardBytes: 8_000, aloneTicks: 5 };
const SNAPSHOT: SnapshotMeta = {
  id: 'a snapshot',
  last: { index: logIndex(50), term: term(1) },
  configuration: founded([nodeId('n1@00000001')]),
  bytes: 100,
};
const QUIET: CompactionSight = {
  isLeader: false,
  canTake: true,
  logBytes: 500,
  sinceSnapshotBytes: 0,
  newestIndex: 40,
  committedIndex: 50,
  snapshotBytes: 100,
};

function trial({ isServed = true } = {}) {
  const said: string[] = [];
  const compaction = new Compaction(LIMITS, {
    take: (done) => {
      said.push('take');
      done(SNAPSHOT);
    },
    fetch: (_from, snapshot, done) => {
      said.push('fetch');
      done(isServed ? snapshot : null);
    },
    adopt: (_snapshot, keepBytes, done) => {
      said.push(`adopt, keep ${keepBytes}`);
      done();
    },
    announce: () => said.push('announce'),
    setLogFull: (isFull) => said.push(isFull ? 'full' : 'low'),
  });
  const tick = (times: number, change: Partial<CompactionSight> = {}): string[] => {
    said.length = 0;
    for (let n = 0; n < times; n++) compaction.tick({ ...QUIET, ...change });
    return [...said];
  };
  return { compaction, tick };
}

test('a short log is left alone', () => {
  assert.deepEqual(trial().tick(1_000), []);
});

test('a follower takes a snapshot of its own server when half the limit was streamed since', () => {
  const { tick } = trial();
  assert.deepEqual(tick(1, { sinceSnapshotBytes: 501 }), ['take', 'adopt, keep 500', 'announce']);
});

test('a leader fetches what a follower offers, and takes its own only when left alone', () => {
  const { compaction, tick } = trial();
  const due = { isLeader: true, sinceSnapshotBytes: 501 };
  assert.deepEqual(tick(LIMITS.aloneTicks, due), []);
  compaction.offered(nodeId('n2@00000001'), SNAPSHOT);
  assert.deepEqual(tick(1, due), ['fetch', 'adopt, keep 500']);
  assert.deepEqual(tick(LIMITS.aloneTicks + 1, due), ['take', 'adopt, keep 500', 'announce']);
});

test('a leader takes its own when what it is offered, anew each time, cannot be had', () => {
  const { compaction, tick } = trial({ isServed: false });
  const seen = Array.from({ length: LIMITS.aloneTicks + 100 }, () => {
    compaction.offered(nodeId('n2@00000001'), SNAPSHOT);
    return tick(1, { isLeader: true, sinceSnapshotBytes: 501 });
  }).flat();
  assert.ok(seen.includes('fetch'));
  assert.ok(seen.includes('take'));
});

test('of two offers of one index the later is fetched: the earlier may be gone', () => {
  const fetched: string[] = [];
  const compaction = new Compaction(LIMITS, {
    fetch: (_from, { id }) => fetched.push(id),
    take: () => undefined,
    adopt: () => undefined,
    announce: () => undefined,
    setLogFull: () => undefined,
  });
  for (const id of ['one', 'other']) compaction.offered(nodeId('n2@00000001'), { ...SNAPSHOT, id });
  compaction.tick({ ...QUIET, isLeader: true, sinceSnapshotBytes: 501 });
  assert.deepEqual(fetched, ['other']);
});

test('a full log makes writes wait, and is compacted without a tail, whatever was streamed', () => {
  const { tick } = trial();
  assert.deepEqual(tick(1, { logBytes: 8_001 }), ['full', 'take', 'adopt, keep 0', 'announce']);
  assert.deepEqual(tick(1, { logBytes: 7_000 }), ['low']);
});

test('a log that stays full is not compacted at every tick', () => {
  const { tick } = trial();
  const takes = tick(400, { logBytes: 8_001 }).filter((what) => what === 'take').length;
  assert.ok(takes > 1 && takes <= 11, `${takes}`);
});
