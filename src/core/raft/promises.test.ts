import { equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { term } from '../scalars.ts';
import { RAFT_LIMITS } from './options.ts';
import type { Message } from './protocol.ts';
import type { Raft } from './raft.ts';
import { append, bareRaft, id, idOf, received, sentTo, stepSynced } from './small-world.test.ts';

const TICKS = RAFT_LIMITS.electionTicksMin;

function ask(inTerm: number, { pre = false, transfer = false } = {}): Message {
  return { kind: 'requestVote', term: term(inTerm), pre, transfer, last: id(0, 0) };
}

/** Whether `c` gets the vote that it asks for. */
function helps(raft: Raft, message: Message): boolean {
  const effects = stepSynced(raft, received('c', message));
  return sentTo(effects, 'c').some((reply) => reply.kind === 'voteReply' && reply.granted);
}

function ticks(raft: Raft, count: number): void {
  for (let i = 0; i < count; i++) stepSynced(raft, { kind: 'tick' });
}

function promised(): Raft {
  const raft = bareRaft({ keepsPromises: true });
  ticks(raft, TICKS);
  stepSynced(raft, received('b', append(1, id(0, 0))));
  return raft;
}

describe('who echoes a round', () => {
  test('helps nobody for a minimal election timeout, and then does', () => {
    for (const pre of [true, false]) {
      const raft = promised();
      ticks(raft, TICKS - 1);
      equal(helps(raft, ask(2, { pre })), false);
      ticks(raft, 1);
      equal(helps(raft, ask(2, { pre })), true);
    }
  });

  test('keeps its promise when the connection to its leader breaks', () => {
    const raft = promised();
    stepSynced(raft, { kind: 'peerLost', peer: idOf('b') });
    ticks(raft, TICKS - 1);
    equal(helps(raft, ask(2)), false);
    equal(raft.role, 'follower', 'and does not campaign either');
    const hurried = bareRaft();
    stepSynced(hurried, received('b', append(1, id(0, 0))));
    stepSynced(hurried, { kind: 'peerLost', peer: idOf('b') });
    ok(helps(hurried, ask(2)), 'without promises a broken connection is silence');
  });

  test('keeps its promise when it hears of a later term', () => {
    const raft = promised();
    const late: Message = { kind: 'voteReply', term: term(7), pre: false, granted: false };
    stepSynced(raft, received('c', late));
    equal(raft.term, 7);
    equal(helps(raft, ask(8)), false);
    ticks(raft, TICKS);
    equal(helps(raft, ask(8)), true);
  });

  test('is released by its leader, who hands over', () => {
    equal(helps(promised(), ask(2, { transfer: true })), true);
    const heir = promised();
    stepSynced(heir, received('b', { kind: 'timeoutNow', term: term(1) }));
    equal(heir.role, 'candidate');
  });
});

describe('who starts', () => {
  test('may have promised before, and helps nobody for as long', () => {
    const raft = bareRaft({ keepsPromises: true, inTerm: 1 });
    ticks(raft, TICKS - 1);
    equal(helps(raft, ask(2)), false);
    ticks(raft, 1);
    equal(helps(raft, ask(2)), true);
    equal(helps(bareRaft({ inTerm: 1 }), ask(2)), true, 'without promises it helps at once');
  });

  test('alone has promised nobody but itself', () => {
    const raft = bareRaft({ keepsPromises: true, voters: 'a' });
    ticks(raft, 2);
    equal(raft.role, 'leader');
  });
});
