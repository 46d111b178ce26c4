import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { term } from '../scalars.ts';
import { founded } from './configuration.ts';
import type { EntryId, Message, SnapshotMeta } from './protocol.ts';
import {
  append,
  bareRaft,
  id,
  idOf,
  kinds,
  received,
  SmallWorld,
  sentTo,
  stepSynced,
} from './small-world.test.ts';

function snapshotAt(last: EntryId, name = 's'): SnapshotMeta {
  const voters = ['a', 'b', 'c'].map(idOf);
  return { id: name, last, configuration: founded(voters), bytes: 9 };
}

function offer(inTerm: number, last: EntryId, round = 1): Message {
  return { kind: 'offerSnapshot', term: term(inTerm), snapshot: snapshotAt(last), round };
}

test('a node that is far behind gets the snapshot and then the log', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.crash('c');
  for (let i = 0; i < 20; i++) world.propose(world.member('a'), `${i}`);
  world.settle();
  world.compact(world.member('a'), world.raft('a').committed);
  world.settle();
  world.propose(world.member('a'), 'after');
  world.settle();
  world.restart('c');
  world.until(() => world.member('c').applied === world.raft('a').last.index);
  ok(world.notices.includes('c installed'));
});

test('every offer ahead of the commit asks the fetcher, and is answered for the round', () => {
  const raft = bareRaft({ inTerm: 2 });
  for (const round of [1, 2]) {
    const effects = stepSynced(raft, received('b', offer(2, id(50, 2), round)));
    equal(effects.filter((effect) => effect.kind === 'fetchSnapshot').length, 1);
    const [reply] = sentTo(effects, 'b');
    deepEqual(reply?.kind === 'appendReply' && [reply.ok, reply.index, reply.round], [
      true,
      0,
      round,
    ]);
  }
});

test('an offer of what the log holds already commits it, and fetches nothing', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1, 1, 1] });
  const effects = stepSynced(raft, received('b', offer(1, id(2, 1))));
  deepEqual(kinds(effects), ['leaderChanged', 'commit', 'appendReply to b']);
  equal(raft.committed, 2);
  deepEqual(kinds(stepSynced(raft, received('b', offer(1, id(2, 1))))), ['appendReply to b']);
});

test('a fetched snapshot keeps the suffix only when the log holds its last entry', () => {
  for (const [lastTerm, keepSuffix] of [
    [1, true],
    [2, false],
  ] as const) {
    const raft = bareRaft({ inTerm: 2, terms: [1, 1, 1] });
    stepSynced(raft, received('b', append(2, id(0, 0))));
    const snapshot = snapshotAt(id(2, lastTerm));
    deepEqual(raft.step({ kind: 'snapshotFetched', snapshot }), [
      { kind: 'installSnapshot', snapshot, keepSuffix },
    ]);
    const effects = raft.step({ kind: 'snapshotInstalled', snapshot });
    deepEqual(kinds(effects), ['appendReply to b']);
    equal(raft.last.index, keepSuffix ? 3 : 2);
    equal(raft.committed, 2);
    deepEqual(raft.base, id(2, lastTerm));
  }
});

test('while a snapshot is installed nothing is taken, and nobody campaigns', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1] });
  stepSynced(raft, received('b', append(1, id(1, 1))));
  const snapshot = snapshotAt(id(9, 1));
  raft.step({ kind: 'snapshotFetched', snapshot });
  deepEqual(raft.step({ kind: 'snapshotFetched', snapshot }), []);
  const effects = raft.step(received('b', append(1, id(1, 1), [1, 1], { commit: 3, round: 5 })));
  deepEqual(kinds(effects), ['appendReply to b']);
  const [reply] = sentTo(effects, 'b');
  deepEqual(reply?.kind === 'appendReply' && [reply.index, reply.round], [1, 5]);
  equal(raft.last.index, 1);
  for (let i = 0; i < 300; i++) raft.step({ kind: 'tick' });
  equal(raft.role, 'follower');
  raft.step({ kind: 'snapshotInstalled', snapshot });
  equal(raft.last.index, 9);
});

test('a snapshot that is not ahead of the commit is not installed', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1, 1] });
  stepSynced(raft, received('b', append(1, id(2, 1), [], { commit: 2 })));
  const effects = raft.step({ kind: 'snapshotFetched', snapshot: snapshotAt(id(2, 1)) });
  deepEqual(kinds(effects), ['appendReply to b']);
});

test('compaction may keep a tail for slow peers, who then need no snapshot', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.crash('c');
  for (let i = 0; i < 20; i++) world.propose(world.member('a'), `${i}`);
  world.settle();
  const { raft } = world.member('a').driver;
  world.compact(world.member('a'), 1);
  world.settle();
  equal(raft.base.index, 1);
  world.restart('c');
  world.until(() => world.member('c').applied === raft.last.index);
  equal(world.notices.includes('c installed'), false);
});

test('redisraft 48: a copy that is restored from a snapshot stays a copy: it has no vote', () => {
  const world = new SmallWorld('abc', 48, {}, 'd');
  world.elect('a');
  world.handle('a', { kind: 'copiesKnown', copies: [idOf('d')] });
  world.crash('d');
  for (let i = 0; i < 20; i++) world.propose(world.member('a'), `${i}`);
  world.settle();
  world.compact(world.member('a'), world.raft('a').committed);
  world.settle();
  world.restart('d');
  world.until(() => world.notices.includes('d installed'));
  world.crash('d');
  world.restart('d');
  for (const name of ['b', 'c']) world.crash(name);
  world.until(() => world.raft('a').role !== 'leader');
  for (let ticks = 0; ticks < 300; ticks++) {
    world.tick();
    world.settle();
    equal(world.leader(), undefined, 'one voter and a copy are no majority of three');
    equal(world.raft('d').role, 'follower');
  }
});
