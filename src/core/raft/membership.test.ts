import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, term } from '../scalars.ts';
import { decodeConfiguration, encodeConfiguration, founded } from './configuration.ts';
import type { Effect, Entry, MemberChange, Message } from './protocol.ts';
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

interface Want {
  readonly decision?: number;
  readonly leaderMayLeave?: boolean;
}

function want(raft: Raft, kind: MemberChange['kind'], node: string, how: Want = {}): Effect[] {
  const { decision = 0, leaderMayLeave = false } = how;
  const change = { kind, node: idOf(node) };
  return stepSynced(raft, { kind: 'changeWanted', change, decision, leaderMayLeave });
}

/** Why it was refused; null when it was not. */
function refusal(effects: readonly Effect[]): string | null {
  const refused = effects.find((effect) => effect.kind === 'changeRefused');
  return refused?.kind === 'changeRefused' ? refused.why : null;
}

function members(raft: Raft): string {
  const { voters, learners } = raft.configuration;
  const names = (ids: readonly string[]) => ids.map((each) => each[0]).join('');
  return learners.length === 0 ? names(voters) : `${names(voters)}+${names(learners)}`;
}

/** Leads, and an entry of its term is committed. */
function settled(voters = 'abc', by: readonly string[] = ['b']): Raft {
  const raft = bareRaft({ voters });
  lead(raft, by);
  for (const each of by) stepSynced(raft, received(each, ack(1, 1)));
  equal(raft.committed, 1);
  return raft;
}

function changeEntry(at: number, inTerm: number, voters: string, learners = ''): Entry {
  const ids = (names: string) => [...names].map(idOf);
  const configuration = { voters: ids(voters), learners: ids(learners), decision: 0 };
  return { ...id(at, inTerm), payload: encodeConfiguration(configuration) };
}

function appendOf(inTerm: number, after: [number, number], held: readonly Entry[]): Message {
  const place = id(...after);
  const of = term(inTerm);
  return { kind: 'append', term: of, after: place, entries: held, commit: logIndex(0), round: 1 };
}

test('a configuration is read back as it was written, and garbage is none', () => {
  const whole = { voters: [idOf('a'), idOf('b')], learners: [idOf('x')], decision: 2 ** 40 + 7 };
  const bytes = encodeConfiguration(whole);
  deepEqual(decodeConfiguration(bytes), whole);
  for (let cut = 0; cut < bytes.length; cut++)
    equal(decodeConfiguration(bytes.subarray(0, cut)), null, `cut at ${cut}`);
  equal(decodeConfiguration(Buffer.concat([bytes, Buffer.of(0)])), null);
  const twice = Buffer.from(encodeConfiguration(founded([idOf('a'), idOf('b')])));
  twice.write('a', twice.indexOf('b@'));
  equal(decodeConfiguration(twice), null, 'nobody is in it twice');
  const newer = Uint8Array.from(bytes);
  newer[1] = 2;
  equal(decodeConfiguration(newer), null, 'of a newer version');
});

test('thesis §4.1: a change is in force as soon as it is appended, on both sides', () => {
  const raft = settled();
  want(raft, 'remove', 'c');
  equal(members(raft), 'ab');
  equal(raft.committed, 1);
  const follower = bareRaft({ inTerm: 1, terms: [1] });
  stepSynced(follower, received('b', appendOf(1, [1, 1], [changeEntry(2, 1, 'ab')])));
  equal(members(follower), 'ab');
  equal(follower.committed, 0);
});

test('Ongaro 2015: no change before an entry of the leader’s own term is committed', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1] });
  lead(raft);
  equal(refusal(want(raft, 'remove', 'c')), 'no entry of this term is committed yet');
  // An entry of an earlier term on a majority is no such entry.
  stepSynced(raft, received('b', ack(2, 1)));
  equal(refusal(want(raft, 'remove', 'c')), 'no entry of this term is committed yet');
  stepSynced(raft, received('b', ack(2, 2)));
  equal(refusal(want(raft, 'remove', 'c')), null);
});

