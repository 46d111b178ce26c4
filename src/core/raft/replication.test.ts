import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, term } from '../scalars.ts';
import type { AppendHeader, Effect, Message } from './protocol.ts';
import type { Raft } from './raft.ts';
import {
  ack,
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

function proposed(...sizes: number[]) {
  return { kind: 'proposed', payloads: sizes.map((size) => Buffer.alloc(size)) } as const;
}

function headersTo(effects: readonly Effect[], to: string): AppendHeader[] {
  return effects.flatMap((e) => (e.kind === 'sendEntries' && e.to === idOf(to) ? [e.header] : []));
}

function ranges(effects: readonly Effect[], to: string): string[] {
  return headersTo(effects, to).map((h) => `${h.after.index + 1}-${h.last.index}`);
}

function rejected(inTerm: number, index: number, hint: [number, number]): Message {
  const base = { kind: 'appendReply', term: term(inTerm), ok: false, round: 1 } as const;
  return { ...base, index: logIndex(index), hint: id(...hint) };
}

function stateOf(raft: Raft, peer: string): string | undefined {
  return raft.view().peers.find((each) => each.peer === idOf(peer))?.state;
}

test('a leader probes with one append at a time, then streams', () => {
  const raft = bareRaft();
  lead(raft);
  equal(stateOf(raft, 'b'), 'probing');
  deepEqual(ranges(stepSynced(raft, proposed(1)), 'b'), [], 'the probe is under way');
  deepEqual(ranges(stepSynced(raft, received('b', ack(1, 1))), 'b'), ['2-2']);
  equal(stateOf(raft, 'b'), 'streaming');
  deepEqual(ranges(stepSynced(raft, proposed(1)), 'b'), ['3-3']);
  deepEqual(ranges(stepSynced(raft, proposed(1, 1)), 'b'), ['4-5']);
});

test('a stream stops at its byte window and goes on with the acknowledgement', () => {
  const limits = { appendBytesMax: 10, windowBytesMax: 25 };
  const raft = bareRaft({ limits });
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  const effects = stepSynced(raft, proposed(8, 8, 8, 8, 8, 8));
  deepEqual(ranges(effects, 'b'), ['2-2', '3-3', '4-4', '5-5']);
  deepEqual(ranges(stepSynced(raft, received('b', ack(1, 2))), 'b'), ['6-6']);
  deepEqual(ranges(stepSynced(raft, received('b', ack(1, 5))), 'b'), ['7-7']);
});

test('an entry larger than an append and the window travels alone', () => {
  const raft = bareRaft({ limits: { appendBytesMax: 10, windowBytesMax: 25 } });
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  deepEqual(ranges(stepSynced(raft, proposed(4, 500, 4)), 'b'), ['2-2', '3-3']);
});

test('the commit that a peer is told is capped at what the message brings it to', () => {
  const raft = bareRaft();
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  stepSynced(raft, proposed(1));
  stepSynced(raft, received('b', ack(1, 2)));
  equal(raft.committed, 2);
  let heartbeats: Message[] = [];
  while (heartbeats.length === 0) heartbeats = sentTo(stepSynced(raft, { kind: 'tick' }), 'c');
  const [message] = heartbeats;
  ok(message?.kind === 'append');
  equal(message.commit, 0);
});

test('§5.3: back-off skips a whole term of conflicts in each round trip', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  // b alone has 300 entries of a term that never commits.
  world.elect('a');
  world.isolate('a');
  for (let i = 0; i < 300; i++) world.propose(world.member('a'), `lost ${i}`);
  world.member('a').log.sync();
  world.wire.length = 0;
  world.until(() => world.raft('b').role === 'leader' || world.raft('c').role === 'leader');
  const leader = world.raft('b').role === 'leader' ? 'b' : 'c';
  for (let i = 0; i < 50; i++) world.propose(world.member(leader), `kept ${i}`);
  world.settle();
  world.cuts.clear();
  let rejections = 0;
  world.onSend = ({ message }) => {
    if (message.kind === 'appendReply' && !message.ok) rejections++;
  };
  world.until(() => world.member('a').applied === world.raft(leader).last.index);
  ok(rejections <= 3, `${rejections} rejections`);
});

test('a stale rejection changes nothing', () => {
  const raft = bareRaft();
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  stepSynced(raft, proposed(1, 1));
  stepSynced(raft, received('b', ack(1, 3)));
  deepEqual(stepSynced(raft, received('b', rejected(1, 2, [0, 0]))), []);
  equal(stateOf(raft, 'b'), 'streaming');
  deepEqual(stepSynced(raft, received('b', rejected(0, 9, [0, 0]))), [], 'of an earlier term');
});

