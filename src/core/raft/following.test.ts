import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { term } from '../scalars.ts';
import type { Message } from './protocol.ts';
import {
  append,
  bareRaft,
  entries,
  id,
  kinds,
  received,
  sentTo,
  stepSynced,
} from './small-world.test.ts';

function replies(messages: readonly Message[]): string[] {
  return messages.map((m) =>
    m.kind === 'appendReply' ? `${m.ok ? 'ok' : 'no'} ${m.index} round ${m.round}` : m.kind,
  );
}

test('disk before word: entries are acknowledged when they are on disk, not before', () => {
  const raft = bareRaft({ inTerm: 1 });
  const effects = raft.step(received('b', append(1, id(0, 0), [1, 1])));
  deepEqual(kinds(effects), ['leaderChanged', 'persistEntries']);
  const persisted = raft.step({ kind: 'entriesPersisted', upTo: id(2, 1) });
  deepEqual(replies(sentTo(persisted, 'b')), ['ok 2 round 1']);
});

test('disk before word: nothing is acknowledged before the term is on disk', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1] });
  const hardState = { term: term(2), votedFor: null };
  deepEqual(kinds(raft.step(received('b', append(2, id(1, 1))))), [
    'leaderChanged',
    'saveHardState',
  ]);
  deepEqual(replies(sentTo(raft.step({ kind: 'hardStateSaved', hardState }), 'b')), [
    'ok 1 round 1',
  ]);
});

test('disk before word: a rejection waits for the term too', () => {
  const raft = bareRaft({ inTerm: 1 });
  const hardState = { term: term(2), votedFor: null };
  deepEqual(sentTo(raft.step(received('b', append(2, id(5, 2)))), 'b'), []);
  deepEqual(replies(sentTo(raft.step({ kind: 'hardStateSaved', hardState }), 'b')), [
    'no 5 round 1',
  ]);
});

test('the term goes to disk before the first entry of it', () => {
  const raft = bareRaft();
  deepEqual(kinds(raft.step(received('b', append(1, id(0, 0), [1])))), [
    'leaderChanged',
    'saveHardState',
    'persistEntries',
  ]);
});

test('heartbeats are answered at once with what is on disk, however busy it is', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1] });
  raft.step(received('b', append(1, id(1, 1), [1, 1])));
  const effects = raft.step(received('b', append(1, id(3, 1), [], { round: 4 })));
  deepEqual(replies(sentTo(effects, 'b')), ['ok 1 round 4']);
  const persisted = raft.step({ kind: 'entriesPersisted', upTo: id(3, 1) });
  deepEqual(replies(sentTo(persisted, 'b')), ['ok 3 round 4']);
});

test('what is on disk and not known to be the leader’s is not acknowledged', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1, 1, 1] });
  const effects = stepSynced(raft, received('b', append(2, id(1, 1))));
  deepEqual(replies(sentTo(effects, 'b')), ['ok 1 round 1']);
});

test('an append that came before is acknowledged again and written once', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', append(1, id(0, 0), [1, 1])));
  const again = stepSynced(raft, received('b', append(1, id(0, 0), [1])));
  deepEqual(kinds(again), ['appendReply to b']);
  equal(raft.last.index, 2, 'an old message cuts nothing off');
});

test('a conflict truncates, and what was on its way to disk no longer counts', () => {
  const raft = bareRaft({ inTerm: 1 });
  raft.step(received('b', append(1, id(0, 0), [1, 1])));
  const effects = raft.step(received('c', append(2, id(1, 1), [2])));
  deepEqual(
    effects.filter((effect) => effect.kind === 'persistEntries'),
    [{ kind: 'persistEntries', after: id(1, 1), entries: entries(id(1, 1), [2]) }],
  );
  raft.step({ kind: 'entriesPersisted', upTo: id(2, 1) });
  equal(raft.persisted, 1);
  raft.step({ kind: 'hardStateSaved', hardState: { term: term(2), votedFor: null } });
  const persisted = raft.step({ kind: 'entriesPersisted', upTo: id(2, 2) });
  deepEqual(replies(sentTo(persisted, 'c')), ['ok 2 round 1']);
});

test('what is committed is never truncated: the node halts', () => {
  const raft = bareRaft();
  stepSynced(raft, received('b', append(1, id(0, 0), [1, 1], { commit: 2 })));
  throws(() => raft.step(received('c', append(2, id(1, 1), [2]))), /never truncated/);
});

test('a rejection names the last entry that the leader may share', () => {
  const raft = bareRaft({ inTerm: 4, terms: [1, 1, 3, 3, 3] });
  const [beyond] = sentTo(stepSynced(raft, received('b', append(4, id(9, 4)))), 'b');
  deepEqual(beyond?.kind === 'appendReply' && beyond.hint, id(5, 3));
  const [conflict] = sentTo(stepSynced(raft, received('b', append(4, id(5, 2)))), 'b');
  deepEqual(conflict?.kind === 'appendReply' && conflict.hint, id(2, 1));
});

test('a deposed leader is told the term', () => {
  const raft = bareRaft({ inTerm: 3 });
  const [reply] = sentTo(raft.step(received('b', append(2, id(0, 0)))), 'b');
  deepEqual(reply?.kind === 'appendReply' && [reply.ok, reply.term], [false, 3]);
  equal(raft.leader, null);
});

test('a malformed append costs only itself', () => {
  const raft = bareRaft();
  const bad: Message[] = [
    append(1, id(0, 0), [2]),
    append(2, id(0, 0), [2, 1]),
    { ...append(2, id(0, 0)), entries: entries(id(4, 1), [1]) } as Message,
  ];
  for (const message of bad) stepSynced(raft, received('b', message));
  equal(raft.last.index, 0);
});

test('a completion that nobody asked for halts the node', () => {
  throws(() => bareRaft().step({ kind: 'entriesPersisted', upTo: id(1, 1) }), /asked for/);
});
