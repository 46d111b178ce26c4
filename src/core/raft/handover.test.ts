import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from './protocol.ts';
import { bareRaft, idOf, kinds, lead, SmallWorld, stepSynced } from './small-world.test.ts';

function reasons(effects: readonly Effect[]): string[] {
  return effects.flatMap((e) => (e.kind === 'transfer' ? [`${e.state}: ${e.why}`] : []));
}

function transfer(to: string | null) {
  return { kind: 'transferWanted', to: to === null ? null : idOf(to) } as const;
}

test('thesis §3.10: the wanted heir leads at once, over everybody’s stickiness', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  const before = world.raft('a').term;
  world.handle('a', transfer('b'));
  world.settle();
  equal(world.raft('b').role, 'leader');
  equal(world.raft('b').term, before + 1);
  equal(world.raft('c').leader, idOf('b'));
});

test('without a name the voter in step that has most takes over', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.cuts.add(`${idOf('a')}>${idOf('b')}`);
  world.propose(world.member('a'), 'x');
  world.settle();
  world.handle('a', transfer(null));
  world.settle();
  equal(world.raft('c').role, 'leader');
});

test('a leader that resigns while it leaves hands over to the only voter', () => {
  const world = new SmallWorld('ab', 1);
  world.elect('a');
  world.settle();
  const { raft } = world.member('a').driver;
  const change = { kind: 'remove', node: idOf('a') } as const;
  raft.step({ kind: 'changeWanted', change, decision: 0, leaderMayLeave: true });
  deepEqual(raft.configuration.voters, [idOf('b')]);
  deepEqual(reasons(raft.step({ kind: 'resignWanted', why: 'tired' })), ['began: tired']);
  equal(raft.role, 'leader', 'it steps down at the bound, or when the heir is elected');
  while (raft.role === 'leader') raft.step({ kind: 'tick' });
  for (let i = 0; i < 119; i++) raft.step({ kind: 'tick' });
  equal(raft.role, 'follower', 'and is quiet then');
});

test('a leader that hands over takes no proposals, and does again when it is given up', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.isolate('c');
  world.propose(world.member('a'), 'x');
  world.settle();
  const raft = world.raft('a');
  deepEqual(reasons(raft.step(transfer('c'))), ['began: wanted']);
  const proposal = { kind: 'proposed', payloads: [Buffer.from('y')] } as const;
  deepEqual(raft.step(proposal), [{ kind: 'refused', why: 'handingOver' }]);
  for (let i = 0; i < 60; i++) {
    world.tick();
    world.settle();
  }
  equal(raft.role, 'leader');
  equal(kinds(raft.step(proposal))[0], 'accepted');
});

test('the heir is told to campaign when it has everything, not before', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  const sent: string[] = [];
  world.onSend = ({ message }) => sent.push(message.kind);
  world.propose(world.member('a'), 'x');
  world.handle('a', transfer('b'));
  equal(sent.includes('timeoutNow'), false);
  world.settle();
  equal(sent.includes('timeoutNow'), true);
  equal(world.raft('b').role, 'leader');
});

test('a transfer that cannot be is refused with the reason', () => {
  const follower = bareRaft();
  deepEqual(reasons(follower.step(transfer('b'))), ['abandoned: this node does not lead']);
  const raft = bareRaft();
  lead(raft);
  deepEqual(reasons(raft.step(transfer('a'))), ['abandoned: this node leads already']);
  deepEqual(reasons(raft.step(transfer('x'))), ['abandoned: only a voter can lead']);
  deepEqual(reasons(raft.step(transfer(null))), ['abandoned: no other voter is in step']);
  deepEqual(reasons(raft.step(transfer('b'))), ['began: wanted']);
  deepEqual(reasons(raft.step(transfer('c'))), ['abandoned: another handover is under way']);
});

test('a leader that resigns hands over and stays quiet', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.handle('a', { kind: 'resignWanted', why: 'its server is stuck' });
  world.settle();
  notEqual(world.leader()?.id, idOf('a'));
  ok(world.leader());
});

test('a leader that resigns and finds nobody steps down at the bound, and stays quiet', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  for (const other of ['b', 'c'])
    world.handle(other, { kind: 'readinessChanged', readiness: 'barred' });
  world.handle('a', { kind: 'resignWanted', why: 'its server is stuck' });
  for (let i = 0; i < 60; i++) {
    equal(world.raft('a').role, 'leader');
    world.tick();
    world.settle();
  }
  equal(world.raft('a').role, 'follower');
  for (let i = 0; i < 119; i++) {
    world.tick();
    world.settle();
  }
  equal(world.leader(), undefined);
  world.until(() => world.raft('a').role === 'leader');
});

test('a sole voter that resigns steps down at once, and leads again at once', () => {
  const raft = bareRaft({ voters: 'a' });
  stepSynced(raft, { kind: 'tick' });
  const effects = stepSynced(raft, { kind: 'resignWanted', why: 'its server is stuck' });
  deepEqual(kinds(effects), ['transfer', 'steppedDown', 'leaderChanged']);
  stepSynced(raft, { kind: 'tick' });
  equal(raft.role, 'leader');
});

test('a barred node ignores the call to campaign', () => {
  const world = new SmallWorld('abc', 1);
  world.elect('a');
  world.handle('b', { kind: 'readinessChanged', readiness: 'barred' });
  world.handle('a', transfer('b'));
  for (let i = 0; i < 61; i++) {
    world.tick();
    world.settle();
  }
  equal(world.raft('a').role, 'leader');
});

test('a witness is handed to by no plan, and by a leader that cannot stay only before nobody', () => {
  const witnesses = ['c'].map(idOf);
  const planned = new SmallWorld('abc', 1);
  planned.elect('a');
  planned.handle('a', { kind: 'witnessesKnown', witnesses });
  planned.isolate('b');
  planned.propose(planned.member('a'), 'x');
  planned.settle();
  for (let i = 0; i < 30; i++) {
    planned.tick('a');
    planned.settle();
  }
  for (const to of [null, 'c']) planned.handle('a', transfer(to));
  planned.settle();
  equal(planned.raft('a').role, 'leader', 'c has most, and could not serve');
  planned.handle('a', { kind: 'resignWanted', why: 'its server is stuck' });
  planned.settle();
  equal(planned.raft('c').role, 'leader', 'it brings level whoever comes back');

  const both = new SmallWorld('abc', 1);
  both.elect('a');
  both.settle();
  both.handle('a', { kind: 'witnessesKnown', witnesses: ['b'].map(idOf) });
  both.handle('a', { kind: 'resignWanted', why: 'its server is stuck' });
  both.settle();
  equal(both.raft('c').role, 'leader', 'b comes first by name');
});