test('a lost append in a stream is found by heartbeats and sent again', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.propose(world.member('a'), 'x');
  world.wire = world.wire.filter((envelope) => envelope.to !== idOf('b'));
  const took = world.until(() => world.member('b').applied === world.raft('a').last.index);
  ok(took <= 24, `took ${took} ticks`);
});

test('a slow disk of a follower is not mistaken for a loss', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  const appends: number[] = [];
  world.onSend = ({ to, message }) => {
    if (to === idOf('b') && message.kind === 'append') appends.push(message.entries.length);
  };
  world.propose(world.member('a'), 'x');
  for (let i = 0; i < 60; i++) {
    world.tick();
    for (let left = world.wire.length; left > 0; left--) world.deliver(0);
    for (const name of ['a', 'c']) world.member(name).log.sync();
  }
  equal(stateOf(world.raft('a'), 'b'), 'streaming');
  equal(appends.filter((count) => count > 0).length, 1, 'the entry was sent once');
  equal(world.raft('a').role, 'leader');
});

test('a broken connection takes what was in flight: the peer is probed', () => {
  const raft = bareRaft();
  lead(raft);
  stepSynced(raft, received('b', ack(1, 1)));
  stepSynced(raft, proposed(1));
  stepSynced(raft, { kind: 'peerLost', peer: idOf('b') });
  equal(stateOf(raft, 'b'), 'probing');
  deepEqual(ranges(stepSynced(raft, { kind: 'peerFound', peer: idOf('b') }), 'b'), ['2-2']);
});

test('uncommitted bytes are capped, but a lone proposal is always taken', () => {
  const raft = bareRaft({ limits: { uncommittedBytesMax: 100 } });
  lead(raft);
  deepEqual(kinds(stepSynced(raft, proposed(500)))[0], 'accepted');
  deepEqual(stepSynced(raft, proposed(1)), [{ kind: 'refused', why: 'tooMuchUncommitted' }]);
  stepSynced(raft, received('b', ack(1, 2)));
  equal(raft.committed, 2);
  equal(kinds(stepSynced(raft, proposed(60)))[0], 'accepted');
  equal(kinds(stepSynced(raft, proposed(40)))[0], 'accepted');
  equal(kinds(stepSynced(raft, proposed(1)))[0], 'refused');
});

test('a follower refuses proposals', () => {
  deepEqual(bareRaft().step(proposed(1)), [{ kind: 'refused', why: 'notLeader' }]);
});

test('rounds: a majority of echoes confirms, and never a round later than its echo', () => {
  const raft = bareRaft();
  lead(raft);
  const wanted = raft.nextRound;
  equal(wanted, 2);
  const effects = stepSynced(raft, { kind: 'roundWanted', round: wanted });
  deepEqual(kinds(effects), ['append to b'], 'one of two others makes a majority');
  deepEqual(
    stepSynced(raft, received('b', ack(1, 1, 1))).filter((e) => e.kind === 'roundConfirmed'),
    [{ kind: 'roundConfirmed', term: term(1), round: 1 }],
  );
  equal(raft.confirmedRound, 1);
  deepEqual(stepSynced(raft, received('b', ack(1, 1, 2))), [
    { kind: 'roundConfirmed', term: term(1), round: 2 },
  ]);
});

test('rounds: they are confirmed while a follower’s disk is busy', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  const leader = world.member('a');
  world.propose(leader, 'x');
  const round = world.wantRound(leader);
  while (world.wire.length > 0) world.deliver(0);
  ok(leader.driver.raft.confirmedRound >= round);
  ok(leader.driver.raft.committed < leader.driver.raft.last.index);
});

test('rounds: wants during a burst share broadcasts', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.settle();
  let heartbeats = 0;
  world.onSend = ({ message }) => {
    if (message.kind === 'append' && message.entries.length === 0) heartbeats++;
  };
  for (let i = 0; i < 100; i++) world.wantRound(world.member('a'));
  world.settle();
  equal(heartbeats, 2, 'two questions to one peer');
});

test('rounds: who echoed last is asked, and all are where that is not answered in two ticks', () => {
  const raft = bareRaft();
  lead(raft);
  stepSynced(raft, received('c', ack(1, 1, 1)));
  const want = () => stepSynced(raft, { kind: 'roundWanted', round: raft.nextRound });
  deepEqual(kinds(want()), ['append to c']);
  deepEqual(kinds(stepSynced(raft, { kind: 'tick' })), []);
  deepEqual(kinds(stepSynced(raft, { kind: 'tick' })), ['append to b', 'append to c']);
  stepSynced(raft, received('b', ack(1, 1, 3)));
  equal(raft.confirmedRound, 3);
  deepEqual(kinds(want()), ['append to b']);
});
