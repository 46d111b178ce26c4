import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import { FETCH_LIMITS } from '../../core/raft/fetch.ts';
import { RAFT_LIMITS } from '../../core/raft/options.ts';
import type { Message } from '../../core/raft/protocol.ts';
import { ack, id, idOf, MemoryLog } from '../../core/raft/small-world.test.ts';
import { replOffset, term } from '../../core/scalars.ts';
import { encodeData } from '../strong/entry.ts';
import { StreamIndex } from '../strong/stream-index.ts';
import { LIMITS } from '../strong/trial-node.ts';
import type { ShardFiles } from './ports.ts';
import { WitnessGroup } from './witness-group.ts';

const SHARD_LIMITS = {
  ...RAFT_LIMITS,
  ...LIMITS,
  openTicksMax: 1_000,
  stepTicksMax: 1_000,
  fenceTicksMax: 1_000,
  appendWindowBytes: RAFT_LIMITS.windowBytesMax,
  snapshotReadsMax: 1,
  snapshotAloneTicks: 0,
  diskWaitTicksMax: 1_000,
  diskHandOverRetryTicks: 1_000,
  logHardFactor: 2,
  logHardBytesMin: 1_000_000,
};

/** `w` of the data nodes a and b and the witnesses v and w; what it sends is in `sent`. */
function world(voters = 'abvw') {
  const state = { hardState: { term: term(0), votedFor: null }, base: id(0, 0), entries: [] };
  const log = new MemoryLog({ ...state, snapshot: null });
  const store = Object.assign(log, {
    ...{ base: state.base, bytes: 0, closedBytes: 0, syncs: 0 },
    settle: () => undefined,
  });
  const sent: string[] = [];
  const leaders: (string | null)[] = [];
  const group = new WitnessGroup({
    id: idOf('w'),
    configuration: founded([...voters].map(idOf)),
    configurations: [],
    opened: {
      ...state,
      heads: [],
      snapshot: null,
      store,
      snapshots: { latest: null, sink: { resumeAt: () => 0 } },
    } as unknown as ShardFiles,
    index: new StreamIndex({ last: id(0, 0), offset: replOffset(0), reigns: [] }),
    peers: {
      send: (to, message) => sent.push(`${message.kind} to ${to[0]}`),
      sendTransfer: (to, { kind }) => sent.push(`${kind} to ${to[0]}`),
      sendRead: () => undefined,
      announceSnapshot: () => sent.push('announces'),
    },
    logLimitBytes: 1_000,
    limits: SHARD_LIMITS,
    fetchLimits: FETCH_LIMITS,
    entropy: () => 0,
    note: () => undefined,
    onNotice: () => undefined,
    setLeader: (leader) => leaders.push(leader),
    fatal: (error) => {
      throw error;
    },
  });
  group.start();
  group.witnessesKnown(['v', 'w'].map(idOf));
  const hear = (message: Message, by: string) => {
    for (const from of by) group.received(idOf(from), message);
    while (log.pending > 0) log.sync();
  };
  const tick = (times = 1) => {
    for (let i = 0; i < times; i++) group.tick();
    while (log.pending > 0) log.sync();
  };
  return { group, log, sent, leaders, hear, tick };
}

/** A leader's append of `bytes` of stream after the first `at` entries of term 1. */
function appended(at: number, bytes: number): Message {
  const before = at * bytes;
  const payload = encodeData(replOffset(before), [Buffer.alloc(bytes, 'x')], bytes);
  const after = id(at, at === 0 ? 0 : 1);
  const entries = [{ ...id(at + 1, 1), payload }];
  return { kind: 'append', term: term(1), after, entries, commit: id(at, 1).index, round: at + 1 };
}

test('H5: a witness that leads hands over to a data node as soon as that has everything', () => {
  const { group, sent, leaders, hear, tick } = world();
  hear(appended(0, 50), 'a');
  tick(30 + 119);
  equal(group.raft.role, 'follower', 'it lets others go first');
  tick(1);
  for (const pre of [true, false])
    hear({ kind: 'voteReply', term: term(2), pre, granted: true }, 'bv');
  equal(group.isLeader, true);
  deepEqual(leaders.at(-1), idOf('w'));
  equal(group.raft.last.index, 2, 'its no-op, and nothing of its own after that');
  hear(ack(2, 2, 1), 'v');
  tick();
  equal(sent.includes('timeoutNow to v'), false, 'not to another witness');
  hear(ack(2, 1, 1), 'b');
  tick();
  equal(sent.includes('timeoutNow to b'), false, 'not to whoever lacks something');
  hear(ack(2, 2, 1), 'b');
  tick();
  equal(sent.includes('timeoutNow to b'), true);
  equal(sent.includes('timeoutNow to v'), false);
});

test('a witness asked for a vote in vain does not wait for long: only its log is long enough', () => {
  const { group, hear, tick } = world('abw');
  hear(appended(0, 50), 'a');
  tick(30);
  const last = id(0, 0);
  for (let times = 0; times < 3; times++)
    hear({ kind: 'requestVote', term: term(2), pre: true, transfer: false, last }, 'b');
  tick();
  equal(group.raft.role, 'preCandidate');
});

test('over its limit it fetches a data node’s snapshot of what is committed, and takes none', () => {
  const { group, sent, hear, tick } = world('abw');
  for (let at = 0; at < 12; at++) hear(appended(at, 100), 'a');
  tick(5);
  deepEqual(
    sent.filter((what) => !what.startsWith('appendReply')),
    [],
  );
  const configuration = founded([...'abw'].map(idOf));
  group.snapshotOffered(idOf('b'), { id: 's', last: id(12, 1), configuration, bytes: 9 });
  tick();
  equal(sent.at(-1), 'appendReply to a', 'not one that is ahead of what it knows committed');
  hear({ ...appended(12, 100), entries: [], commit: id(12, 1).index } as Message, 'a');
  tick();
  equal(sent.includes('chunkWanted to b'), true);
  equal(group.committedOffset, 1_200);
});
