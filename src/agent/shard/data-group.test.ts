import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import { FETCH_LIMITS } from '../../core/raft/fetch.ts';
import { RAFT_LIMITS } from '../../core/raft/options.ts';
import type { Message } from '../../core/raft/protocol.ts';
import { ack, id, idOf, MemoryLog } from '../../core/raft/small-world.test.ts';
import { replOffset, term } from '../../core/scalars.ts';
import { StreamIndex } from '../strong/stream-index.ts';
import { LIMITS, REIGN, SET } from '../strong/trial-node.ts';
import { DataGroup } from './data-group.ts';
import type { GroupServer, ShardFiles } from './ports.ts';

const SHARD_LIMITS = {
  ...RAFT_LIMITS,
  ...LIMITS,
  openTicksMax: 1_000,
  stepTicksMax: 1_000,
  fenceTicksMax: 1_000,
  appendWindowBytes: RAFT_LIMITS.windowBytesMax,
  snapshotReadsMax: 1,
  snapshotAloneTicks: 1_000,
  diskWaitTicksMax: 1_000,
  diskHandOverRetryTicks: 1_000,
  logHardFactor: 2,
  logHardBytesMin: 1_000_000,
};

/** Answers are given by the test. */
const SERVER = {
  listen: () => undefined,
  start: () => undefined,
  kill: () => undefined,
  askRole: () => undefined,
  promote: () => undefined,
  demote: () => undefined,
  attach: () => undefined,
  detach: () => undefined,
  sendFence: () => undefined,
  acknowledge: () => undefined,
  setCapturePaused: () => undefined,
  pauseWrites: () => undefined,
  serveReads: () => undefined,
} as unknown as GroupServer;