test('thesis §4.1: one change at a time, until it is committed', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  equal(refusal(want(raft, 'addLearner', 'y')), 'the change before it is not committed yet');
  stepSynced(raft, received('b', ack(1, 2)));
  equal(refusal(want(raft, 'addLearner', 'y')), null);
  equal(members(raft), 'abc+xy');
});

test('a change that does not fit is refused with the reason', () => {
  const raft = settled();
  const why = (kind: MemberChange['kind'], node: string, how: Want = {}) =>
    refusal(want(raft, kind, node, how));
  equal(why('addLearner', 'b'), 'b@00000000 is a voter already');
  equal(why('promote', 'b'), 'b@00000000 is a voter already');
  equal(why('promote', 'x'), 'x@00000000 is no learner: add it as one first');
  equal(why('remove', 'x'), 'x@00000000 is no member');
  equal(why('remove', 'a'), 'it leads: hand over first');
  equal(refusal(want(bareRaft(), 'remove', 'b')), 'no leader is known');
  const alone = settled('a', []);
  const last = want(alone, 'remove', 'a', { leaderMayLeave: true });
  equal(refusal(last), 'a@00000000 is the last voter');
  equal(members(raft), 'abc');
});

test('a leader that may leave does not count itself for its own removal', () => {
  const raft = settled('abc', ['b', 'c']);
  equal(refusal(want(raft, 'remove', 'a', { leaderMayLeave: true })), null);
  stepSynced(raft, received('b', ack(1, 2)));
  equal(raft.committed, 1, 'of the two that stay only one has it');
  stepSynced(raft, received('c', ack(1, 2)));
  equal(raft.committed, 2);
});

test('holes H10: a change by an older decision than the one in force is refused', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x', { decision: 7 });
  stepSynced(raft, received('b', ack(1, 2)));
  const older = 'decision 6 is older than 7, which is in force';
  equal(refusal(want(raft, 'addLearner', 'y', { decision: 6 })), older);
  equal(refusal(want(raft, 'addLearner', 'y')), 'decision 0 is older than 7, which is in force');
  equal(refusal(want(raft, 'addLearner', 'y', { decision: 7 })), null);
  equal(raft.configuration.decision, 7);
});

test('no change is begun while leadership is handed over, and none of who waits', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2)));
  equal(refusal(want(raft, 'promote', 'x')), null);
  const effects = stepSynced(raft, { kind: 'transferWanted', to: idOf('b') });
  equal(refusal(effects), 'leadership is being handed over');
  equal(refusal(want(raft, 'remove', 'c')), 'leadership is being handed over');
});

test('a removal that would leave no majority that is heard is refused', () => {
  const raft = settled();
  for (let i = 0; i < 40; i++) {
    stepSynced(raft, { kind: 'tick' });
    stepSynced(raft, received('b', ack(1, 1, 100)));
  }
  equal(refusal(want(raft, 'remove', 'b')), 'of the 2 voters then only 1 are heard');
  equal(refusal(want(raft, 'remove', 'c')), null);
});

test('a new leader removes nobody by voters that it has not heard yet', () => {
  for (const node of ['a', 'b']) {
    const world = new SmallWorld('abc', 1);
    world.crash('c');
    world.elect('a');
    let why = '';
    world.onNotice = (_, notice) => {
      if (notice.kind === 'changeRefused') why = notice.why;
    };
    world.change('a', 'remove', node, { leaderMayLeave: true });
    equal(why, 'of the 2 voters then only 1 are heard');
    for (let i = 0; i < 300; i++) {
      world.tick();
      world.settle();
    }
    equal(world.leader()?.driver.raft.id, idOf('a'), 'the two that are there go on');
    equal(world.raft('a').committed, world.raft('a').last.index);
  }
});

test('a learner that was not heard yet may be asked to be made a voter', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2)));
  equal(refusal(want(raft, 'promote', 'x')), null);
  equal(members(raft), 'abc+x', 'it waits until it is level, and so heard');
  stepSynced(raft, received('x', ack(1, 2)));
  equal(members(raft), 'abcx');
});

