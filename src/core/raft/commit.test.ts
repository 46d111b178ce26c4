import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import {
  ack,
  append,
  bareRaft,
  id,
  kinds,
  lead,
  received,
  stepSynced,
} from './small-world.test.ts';

test('§5.4.2, figure 8: an earlier term’s entry on a majority is not committed by counting', () => {
  const raft = bareRaft({ inTerm: 2, terms: [1, 2] });
  lead(raft);
  equal(raft.last.index, 3);
  equal(kinds(stepSynced(raft, received('b', ack(3, 2)))).includes('commit'), false);
  equal(raft.committed, 0);
  // The no-op of its own term commits everything before it.
  const effects = stepSynced(raft, received('b', ack(3, 3)));
  deepEqual(
    effects.filter((effect) => effect.kind === 'commit'),
    [{ kind: 'commit', upTo: id(3, 3) }],
  );
});

test('a leader counts itself only up to what is on its own disk', () => {
  const raft = bareRaft();
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  raft.step({ kind: 'proposed', payloads: [Buffer.from('x')] });
  equal(kinds(raft.step(received('b', ack(1, 2)))).includes('commit'), false);
  deepEqual(raft.step({ kind: 'entriesPersisted', upTo: id(2, 1) }), [
    { kind: 'commit', upTo: id(2, 1) },
  ]);
});

test('a leader whose disk is slow commits what the others have on theirs', () => {
  const raft = bareRaft();
  lead(raft);
  raft.step({ kind: 'proposed', payloads: [Buffer.from('x')] });
  raft.step(received('b', ack(1, 2)));
  equal(kinds(raft.step(received('c', ack(1, 2)))).includes('commit'), true);
});

test('copies count for nothing', () => {
  const raft = bareRaft({ voters: 'abc' });
  lead(raft);
  stepSynced(raft, { kind: 'copiesKnown', copies: ['x@00000000', 'y@00000000'] as never });
  for (const copy of ['x', 'y']) stepSynced(raft, received(copy, ack(1, 1, 1)));
  equal(raft.committed, 0);
  equal(raft.confirmedRound, 0);
  equal(raft.view().peers.length, 4);
});

test('a follower commits no further than the message brought it', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1, 1, 1] });
  stepSynced(raft, received('b', append(1, id(1, 1), [1], { commit: 3 })));
  equal(raft.committed, 2);
});

test('a sole voter elects itself at once and commits what its disk has', () => {
  const raft = bareRaft({ voters: 'a' });
  stepSynced(raft, { kind: 'tick' });
  equal(raft.role, 'leader');
  equal(raft.committed, 1);
  const effects = raft.step({ kind: 'proposed', payloads: [Buffer.from('x')] });
  deepEqual(kinds(effects), ['accepted', 'persistEntries', 'roundConfirmed']);
  deepEqual(kinds(raft.step({ kind: 'entriesPersisted', upTo: id(2, 1) })), ['commit']);
});