/** `a` of a, b, c, with leases. Its disk is synced when the test says so. */
function world() {
  const state = { hardState: { term: term(0), votedFor: null }, base: id(0, 0), entries: [] };
  const log = new MemoryLog({ ...state, snapshot: null });
  const store = Object.assign(log, { base: state.base, bytes: 0, closedBytes: 0, syncs: 0 });
  const sent: string[] = [];
  const clock = { ms: 0 };
  const group = new DataGroup({
    id: idOf('a'),
    configuration: founded(['a', 'b', 'c'].map(idOf)),
    configurations: [],
    opened: {
      ...state,
      heads: [],
      snapshot: null,
      store: Object.assign(store, { settle: () => undefined }),
      snapshots: { latest: null, sink: { resumeAt: () => 0 } },
    } as unknown as ShardFiles,
    index: new StreamIndex({ last: id(0, 0), offset: replOffset(0), reigns: [] }),
    historyId: 'f'.repeat(40),
    server: SERVER,
    peers: {
      send: (to, message) => sent.push(`${message.kind} to ${to[0]}`),
      sendTransfer: (_, { kind }) => sent.push(kind),
      announceSnapshot: () => undefined,
      sendRead: () => undefined,
    },
    relay: {
      open: () => undefined,
      endReign: () => undefined,
      setLeader: () => undefined,
      setReadsPaused: () => undefined,
      setSpell: () => undefined,
    },
    watch: {
      began: () => undefined,
      executed: () => undefined,
      committed: () => undefined,
      confirmed: () => undefined,
      replicasHolding: (count) => sent.push(`holding ${count}`),
      leased: (untilMs) => sent.push(untilMs > 0 ? 'leased' : 'no lease'),
    },
    logLimitBytes: 1_000,
    limits: SHARD_LIMITS,
    fetchLimits: FETCH_LIMITS,
    leases: { nowMs: () => clock.ms, tickMs: 25 },
    entropy: () => 0,
    soon: (run) => run(),
    note: () => undefined,
    onNotice: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  const hear = (message: Message, by = 'bc') => {
    for (const from of by) group.received(idOf(from), message);
    while (log.pending > 0) log.sync();
  };
  return { group, log, sent, clock, hear };
}

/** Leads in term 1, and its server is attached: the reign's entry, the second, is in the log. */
function announcing() {
  const it = world();
  const { group, hear } = it;
  group.start();
  group.strong.serverUp(1);
  while (group.raft.role === 'follower') group.tick();
  for (const pre of [true, false])
    hear({ kind: 'voteReply', term: term(1), pre, granted: true }, 'b');
  hear(ack(1, 1, 1));
  const offset = replOffset(0);
  group.strong.roleSeen(1, { kind: 'replica', isConnected: true, offset });
  group.strong.promoted(1, REIGN, offset);
  group.strong.attached(1, REIGN);
  hear(ack(1, 1, 1));
  equal(group.strong.stage.kind, 'announcing');
  return it;
}

function removeItself({ group, log }: ReturnType<typeof world>): void {
  const change = { kind: 'remove', node: idOf('a') } as const;
  group.changeMembers(change, { leaderMayLeave: true }, () => undefined);
  while (log.pending > 0) log.sync();
  deepEqual(group.raft.configuration.voters, [idOf('b'), idOf('c')]);
}

/** Whether a reply of a lane leaves without a round that began after its command. */
function readsByLease({ group }: ReturnType<typeof world>): boolean {
  let isReleased = false;
  const session = {
    release: () => {
      isReleased = true;
    },
  };
  const replies = [{ session, bytes: Buffer.from('v') }];
  group.strong.hold?.addLane(replies, group.nextRound + 1, replOffset(0));
  return isReleased;
}

/** Planned: its server has executed nothing that is not committed. */
function handOver({ group }: ReturnType<typeof world>, to: string | null = null): void {
  group.handOver(to === null ? null : idOf(to), () => undefined);
  for (let step = 0; step < 2; step++)
    group.strong.roleSeen(1, { kind: 'primary', offset: replOffset(0), replicas: 1 });
}

/** A tick, and a round that began after it and is confirmed. */
function confirmRound({ group, hear }: ReturnType<typeof world>, upTo: number): void {
  group.tick();
  group.wantRound(group.nextRound);
  hear(ack(1, upTo, group.nextRound));
}

test('leases: an open leader reads by lease', () => {
  const it = announcing();
  it.hear(ack(1, 2, 1));
  equal(it.group.strong.isOpen, true);
  equal(readsByLease(it), false);
  confirmRound(it, 2);
  equal(readsByLease(it), true);
  equal(it.sent.includes('leased'), true);
});

test('leases: own removal takes the lease back before a message of it leaves', () => {
  const it = announcing();
  it.hear(ack(1, 2, 1));
  confirmRound(it, 2);
  it.sent.length = 0;
  removeItself(it);
  equal(it.sent[0], 'no lease');
  equal(readsByLease(it), false);
});

test('leases: own removal while announcing leaves none, opened or not', () => {
  const it = announcing();
  removeItself(it);
  equal(it.group.strong.stage.kind, 'announcing');
  it.hear(ack(1, 2, 1));
  equal(it.group.strong.isOpen, true, 'the removal after it is not committed yet');
  confirmRound(it, 2);
  equal(readsByLease(it), false);
  equal(it.sent.includes('leased'), false);
});

test('leases: a transfer takes the lease back before anybody is told to campaign', () => {
  for (const ask of ['handOver', 'resign'] as const) {
    const it = announcing();
    it.hear(ack(1, 2, 1));
    confirmRound(it, 2);
    equal(readsByLease(it), true);
    it.sent.length = 0;
    if (ask === 'resign') it.group.resign('for a test');
    else handOver(it);
    const told = it.sent.findIndex((what) => what.startsWith('timeoutNow'));
    equal(it.sent.slice(0, told).includes('no lease'), true, ask);
    equal(readsByLease(it), false, ask);
  }
});

test('leases: a hand-over that nobody can take leaves the lease', () => {
  const it = announcing();
  it.hear(ack(1, 2, 1));
  confirmRound(it, 2);
  handOver(it, 'd');
  equal(it.group.raft.role, 'leader');
  equal(readsByLease(it), true);
});

test('leases: a resignation while announcing leaves none, opened or not', () => {
  const it = announcing();
  it.group.resign('for a test');
  equal(it.group.strong.stage.kind, 'announcing');
  it.hear(ack(1, 2, 1));
  equal(it.group.strong.isOpen, true, 'its entry came before the transfer');
  equal(it.sent.includes('timeoutNow to b'), true);
  confirmRound(it, 2);
  equal(readsByLease(it), false);
  equal(it.sent.includes('leased'), false);
});

test('what WAIT counts is held by the members before as well, until their change is committed', () => {
  const { group, log, hear, sent } = announcing();
  hear(ack(1, 2, 1));
  const change = (kind: 'addLearner' | 'promote') => {
    group.changeMembers({ kind, node: idOf('d') }, {}, () => undefined);
    while (log.pending > 0) log.sync();
  };
  change('addLearner');
  hear(ack(1, 3, 1), 'bcd');
  equal(group.replicasHolding, 1, 'a learner is in no majority');
  change('promote');
  equal(group.raft.configuration.voters.length, 4);
  equal(group.replicasHolding, 1, 'what was answered before is held by two of three');
  hear(ack(1, 4, 1), 'bcd');
  equal(group.replicasHolding, 2);
  const told = sent.filter((what) => what.startsWith('holding'));
  deepEqual([told[0], told.at(-1)], ['holding 1', 'holding 2'], 'threads are told');
});

test('a snapshot offered with other members than the log’s is not fetched', () => {
  for (const voters of ['ab', 'abc']) {
    const it = announcing();
    it.hear(ack(1, 2, 1));
    it.group.strong.captured(1, Buffer.from(SET.repeat(30)));
    it.hear({
      kind: 'appendReply',
      ok: true,
      term: term(1),
      index: it.group.raft.last.index,
      hint: it.group.raft.last,
      round: 2,
    });
    const configuration = founded([...voters].map(idOf));
    it.group.snapshotOffered(idOf('b'), { id: 's', last: id(2, 1), configuration, bytes: 9 });
    it.sent.length = 0;
    it.group.tick();
    equal(it.sent.includes('chunkWanted'), voters === 'abc', voters);
  }
});