test('a learner counts for nothing: not for commit, rounds or check-quorum', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2, 1)));
  equal(raft.committed, 2);
  stepSynced(raft, { kind: 'proposed', payloads: [Buffer.from('p')] });
  const round = raft.view().peers.length;
  equal(round, 3);
  const before = raft.confirmedRound;
  stepSynced(raft, received('x', ack(1, 3, 99)));
  equal(raft.committed, 2);
  equal(raft.confirmedRound, before);
  for (let i = 0; i < 30; i++) {
    stepSynced(raft, received('x', ack(1, 3, 99)));
    stepSynced(raft, { kind: 'tick' });
  }
  equal(raft.role, 'follower', 'hearing a learner is hearing nobody');
});

test('thesis §4.2.1: a learner that is level is made a voter at once', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2)));
  stepSynced(raft, received('x', ack(1, 2)));
  want(raft, 'promote', 'x');
  equal(members(raft), 'abcx');
  stepSynced(raft, received('b', ack(1, 3)));
  equal(raft.committed, 2, 'two of four are no majority');
  stepSynced(raft, received('x', ack(1, 3)));
  equal(raft.committed, 3);
});

test('thesis §4.2.1: it catches up in rounds, and the last of them must be short', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2)));
  want(raft, 'promote', 'x');
  equal(members(raft), 'abc+x', 'it waits');
  equal(refusal(want(raft, 'addLearner', 'y')), 'x@00000000 is being promoted');
  const tick = () => {
    stepSynced(raft, { kind: 'tick' });
    for (const each of 'bc') stepSynced(raft, received(each, ack(1, raft.last.index)));
  };
  for (let i = 0; i < 30; i++) tick();
  stepSynced(raft, { kind: 'proposed', payloads: [Buffer.from('p')] });
  stepSynced(raft, received('x', ack(1, 2)));
  equal(members(raft), 'abc+x', 'the first round took an election timeout');
  for (let i = 0; i < 29; i++) tick();
  stepSynced(raft, received('x', ack(1, 3)));
  equal(members(raft), 'abcx');
});

test('a learner that gets nowhere is refused, with what it lacks', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, { kind: 'proposed', payloads: [Buffer.from('12345')] });
  stepSynced(raft, received('b', ack(1, 3)));
  want(raft, 'promote', 'x');
  stepSynced(raft, received('x', ack(1, 2)));
  let why: string | null = null;
  for (let i = 0; i < 120 && why === null; i++) {
    stepSynced(raft, received('b', ack(1, 3)));
    why = refusal(stepSynced(raft, { kind: 'tick' }));
  }
  equal(why, 'x@00000000 does not catch up: it lacks 5 bytes');
  equal(members(raft), 'abc+x');
});

test('one that is never level in ten rounds is refused', () => {
  const raft = settled();
  want(raft, 'addLearner', 'x');
  stepSynced(raft, received('b', ack(1, 2)));
  want(raft, 'promote', 'x');
  let why: string | null = null;
  for (let round = 0; round < 10; round++) {
    const target = raft.last.index;
    stepSynced(raft, { kind: 'proposed', payloads: [Buffer.from('p')] });
    for (let i = 0; i < 30; i++) {
      stepSynced(raft, received('b', ack(1, raft.last.index)));
      stepSynced(raft, { kind: 'tick' });
    }
    why = refusal(stepSynced(raft, received('x', ack(1, target))));
  }
  equal(why, 'x@00000000 is not level after 10 rounds');
});

test('thesis §4.1: a change that is truncated is in force no longer', () => {
  const raft = bareRaft({ inTerm: 2, terms: [1] });
  const old = [changeEntry(2, 1, 'abcd'), { ...id(3, 1), payload: Buffer.from('x') }];
  stepSynced(raft, received('b', appendOf(2, [1, 1], old)));
  equal(members(raft), 'abcd');
  const newer = [{ ...id(2, 3), payload: Buffer.alloc(0) }];
  const effects = stepSynced(raft, received('c', appendOf(3, [1, 1], newer)));
  equal(members(raft), 'abc');
  ok(effects.some((e) => e.kind === 'configurationChanged' && e.state === 'rolledBack'));
});

