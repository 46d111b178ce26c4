import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { replOffset } from '../../core/scalars.ts';
import { LIMITS, REIGN, SET, stageOf, trialNode } from './trial-node.ts';

test('a node opens only after: no-op committed, level, promoted, attached, reign committed', () => {
  const { node, said, commit, lead, follow } = trialNode();
  follow();
  lead(1);
  equal(stageOf(node), 'following', 'the no-op is not committed yet');
  commit();
  equal(stageOf(node), 'levelling');
  node.roleSeen(1, { kind: 'replica', isConnected: false, offset: replOffset(0) });
  equal(stageOf(node), 'levelling', 'an offset of a replica that is not connected says nothing');
  node.roleSeen(1, { kind: 'replica', isConnected: true, offset: replOffset(0) });
  node.promoted(1, REIGN, replOffset(0));
  node.attached(1, REIGN);
  equal(said.includes('open'), false, 'the reign is not committed yet');
  commit();
  deepEqual(said, ['start 1', 'promote', 'attach', 'open']);
});

test('a write is answered when it is committed, fenced, and no earlier', () => {
  const { node, replies, commit, open, reply, fence } = trialNode();
  open();
  node.captured(1, Buffer.from(SET));
  reply('+OK');
  fence(SET.length);
  deepEqual(replies, []);
  commit();
  deepEqual(replies, ['+OK']);
});

test('H1: stepping down drops what is held before anything else, and closes its clients', () => {
  const { node, said, replies, commit, open, reply, fence } = trialNode();
  open();
  node.captured(1, Buffer.from(SET));
  reply('+OK');
  fence(SET.length);
  node.steppedDown('a higher term');
  deepEqual(said, ['detach', 'endReign', 'demote']);
  commit();
  deepEqual(replies, []);
});

test('H2: a server that dies under a living leader ends the reign, for this whole term', () => {
  const { node, said, replies, commit, open, reply } = trialNode();
  open();
  reply('+OK');
  node.serverDown(1, 'killed');
  deepEqual(said, ['detach', 'endReign', 'resign', 'start 2']);
  node.serverUp(2);
  commit();
  equal(node.stage.kind, 'following', 'no second reign in one term');
  node.fenceAnswered(1, { kind: 'primary', offset: replOffset(0), replicas: 1 });
  deepEqual(replies, []);
});

test('H2: a capture that breaks, or is not continued, ends the reign and the server', () => {
  const { node, said, open } = trialNode();
  open();
  node.detached(1, 'the capture was answered +FULLRESYNC');
  deepEqual(said, ['detach', 'endReign', 'kill 1', 'resign']);
});

test('H2: a fence counts only from a primary that has the capture', () => {
  for (const role of [
    { kind: 'replica', isConnected: true, offset: replOffset(500) },
    { kind: 'primary', offset: replOffset(500), replicas: 0 },
    { kind: 'failed', text: 'NOAUTH' },
  ] as const) {
    const { node, said, replies, open, reply } = trialNode();
    open();
    reply('+OK');
    node.fenceAnswered(1, role);
    deepEqual(said, ['detach', 'endReign', 'kill 1', 'resign'], role.kind);
    deepEqual(replies, []);
  }
});

test('H6: a server that does not answer the fence is killed; a busy one gets longer', () => {
  const hung = trialNode();
  hung.open();
  hung.reply('+OK');
  for (let i = 0; i < LIMITS.fenceTicksMax + 1; i++) hung.node.tick();
  ok(hung.said.includes('kill 1') && hung.said.includes('resign'));

  const busy = trialNode();
  busy.open();
  busy.reply('+OK');
  for (let i = 0; i < LIMITS.fenceTicksMax + 1; i++) {
    equal(busy.node.fenceAnswered(1, { kind: 'busy', text: 'BUSY' }), 'askAgain');
    busy.node.tick();
  }
  equal(busy.said.includes('kill 1'), false);
  for (let i = 0; i < LIMITS.busyTicksMax; i++) busy.node.tick();
  ok(busy.said.includes('kill 1'));
});

test('H6: a server that hangs while no client gets a reply is found out all the same', () => {
  const { node, said, open } = trialNode();
  open();
  for (let i = 0; i < 40 + LIMITS.fenceTicksMax + 1; i++) node.tick();
  ok(said.includes('kill 1') && said.includes('resign'));
});

test('H6: a leader that cannot open hands over and kills its server', () => {
  const { node, said, follow, lead, commit } = trialNode();
  follow();
  lead(1);
  commit();
  for (let i = 0; i < LIMITS.openTicksMax + 1; i++) node.tick();
  ok(said.includes('kill 1') && said.includes('resign'));
  equal(said.includes('open'), false);
});

test('H7: a unit above the bound ends the reign; clients are not read at the uncommitted bound', () => {
  const large = trialNode();
  large.open();
  large.node.captured(1, Buffer.from(`*2\r\n$3\r\nDEL\r\n$2000\r\n${'x'.repeat(2000)}`));
  ok(large.said.includes('endReign') && large.said.includes('kill 1'));

  const { node, said, commit, open } = trialNode();
  open();
  for (let i = 0; i < 8; i++) node.captured(1, Buffer.from(SET));
  deepEqual(said.splice(0), ['pauseReads', 'pauseCapture']);
  commit();
  deepEqual(said, ['resumeReads', 'resumeCapture']);
});

test('a planned hand-over transfers only after all that was executed is committed', () => {
  const { node, said, commit, open } = trialNode();
  open();
  let outcome = '';
  node.handOver(null, (isDone) => {
    outcome = isDone ? 'handed over' : 'stayed';
  });
  const primary = { kind: 'primary', offset: replOffset(SET.length), replicas: 1 } as const;
  node.roleSeen(1, primary);
  node.captured(1, Buffer.from(SET));
  node.roleSeen(1, primary);
  equal(said.includes('transfer'), false);
  commit();
  deepEqual(said, ['pauseReads', 'pauseWrites', 'pauseCapture', 'transfer']);
  node.steppedDown('transferred');
  equal(outcome, 'handed over');
  deepEqual(said.slice(4), ['detach', 'endReign', 'resumeReads', 'demote']);
});

test('a hand-over that is not drained in time gives up, and writes go on', () => {
  const { node, said, open } = trialNode();
  open();
  let outcome = '';
  node.handOver(null, (isDone) => {
    outcome = isDone ? 'handed over' : 'stayed';
  });
  for (let i = 0; i < LIMITS.handOverTicksMax + 1; i++) node.tick();
  equal(outcome, 'stayed');
  deepEqual(said, ['pauseReads', 'unpauseWrites', 'resumeReads']);
  equal(node.isOpen, true);
});
