/** Sequences that tried to break the reign: late words, servers that keep dying, hand-overs. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, replOffset, term } from '../../core/scalars.ts';
import { LIMITS, SET, stageOf, trialNode } from './trial-node.ts';

const PING = '*1\r\n$4\r\nPING\r\n';

test('H2: late word that the server of a reign has diverged ends the term, not only the reign', () => {
  const { node, said, commit, open } = trialNode();
  open();
  node.diverged('an answer of the time when it followed');
  deepEqual(said, ['detach', 'endReign', 'kill 1', 'resign']);
  node.serverDown(1, 'killed');
  node.serverUp(2);
  commit();
  equal(stageOf(node), 'following', 'no second reign in one term');
});

test('H6: a leader whose server dies again and again on the way hands over', () => {
  const { node, said, follow, lead, commit } = trialNode();
  follow();
  lead(1);
  commit();
  node.serverDown(1, 'it forgets');
  equal(said.includes('resign'), false, 'a server that must forget may take one life more');
  for (let i = 0; i < 10 && node.life < 3; i++) {
    if (stageOf(node) === 'starting') node.serverDown(node.life, 'cannot load');
    node.tick();
  }
  ok(said.includes('resign'));
});

test('H6: a leader whose server talks, and never gets level, hands over', () => {
  const { node, feed, said, index, follow, lead, commit, logged } = trialNode();
  follow();
  logged(SET);
  lead(1);
  commit();
  const wire = {
    continue: () => undefined,
    full: () => undefined,
    write: () => true,
    close: () => undefined,
  };
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  equal(index.endOffset, SET.length);
  for (let i = 0; i < 2 * LIMITS.openTicksMax + 2; i++) {
    feed.heard();
    feed.acknowledged(replOffset(0));
    node.tick();
  }
  ok(said.includes('kill 1') && said.includes('resign'));
});

test('a snapshot that takes the place of the log is survived whatever is asked meanwhile', () => {
  const { node, feed, index, said, follow, lead, commit } = trialNode();
  follow();
  feed.wanted(
    { continue: () => undefined, full: () => undefined, write: () => true, close: () => undefined },
    '0'.repeat(40),
    replOffset(0),
  );
  lead(1);
  node.steppedDown('another leads');
  commit();
  index.reset({
    last: { index: logIndex(50), term: term(3) },
    offset: replOffset(1000),
    reigns: [],
  });
  node.installed();
  node.tick();
  equal(node.committedOffset, 1000);
  ok(said.includes('kill 1'));
});

test('a hand-over waits for bytes that the server adds by itself, and reads none during it', () => {
  const { node, said, commit, open } = trialNode();
  open();
  node.handOver(null, () => undefined);
  const primary = { kind: 'primary', offset: replOffset(SET.length), replicas: 1 } as const;
  node.roleSeen(1, primary);
  node.captured(1, Buffer.from(SET));
  node.roleSeen(1, primary);
  const last = node.committedOffset + SET.length;
  node.captured(1, Buffer.from(PING));
  commit(-1);
  equal(node.committedOffset, last);
  equal(said.includes('transfer'), false, 'the PING is not in the log yet');
  commit();
  deepEqual(said, ['pauseReads', 'pauseWrites', 'pauseCapture', 'transfer']);
  node.transferAbandoned('the heir was not elected in time');
  deepEqual(said.slice(4), ['resumeCapture', 'unpauseWrites', 'resumeReads']);
  node.captured(1, Buffer.from(PING));
  commit();
  equal(node.isOpen, true);
});

test('every refused proposal ends the reign: what the server executed cannot be logged', () => {
  const it = trialNode();
  it.open();
  it.reply('+OK');
  it.isRefusing = true;
  it.node.captured(1, Buffer.from(SET));
  deepEqual(it.said, ['detach', 'endReign', 'kill 1', 'resign']);
  it.commit();
  deepEqual(it.replies, []);
});

test('words of an earlier life of the server change nothing', () => {
  const { node, said, commit, open, reply, replies } = trialNode();
  open();
  node.serverDown(1, 'killed');
  node.serverUp(2);
  said.length = 0;
  reply('+OK');
  const primary = { kind: 'primary', offset: replOffset(0), replicas: 1 } as const;
  node.promoted(1, '2'.repeat(40), replOffset(0));
  node.attached(1, '2'.repeat(40));
  node.demoted(1);
  node.captured(1, Buffer.from(SET));
  node.detached(1, 'late');
  node.serverFailed(1, 'late');
  node.roleSeen(1, primary);
  equal(node.fenceAnswered(1, primary), 'done');
  node.serverUp(1);
  node.serverDown(1, 'late');
  commit();
  equal(stageOf(node), 'following');
  deepEqual(said, []);
  deepEqual(replies, []);
});

test('pauses of reading add up, and end when the last reason does', () => {
  const { node, said, open } = trialNode();
  open();
  node.pauses.set('logFull', true);
  node.pauses.set('diskBehind', true);
  node.pauses.set('logFull', false);
  deepEqual(said, ['pauseReads']);
  node.pauses.set('diskBehind', false);
  deepEqual(said, ['pauseReads', 'resumeReads']);
});

test('H1: other threads hear of an open reign only: its offset before it, nothing after its end', () => {
  const { node, watched, commit, open } = trialNode();
  open();
  deepEqual(watched.splice(0), ['committed 0', 'open']);
  node.captured(1, Buffer.from(SET));
  commit();
  node.roundConfirmed(3);
  const end = SET.length;
  deepEqual(watched.splice(0), [`executed ${end}`, `committed ${end}`, 'confirmed 3']);
  node.steppedDown('a higher term');
  node.captured(1, Buffer.from(SET));
  node.roundConfirmed(4);
  commit();
  deepEqual(watched, ['endReign']);
});

test('H1: another thread knows a commit before this one acts on it', () => {
  const { node, watched, replies, commit, open, reply, fence } = trialNode();
  open();
  node.captured(1, Buffer.from(SET));
  reply('+OK');
  fence(SET.length);
  const push = watched.push.bind(watched);
  watched.push = (...said) => push(...said.map((text) => `${text} before ${replies.length}`));
  commit();
  equal(watched.at(-1), `committed ${SET.length} before 0`);
  deepEqual(replies, ['+OK']);
});