test('what is in force is found again from snapshot and log', () => {
  const world = new SmallWorld('abc', 1, {}, 'x');
  world.elect('a');
  world.settle();
  world.change('a', 'addLearner', 'x');
  world.until(() => world.raft('x').last.index === world.raft('a').last.index);
  world.change('a', 'promote', 'x');
  world.settle();
  const all = () => ['a', 'b', 'c', 'x'].map((name) => members(world.raft(name))).join(' ');
  equal(all(), 'abcx abcx abcx abcx');
  const again = () => {
    for (const name of 'abcx') world.crash(name);
    for (const name of 'abcx') world.restart(name);
    equal(all(), 'abcx abcx abcx abcx');
  };
  again();
  world.until(() => world.leader() !== undefined);
  for (const name of 'abcx') world.compact(world.member(name), world.raft(name).committed);
  world.settle();
  again();
});

test('a leader of its own removal does not count itself, and leaves when it is committed', () => {
  const raft = settled('abcd', ['b', 'c']);
  want(raft, 'remove', 'a', { leaderMayLeave: true });
  equal(members(raft), 'bcd');
  equal(raft.role, 'leader');
  stepSynced(raft, received('b', ack(1, 2)));
  equal(raft.committed, 1, 'its own disk and one of three others are no majority');
  const effects = stepSynced(raft, received('c', ack(1, 2)));
  deepEqual(
    kinds(effects).filter((kind) => !kind.startsWith('append')),
    ['commit', 'configurationChanged', 'timeoutNow to b', 'steppedDown', 'leaderChanged'],
  );
  for (let i = 0; i < 500; i++) stepSynced(raft, { kind: 'tick' });
  equal(raft.role, 'follower', 'it knows that it was removed');
});

test('thesis §4.2.2, figure 4.6: the only one with its own removal still campaigns for it', () => {
  const world = new SmallWorld('ab', 1);
  world.elect('a');
  world.settle();
  world.cuts.add(`${idOf('a')}>${idOf('b')}`);
  world.change('a', 'remove', 'a', { leaderMayLeave: true });
  world.settle();
  world.crash('a');
  world.cuts.clear();
  world.restart('a');
  equal(members(world.raft('a')), 'b');
  equal(members(world.raft('b')), 'ab');
  world.until(() => world.raft('b').role === 'leader');
  equal(members(world.raft('b')), 'b');
  ok(world.configurations.length === 2);
});

test('figure 4.6 also after a restart of all, whose commits begin at the log’s beginning', () => {
  const world = new SmallWorld('b', 1, {}, 'a');
  world.elect('b');
  world.settle();
  for (const kind of ['addLearner', 'promote'] as const) {
    world.change('b', kind, 'a');
    world.until(() => world.raft('a').committed === world.raft('b').last.index);
  }
  world.cuts.add(`${idOf('b')}>${idOf('a')}`);
  world.change('b', 'remove', 'b', { leaderMayLeave: true });
  world.settle();
  world.cuts.clear();
  for (const name of 'ab') world.crash(name);
  for (const name of 'ab') world.restart(name);
  world.until(() => world.raft('a').role === 'leader');
  equal(members(world.raft('a')), 'a');
});

test('a removed node that starts asks nobody when its log shows a later change', () => {
  const world = new SmallWorld('abcd', 1);
  world.elect('a');
  world.settle();
  world.cuts.add(`${idOf('c')}>${idOf('a')}`);
  for (const name of 'cd') {
    world.change('a', 'remove', name);
    world.settle();
  }
  equal(members(world.raft('c')), 'ab');
  world.isolate('c');
  world.crash('c');
  world.restart('c');
  for (let i = 0; i < 300; i++) world.tick('c');
  equal(world.raft('c').role, 'follower');
});

