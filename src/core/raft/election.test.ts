import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { term } from '../scalars.ts';
import type { EntryId, Message } from './protocol.ts';
import type { Raft } from './raft.ts';
import {
  append,
  bareRaft,
  id,
  idOf,
  kinds,
  lead,
  received,
  SmallWorld,
  sentTo,
  stepSynced,
} from './small-world.test.ts';

function ask(inTerm: number, last: EntryId, { pre = false, transfer = false } = {}): Message {
  return { kind: 'requestVote', term: term(inTerm), pre, transfer, last };
}

function vote(inTerm: number, granted: boolean, pre = false): Message {
  return { kind: 'voteReply', term: term(inTerm), pre, granted };
}

function ticks(raft: Raft, count: number): void {
  for (let i = 0; i < count; i++) stepSynced(raft, { kind: 'tick' });
}

test('disk before word: a vote leaves when it is on disk, not before', () => {
  const raft = bareRaft();
  const effects = raft.step(received('b', ask(1, id(0, 0))));
  const hardState = { term: term(1), votedFor: idOf('b') };
  deepEqual(effects, [{ kind: 'saveHardState', hardState }]);
  deepEqual(sentTo(raft.step({ kind: 'hardStateSaved', hardState }), 'b'), [vote(1, true)]);
  // The same question again: the answer is on disk already.
  deepEqual(sentTo(raft.step(received('b', ask(1, id(0, 0)))), 'b'), [vote(1, true)]);
});

test('disk before word: a vote that a later term overtook is never said', () => {
  const raft = bareRaft();
  raft.step(received('b', ask(1, id(0, 0))));
  raft.step(received('c', append(2, id(0, 0))));
  const first = { term: term(1), votedFor: idOf('b') };
  deepEqual(raft.step({ kind: 'hardStateSaved', hardState: first }), []);
});

test('disk before word: a candidate asks when its own vote is on disk, not before', () => {
  const raft = bareRaft();
  while (raft.role === 'follower') raft.step({ kind: 'tick' });
  const effects = raft.step(received('b', vote(1, true, true)));
  equal(raft.role, 'candidate');
  const hardState = { term: term(1), votedFor: idOf('a') };
  deepEqual(effects, [{ kind: 'saveHardState', hardState }]);
  raft.step(received('b', vote(1, true)));
  equal(raft.role, 'candidate', 'nobody was asked yet');
  deepEqual(kinds(raft.step({ kind: 'hardStateSaved', hardState })), [
    'requestVote to b',
    'requestVote to c',
  ]);
});

test('§5.2: a node votes once in a term', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', ask(1, id(0, 0))));
  deepEqual(sentTo(stepSynced(raft, received('c', ask(1, id(0, 0)))), 'c'), [vote(1, false)]);
});

test('§5.4.1: a vote goes only to a log at least as long, by last term, then length', () => {
  const cases: [last: EntryId, granted: boolean][] = [
    [id(2, 2), true],
    [id(3, 2), true],
    [id(1, 3), true],
    [id(1, 2), false],
    [id(9, 1), false],
  ];
  for (const [last, granted] of cases) {
    for (const pre of [false, true]) {
      const raft = bareRaft({ inTerm: 3, terms: [1, 2] });
      const replies = sentTo(stepSynced(raft, received('b', ask(4, last, { pre }))), 'b');
      const inTerm = granted || !pre ? 4 : 3;
      deepEqual(replies, [vote(inTerm, granted, pre)], `${last.index}/${last.term}`);
    }
  }
});

test('a vote of somebody who is no voter does not count', () => {
  const raft = bareRaft();
  while (raft.role === 'follower') raft.step({ kind: 'tick' });
  stepSynced(raft, received('x', vote(1, true, true)));
  equal(raft.role, 'preCandidate');
  deepEqual(stepSynced(raft, received('x', vote(7, false))), []);
  equal(raft.term, 0);
});

test('thesis §4.1: a vote goes by log and term alone, whoever asks and whoever is asked', () => {
  for (const raft of [bareRaft({ voters: 'abc' }), bareRaft({ voters: 'bcd' })]) {
    deepEqual(sentTo(stepSynced(raft, received('x', ask(7, id(9, 6)))), 'x'), [vote(7, true)]);
    deepEqual(sentTo(stepSynced(raft, received('y', ask(7, id(9, 6)))), 'y'), [vote(7, false)]);
  }
});

