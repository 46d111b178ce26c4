import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from '../../core/raft/configuration.ts';
import type { Notice } from '../../core/raft/driver.ts';
import type { MemberChange, RaftEvent } from '../../core/raft/protocol.ts';
import { logIndex, nodeId, term } from '../../core/scalars.ts';
import { type ChangeOptions, MemberChanges } from './member-changes.ts';

const [A, B] = [nodeId('a@00000001'), nodeId('b@00000001')];
const REMOVE_B: MemberChange = { kind: 'remove', node: B };
const REMOVE_A: MemberChange = { kind: 'remove', node: A };

function world() {
  const events: RaftEvent[] = [];
  const answers: string[] = [];
  const it = { isLeader: true, handsOver: true, events, answers };
  const changes = new MemberChanges({
    id: A,
    isLeader: () => it.isLeader,
    handle: (event) => events.push(event),
    handOver: (done) => done(it.handsOver, 'the heir was not level in time'),
  });
  const change = (wanted: MemberChange, options: ChangeOptions = {}) =>
    changes.change(wanted, options, (isDone, why) => answers.push(`${isDone}: ${why}`));
  return { it, changes, change };
}

function changed(state: 'appended' | 'committed', index: number): Notice {
  const configuration = founded([A]);
  return { kind: 'configurationChanged', state, index: logIndex(index), configuration };
}

test('who asks is told when the change is committed, not before', () => {
  const { it, changes, change } = world();
  change(REMOVE_B, { decision: 4 });
  const wanted = { kind: 'changeWanted', change: REMOVE_B, decision: 4, leaderMayLeave: false };
  deepEqual(it.events, [wanted]);
  changes.noticed(changed('appended', 7));
  changes.noticed(changed('committed', 6));
  deepEqual(it.answers, []);
  changes.noticed(changed('committed', 7));
  changes.noticed(changed('committed', 7));
  deepEqual(it.answers, ['true: committed at 7']);
});

function wantedIn(event: RaftEvent | undefined): MemberChange {
  ok(event?.kind === 'changeWanted');
  return event.change;
}

test('a refusal goes to whom it is meant for, in words', () => {
  const { it, changes, change } = world();
  change({ kind: 'promote', node: B });
  change(REMOVE_B);
  const second = wantedIn(it.events[1]);
  changes.noticed({ kind: 'changeRefused', change: second, why: 'b is being promoted' });
  deepEqual(it.answers, ['false: b is being promoted']);
  changes.noticed(changed('appended', 7));
  changes.noticed(changed('committed', 7));
  deepEqual(it.answers, ['false: b is being promoted', 'true: committed at 7']);
});

test('one that the core has not answered yet is refused by itself when the lead is lost', () => {
  const { it, changes, change } = world();
  change({ kind: 'promote', node: B });
  const why = 'this node leads no longer';
  changes.noticed({ kind: 'changeRefused', change: wantedIn(it.events[0]), why });
  changes.noticed({ kind: 'steppedDown', term: term(1), why: 'somebody leads a later term' });
  deepEqual(it.answers, [`false: ${why}`]);
});

test('unknown is not failed: a leader that steps down cannot say what becomes of it', () => {
  const { it, changes, change } = world();
  change(REMOVE_B);
  changes.noticed(changed('appended', 7));
  changes.noticed({ kind: 'steppedDown', term: term(1), why: 'somebody leads a later term' });
  deepEqual(it.answers, ['false: leadership was lost: whether it comes to pass is not known']);
});

test('a leader that is to be removed hands over, and says whom to ask', () => {
  const { it, change } = world();
  change(REMOVE_A);
  it.handsOver = false;
  change(REMOVE_A);
  deepEqual(it.answers, [
    'false: leadership was handed over: ask the new leader',
    'false: hand over: the heir was not level in time',
  ]);
  deepEqual(it.events, []);
});

test('a leader that may leave hands nothing over, and who does not lead asks the core', () => {
  const { it, change } = world();
  change(REMOVE_A, { leaderMayLeave: true });
  equal(it.events.length, 1);
  const other = world();
  other.it.isLeader = false;
  other.change(REMOVE_A);
  equal(other.it.events.length, 1, 'the core says who leads');
});