test('a removed node hears of it from its leader, and stays quiet after a restart', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.settle();
  world.change('a', 'remove', 'c');
  world.settle();
  equal(members(world.raft('c')), 'ab');
  equal(world.raft('c').committed, world.raft('a').committed, 'the last word was the commit');
  const asked: string[] = [];
  world.onSend = ({ from, message }) => {
    if (from === idOf('c') && message.kind === 'requestVote') asked.push(message.kind);
  };
  for (let i = 0; i < 300; i++) {
    world.tick();
    world.settle();
  }
  deepEqual(asked, []);
  equal(world.raft('a').view().peers.length, 1);
  // Its log does not say that the removal was committed: it asks, and is told.
  world.crash('c');
  world.restart('c');
  for (let i = 0; i < 300; i++) {
    world.tick();
    world.settle();
  }
  ok(asked.length <= 2, `asked ${asked.length} times`);
  equal(world.raft('c').role, 'follower');
  equal(world.raft('a').role, 'leader');
});

test('one that missed its removal is told by whom it asks, and deposes nobody', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.isolate('c');
  world.settle();
  world.change('a', 'remove', 'c');
  for (let i = 0; i < 300; i++) {
    world.tick();
    world.settle();
  }
  equal(world.raft('a').view().peers.length, 1, 'silence for long enough');
  equal(world.raft('c').role, 'preCandidate');
  const before = world.raft('a').term;
  world.cuts.clear();
  for (let i = 0; i < 300; i++) {
    world.tick();
    world.settle();
  }
  equal(world.raft('c').role, 'follower');
  equal(world.raft('a').role, 'leader');
  equal(world.raft('a').term, before);
  equal(world.notices.filter((notice) => notice === 'c toldRemoved').length, 1);
});

test('one that was removed and added again campaigns like anybody', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.settle();
  for (const kind of ['remove', 'addLearner', 'promote'] as const) {
    world.change('a', kind, 'c');
    world.until(() => world.raft('c').committed === world.raft('a').last.index);
  }
  equal(members(world.raft('c')), 'abc');
  world.crash('a');
  world.handle('b', { kind: 'readinessChanged', readiness: 'barred' });
  world.until(() => world.raft('c').role === 'leader');
});

test('an island of the old leader removes nobody: the others go on, and its change is lost', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.settle();
  world.isolate('a');
  world.change('a', 'remove', 'b');
  equal(members(world.raft('a')), 'ac');
  world.until(() => world.raft('b').role === 'leader' || world.raft('c').role === 'leader');
  equal(world.raft('a').role, 'follower');
  world.cuts.clear();
  world.until(() => world.raft('a').committed === world.leader()?.driver.raft.last.index);
  equal(members(world.raft('a')), 'abc');
  equal(world.configurations.length, 1);
});

test('all but one can be removed, one after the other, and that one leads alone', () => {
  const world = new SmallWorld('abcde', 1);
  world.elect('a');
  world.settle();
  for (const name of 'bcde') {
    world.change('a', 'remove', name);
    world.until(() => world.raft('a').committed === world.raft('a').last.index);
  }
  equal(members(world.raft('a')), 'a');
  for (const name of 'bcde') world.crash(name);
  world.propose(world.member('a'), 'alone');
  world.settle();
  equal(world.raft('a').committed, world.raft('a').last.index);
  world.crash('a');
  world.restart('a');
  for (const name of 'bcde') world.restart(name);
  world.until(() => world.raft('a').role === 'leader');
  equal(world.notices.includes('b becameLeader'), false);
});

test('a node added with an empty disk is restored, promoted, and needed from then on', () => {
  const world = new SmallWorld('a', 1);
  world.elect('a');
  for (let i = 0; i < 20; i++) world.propose(world.member('a'), `${i}`);
  world.settle();
  world.compact(world.member('a'), world.raft('a').committed);
  world.settle();
  world.join('x');
  world.change('a', 'addLearner', 'x');
  world.until(() => world.raft('x').committed === world.raft('a').last.index);
  world.change('a', 'promote', 'x');
  world.until(() => world.raft('x').committed === world.raft('a').last.index);
  world.crash('x');
  world.propose(world.member('a'), 'needs both');
  world.settle();
  ok(world.raft('a').committed < world.raft('a').last.index);
});