test('thesis §9.6: a pre-vote raises nobody’s term, and a lonely node raises not its own', () => {
  const raft = bareRaft({ inTerm: 5 });
  deepEqual(stepSynced(raft, received('b', ask(6, id(0, 0), { pre: true }))), [
    { kind: 'send', to: idOf('b'), message: vote(6, true, true) },
  ]);
  equal(raft.term, 5);
  ticks(raft, 500);
  equal(raft.term, 5);
  equal(raft.role, 'preCandidate');
});

test('a pre-candidate that is behind in terms learns the term and tries again', () => {
  const raft = bareRaft({ inTerm: 1 });
  while (raft.role === 'follower') raft.step({ kind: 'tick' });
  stepSynced(raft, received('b', vote(4, false, true)));
  equal(raft.role, 'follower');
  equal(raft.term, 4);
});

test('thesis §4.2.3: who hears its leader ignores candidates, unless the leader wanted them', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', append(1, id(0, 0))));
  deepEqual(stepSynced(raft, received('c', ask(2, id(0, 0), { pre: true }))), []);
  deepEqual(stepSynced(raft, received('c', ask(2, id(0, 0)))), []);
  equal(raft.term, 1);
  const effects = stepSynced(raft, received('c', ask(2, id(0, 0), { transfer: true })));
  deepEqual(sentTo(effects, 'c'), [vote(2, true)]);
});

test('a leader ignores candidates too, unless it is handing over', () => {
  const raft = bareRaft();
  lead(raft);
  deepEqual(stepSynced(raft, received('c', ask(9, id(9, 8)))), []);
  equal(raft.role, 'leader');
  const effects = stepSynced(raft, received('c', ask(9, id(9, 8), { transfer: true })));
  equal(effects[0]?.kind, 'steppedDown');
  deepEqual(sentTo(effects, 'c'), [vote(9, true)]);
});

test('stickiness ends with the minimal election timeout', () => {
  const raft = bareRaft();
  stepSynced(raft, { kind: 'readinessChanged', readiness: 'barred' });
  stepSynced(raft, received('b', append(1, id(0, 0))));
  ticks(raft, 29);
  deepEqual(stepSynced(raft, received('c', ask(2, id(0, 0)))), []);
  ticks(raft, 1);
  deepEqual(sentTo(stepSynced(raft, received('c', ask(2, id(0, 0)))), 'c'), [vote(2, true)]);
});

test('check-quorum: a leader that hears no majority steps down, before anything else', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.isolate('a');
  world.notices.length = 0;
  for (let i = 0; i < 30; i++) world.tick('a');
  equal(world.raft('a').role, 'follower');
  deepEqual(world.notices, ['a steppedDown', 'a leaderChanged']);
});

test('check-quorum: one of two others is a majority with the leader, and keeps it', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.isolate('c');
  for (let i = 0; i < 200; i++) {
    world.tick();
    world.settle();
  }
  equal(world.raft('a').role, 'leader');
  equal(world.raft('c').role, 'preCandidate');
  const before = world.raft('a').term;
  world.cuts.clear();
  world.until(() => world.raft('c').leader === world.raft('a').id);
  equal(world.raft('a').term, before, 'the one that comes back disturbs nobody');
});

test('a leader that hears nobody but is heard by all does not block an election for long', () => {
  const world = new SmallWorld('abc', 3);
  world.elect('a');
  for (const other of ['b', 'c']) world.cuts.add(`${idOf(other)}>${idOf('a')}`);
  const took = world.until(() =>
    [...world.leaders.values()].some((leader) => leader !== idOf('a')),
  );
  ok(took <= 30 + 2 * 60 + 8, `took ${took} ticks`);
  notEqual(world.raft('a').role, 'leader');
});

test('a broken connection to the leader counts as silence: an election within a few ticks', () => {
  const world = new SmallWorld('abc', 4);
  world.elect('a');
  world.crash('a');
  for (const each of ['b', 'c']) world.handle(each, { kind: 'peerLost', peer: idOf('a') });
  const took = world.until(() => world.leader() !== undefined);
  ok(took <= 24, `took ${took} ticks`);
});

