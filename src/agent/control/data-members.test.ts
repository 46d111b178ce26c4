import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { specFounded } from '../../core/control/spec.ts';
import { type ControlState, NOTHING_AGREED } from '../../core/control/state.ts';
import { founded } from '../../core/raft/configuration.ts';
import type { Configuration } from '../../core/raft/protocol.ts';
import { type NodeId, nodeId } from '../../core/scalars.ts';
import type { ChangeDone } from '../shard/member-changes.ts';
import { type DataLead, DataMembers } from './data-members.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(`${name}@00000000`)) as [
  NodeId,
  NodeId,
  NodeId,
];

function stateOf(decision: number, voters: readonly NodeId[]): ControlState {
  const spec = specFounded(3, null);
  return { ...NOTHING_AGREED, spec, data: { decision, voters, isSettled: false } };
}

/** `a` leads; what it asks of its group waits until the test answers. */
function world(configuration: Configuration, state: ControlState) {
  const it = { isLeader: true, configuration, state, asked: [] as string[] };
  const answers: ChangeDone[] = [];
  const lead: DataLead = {
    get isLeader() {
      return it.isLeader;
    },
    get configuration() {
      return it.configuration;
    },
    isHeard: () => true,
    changeMembers: ({ kind, node }, { decision }, done) => {
      it.asked.push(`${kind} ${node.slice(0, 1)} by ${decision}`);
      answers.push(done);
    },
    handOver: (to, done) => {
      it.asked.push(`hand over to ${to.slice(0, 1)}`);
      answers.push(done);
    },
  };
  const members = new DataMembers({ id: A, data: () => lead, state: () => it.state });
  const run = (ticks = 8) => {
    for (let n = 0; n < ticks; n++) members.tick();
  };
  return { it, run, members, answer: (ok: boolean, why = '') => answers.shift()?.(ok, why) };
}

test('H10: each change carries the decision, and the next one waits for the answer', () => {
  const { it, run, answer } = world(founded([A]), stateOf(7, [A, B]));
  run();
  deepEqual(it.asked, ['addLearner b by 7']);
  it.configuration = { voters: [A], learners: [B], decision: 7 };
  run(100);
  equal(it.asked.length, 1);
  answer(true);
  run();
  deepEqual(it.asked, ['addLearner b by 7', 'promote b by 7']);
});

test('H10: a leader whose copy of the state is behind the configuration does nothing', () => {
  const { it, run } = world({ ...founded([A, C]), decision: 8 }, stateOf(7, [A, B]));
  run(100);
  deepEqual(it.asked, []);
  it.state = stateOf(8, [A, C, B]);
  run();
  deepEqual(it.asked, ['addLearner b by 8']);
});

test('who does not lead, or knows of no agreed state, does nothing', () => {
  const { it, run } = world(founded([A]), { ...stateOf(7, [A, B]), spec: null });
  run(100);
  it.state = stateOf(7, [A, B]);
  it.isLeader = false;
  run(100);
  deepEqual(it.asked, []);
});

test('after a refusal another step is tried, and the reason is told until one goes', () => {
  const { it, run, members, answer } = world(founded([A]), stateOf(7, [A, B, C]));
  run();
  answer(false, 'b has not been heard');
  equal(members.waits, 'b has not been heard');
  run();
  deepEqual(it.asked, ['addLearner b by 7', 'addLearner c by 7']);
  answer(true);
  equal(members.waits, '');
});

test('a leader that is to leave hands over, and after a failure not again at once', () => {
  const { it, run, answer } = world(founded([A, B]), stateOf(7, [B]));
  run();
  deepEqual(it.asked, ['hand over to b']);
  answer(false, 'the heir was not level in time');
  run(100);
  equal(it.asked.length, 1);
  run(110);
  equal(it.asked.length, 2);
});