/** What it does in some ticks of silence, less than any timeout. */
function waits(raft: Raft): void {
  const effects = Array.from({ length: 20 }, () => stepSynced(raft, { kind: 'tick' })).flat();
  deepEqual(kinds(effects), []);
  equal(raft.leader, idOf('b'));
}

for (const keepsPromises of [false, true]) {
  const as = keepsPromises ? 'with promises' : 'without promises';
  test(`who is no sole voter any more waits for its leader, ${as}: by an entry`, () => {
    const raft = bareRaft({ voters: 'a', inTerm: 1, terms: [1], keepsPromises });
    stepSynced(raft, received('b', appendOf(2, [1, 1], [changeEntry(2, 1, 'ab')])));
    equal(members(raft), 'ab');
    waits(raft);
  });

  test(`who is no sole voter any more waits for its leader, ${as}: by a truncation`, () => {
    const raft = bareRaft({ voters: 'ab', inTerm: 1, terms: [1], keepsPromises });
    stepSynced(raft, received('b', appendOf(1, [1, 1], [changeEntry(2, 1, 'a')])));
    equal(members(raft), 'a');
    const other = { ...id(2, 2), payload: Buffer.alloc(0) };
    stepSynced(raft, received('b', appendOf(2, [1, 1], [other])));
    equal(members(raft), 'ab');
    waits(raft);
  });

  test(`who is no sole voter any more waits for its leader, ${as}: by a snapshot`, () => {
    const raft = bareRaft({ voters: 'a', inTerm: 1, terms: [1], keepsPromises });
    const configuration = founded([idOf('a'), idOf('b')]);
    const snapshot = { id: 's', last: id(9, 2), configuration, bytes: 1 };
    const offer = { kind: 'offerSnapshot', term: term(2), snapshot, round: 1 } as const;
    stepSynced(raft, received('b', offer));
    for (const kind of ['snapshotFetched', 'snapshotInstalled'] as const)
      stepSynced(raft, { kind, snapshot });
    equal(members(raft), 'ab');
    waits(raft);
  });
}

test('who becomes the sole voter lets its leader see its removal committed', () => {
  const raft = bareRaft({ voters: 'ab', inTerm: 1, terms: [1] });
  stepSynced(raft, received('b', appendOf(1, [1, 1], [changeEntry(2, 1, 'a')])));
  equal(members(raft), 'a');
  waits(raft);
});

test('garbage in place of a configuration costs the message, and nothing else', () => {
  const raft = bareRaft({ inTerm: 1, terms: [1] });
  const bad = { ...id(2, 1), payload: Uint8Array.of(3, 1, 2) };
  stepSynced(raft, received('b', appendOf(1, [1, 1], [bad])));
  equal(raft.last.index, 1);
});

test('members of a snapshot that the log knows better halt the node', () => {
  const raft = settled();
  const snapshot = { id: 's', last: id(1, 1), configuration: founded([idOf('a')]), bytes: 1 };
  let message = '';
  try {
    raft.step({ kind: 'compacted', snapshot, base: id(1, 1) });
  } catch (error) {
    message = String(error);
  }
  ok(message.includes('members of its last entry'), message);
});

test('a leader tells a stranger nothing, and a removed one that it was', () => {
  const raft = settled();
  const ask = { kind: 'requestVote', term: term(9), pre: true, transfer: false, last: id(0, 0) };
  deepEqual(sentTo(stepSynced(raft, received('x', ask as Message)), 'x'), []);
  want(raft, 'remove', 'c');
  stepSynced(raft, received('b', ack(1, 2)));
  deepEqual(sentTo(stepSynced(raft, received('c', ask as Message)), 'c'), [
    { kind: 'removed', term: term(1), index: logIndex(2) },
  ]);
});