test('a broken connection to somebody else is nothing', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', append(1, id(0, 0))));
  stepSynced(raft, { kind: 'peerLost', peer: idOf('c') });
  ticks(raft, 20);
  equal(raft.role, 'follower');
});

test('readiness: a barred node never campaigns, a reluctant one waits two more timeouts', () => {
  const barred = bareRaft();
  stepSynced(barred, { kind: 'readinessChanged', readiness: 'barred' });
  ticks(barred, 1000);
  equal(barred.role, 'follower');
  const reluctant = bareRaft();
  stepSynced(reluctant, { kind: 'readinessChanged', readiness: 'reluctant' });
  ticks(reluctant, 30 + 120 - 1);
  equal(reluctant.role, 'follower');
  ticks(reluctant, 1);
  equal(reluctant.role, 'preCandidate');
  stepSynced(reluctant, { kind: 'readinessChanged', readiness: 'barred' });
  equal(reluctant.role, 'follower');
});

test('H5: whoever holds what was committed leads, however reluctantly, once it is asked in vain', () => {
  const world = new SmallWorld('abw', 1);
  world.elect('a');
  world.settle();
  world.handle('w', { kind: 'readinessChanged', readiness: 'reluctant' });
  world.isolate('b');
  world.propose(world.member('a'), 'x');
  world.settle();
  const { committed } = world.raft('a');
  world.crash('a');
  world.cuts.clear();
  const took = world.until(() => world.raft('w').role === 'leader');
  ok(took < 100, `took ${took} ticks`);
  world.settle();
  ok(world.raft('b').last.index > committed, 'b has it now');
  world.handle('w', { kind: 'transferWanted', to: idOf('b') });
  world.settle();
  equal(world.raft('b').role, 'leader');
});

test('a node that is no voter never campaigns, and takes entries as a copy', () => {
  const raft = bareRaft({ voters: 'bcd' });
  ticks(raft, 1000);
  equal(raft.role, 'follower');
  const effects = stepSynced(raft, received('b', append(1, id(0, 0), [1], { commit: 1 })));
  equal(raft.leader, idOf('b'));
  equal(raft.committed, 1);
  equal(sentTo(effects, 'b')[0]?.kind, 'appendReply');
});

test('a split vote between the two that are left costs a few ticks, not a timeout', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.isolate('a');
  world.until(() => ['b', 'c'].every((name) => world.raft(name).role === 'candidate'));
  const took = world.until(() => ['b', 'c'].some((name) => world.raft(name).role === 'leader'));
  ok(took <= 16, `took ${took} ticks`);
});

test('a split vote is tried again after a few ticks', () => {
  const raft = bareRaft();
  while (raft.role === 'follower') raft.step({ kind: 'tick' });
  stepSynced(raft, received('b', vote(1, true, true)));
  equal(raft.role, 'candidate');
  for (const from of ['b', 'c']) stepSynced(raft, received(from, vote(1, false)));
  ticks(raft, 2);
  equal(raft.role, 'preCandidate');
});

test('winning is told before the no-op is written', () => {
  const raft = bareRaft();
  deepEqual(kinds(lead(raft)), [
    'becameLeader',
    'leaderChanged',
    'persistEntries',
    'sendEntries',
    'sendEntries',
  ]);
});

test('a second leader in one term is our bug, and halts the node', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', append(1, id(0, 0))));
  let message = '';
  try {
    raft.step(received('c', append(1, id(0, 0))));
  } catch (error) {
    message = String(error);
  }
  ok(message.includes('at most one leader'), message);
});

test('a vote that was found on disk is kept: nobody else gets one in that term', () => {
  const raft = bareRaft({ inTerm: 4, votedFor: 'b' });
  deepEqual(sentTo(stepSynced(raft, received('c', ask(4, id(0, 0)))), 'c'), [vote(4, false)]);
  deepEqual(sentTo(stepSynced(raft, received('b', ask(4, id(0, 0)))), 'b'), [vote(4, true)]);
});
