import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeId } from '../scalars.ts';
import type { Answer } from './applied.ts';
import { apply } from './apply.ts';
import { type Command, decodeCommand, encodeCommand } from './command.ts';
import { parseSpec, parseSpecChange, specFounded } from './spec.ts';
import { type ControlState, HISTORY_MAX, type MemberFacts, NOTHING_AGREED } from './state.ts';
import { decodeState, encodeState } from './state-codec.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((name, i) => nodeId(`${name}@0000000${i}`)) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const FACTS: MemberFacts = {
  peerAddress: '10.0.0.4:7379',
  clientAddress: '10.0.0.4:6379',
  httpAddress: '10.0.0.4:8379',
  zone: 'east',
  serverVersion: 'valkey 8.0.1',
  ephemeral: false,
};

type Without<T> = T extends unknown ? Omit<T, 'atMs'> : never;

/** Plays commands as entries 1, 2, …; every one goes through its bytes, as does the state. */
function played(...commands: Without<Command>[]): { state: ControlState; answers: Answer[] } {
  let state = NOTHING_AGREED;
  const answers: Answer[] = [];
  commands.forEach((each, i) => {
    const command = decodeCommand(encodeCommand({ ...each, atMs: 1_000 + i } as Command));
    ok(command);
    const applied = apply(state, i + 1, command);
    answers.push(applied.answer);
    const read = decodeState(encodeState(applied.state));
    deepEqual(read, applied.state);
    state = applied.state;
  });
  return { state, answers };
}

const FOUND = { kind: 'found', spec: specFounded(3, null), founders: [C, A, B] } as const;
const MEET_A = { kind: 'meet', node: A, facts: FACTS } as const;
const MEET_B = { ...MEET_A, node: B } as const;
const MEET_D = { ...MEET_A, node: D } as const;
const ORDERED = { kind: 'dismiss', node: D, by: 'order', why: 'somebody said so' } as const;

function codes(answers: readonly Answer[]): string[] {
  return answers.map((answer) => (answer.ok ? 'ok' : answer.code));
}

test('the charter is agreed on once: its nodes are members and hold the data', () => {
  const { state, answers } = played(FOUND, { ...FOUND, founders: [D] });
  deepEqual(codes(answers), ['ok', 'FOUNDED']);
  deepEqual(
    state.members.map(({ node }) => node),
    [A, B, C],
  );
  deepEqual(state.data, { decision: 1, voters: [A, B, C], isSettled: true });
  deepEqual(state.spec, { replicas: 2, forgetAfterMs: null, reads: 'leader', server: {} });
});

test('nothing but the founding comes before the founding', () => {
  deepEqual(codes(played(MEET_D, ORDERED, FOUND).answers), ['NOT_FOUNDED', 'NOT_FOUNDED', 'ok']);
});

test('a decision that was planned on an older one is refused', () => {
  const decide = { kind: 'decide', basis: 1, voters: [A], why: 'fewer' } as const;
  const { state, answers } = played(FOUND, decide, { ...decide, voters: [B] });
  deepEqual(codes(answers), ['ok', 'ok', 'OTHER_BASIS']);
  deepEqual(state.data, { decision: 2, voters: [A], isSettled: false });
});

test('a decision stands in the history until it is carried out, or replaced', () => {
  const { state } = played(
    FOUND,
    { kind: 'decide', basis: 1, voters: [A, B], why: 'fewer' },
    { kind: 'decide', basis: 2, voters: [A], why: 'fewer still' },
    { kind: 'settle', decision: 2 },
    { kind: 'settle', decision: 3 },
  );
  deepEqual(
    state.history.map(({ index, outcome }) => [index, outcome]),
    [
      [1, 'done'],
      [2, 'replaced by decision 3'],
      [3, 'done'],
    ],
  );
  equal(state.data.isSettled, true);
});

test('who should hold the data is no stranger', () => {
  const { answers } = played(FOUND, { kind: 'decide', basis: 1, voters: [A, D], why: 'more' });
  deepEqual(codes(answers), ['ok', 'NO_SUCH_NODE']);
});

test('who was removed by order stays out, who left by itself may come back', () => {
  const forget = { kind: 'forget', node: D } as const;
  const byOrder = played(FOUND, MEET_A, MEET_D, ORDERED, forget, MEET_D);
  deepEqual(codes(byOrder.answers), ['ok', 'ok', 'ok', 'ok', 'ok', 'REMOVED']);
  deepEqual(byOrder.state.removed, [D]);
  const itself = { ...ORDERED, by: 'itself' } as const;
  const byItself = played(FOUND, MEET_A, MEET_D, itself, forget, MEET_D);
  deepEqual(codes(byItself.answers), ['ok', 'ok', 'ok', 'ok', 'ok', 'ok']);
  equal(byItself.state.members.length, 4);
});

test('an order makes it final, whatever the leaving began with', () => {
  const itself = { ...ORDERED, by: 'absence' } as const;
  const forget = { kind: 'forget', node: D } as const;
  const { state } = played(FOUND, MEET_A, MEET_D, itself, ORDERED, forget);
  deepEqual(state.removed, [D]);
});

test('nobody is forgotten who stays, or who should hold the data', () => {
  const { answers } = played(
    FOUND,
    MEET_B,
    { kind: 'forget', node: A },
    { kind: 'dismiss', node: A, by: 'order', why: 'old' },
    { kind: 'forget', node: A },
    { kind: 'decide', basis: 1, voters: [B, C], why: 'a leaves' },
    { kind: 'forget', node: A },
    { kind: 'forget', node: A },
  );
  deepEqual(codes(answers), ['ok', 'ok', 'STAYS', 'ok', 'HOLDS_DATA', 'ok', 'ok', 'ok']);
});

test('the last node is never dismissed', () => {
  const gone = (node: NodeId) =>
    ({ kind: 'dismiss', node, by: 'itself', why: 'it is stopped' }) as const;
  const meetC = { ...MEET_A, node: C } as const;
  const { answers } = played(FOUND, meetC, gone(A), gone(B), gone(C), gone(B));
  deepEqual(codes(answers), ['ok', 'ok', 'ok', 'ok', 'LAST_NODE', 'ok']);
});

test('nor is the last one that has said what it is: the others may be witnesses', () => {
  const gone = (node: NodeId) =>
    ({ kind: 'dismiss', node, by: 'order', why: 'somebody said so' }) as const;
  const { answers } = played(FOUND, gone(A), MEET_A, gone(A), MEET_B, gone(A));
  deepEqual(codes(answers), ['ok', 'LAST_NODE', 'ok', 'LAST_NODE', 'ok', 'ok']);
});

test('nor is the last one with a server: witnesses do not serve', () => {
  const gone = (node: NodeId) =>
    ({ kind: 'dismiss', node, by: 'itself', why: 'it is stopped' }) as const;
  const witness = { ...MEET_D, node: C, facts: { ...FACTS, witness: true } };
  const { state, answers } = played(FOUND, MEET_B, witness, gone(A), gone(B), gone(C));
  deepEqual(codes(answers), ['ok', 'ok', 'ok', 'ok', 'LAST_NODE', 'ok']);
  equal(state.members.find(({ node }) => node === C)?.facts.witness, true);
});

test('the spec changes only at the version that was meant', () => {
  const wanted = { kind: 'spec', change: { replicas: 4 }, ifVersion: 1 } as const;
  const { state, answers } = played(FOUND, wanted, { ...wanted, change: { replicas: 0 } });
  deepEqual(codes(answers), ['ok', 'ok', 'OTHER_VERSION']);
  deepEqual(state.spec, { replicas: 4, forgetAfterMs: null, reads: 'leader', server: {} });
  equal(state.specVersion, 2);
});

test('who answers reads is part of the spec, and of one that does not say so it is the leader', () => {
  const wanted = { kind: 'spec', change: { reads: 'local' }, ifVersion: null } as const;
  const { state, answers } = played(FOUND, wanted, wanted);
  deepEqual(state.spec, { replicas: 2, forgetAfterMs: null, reads: 'local', server: {} });
  deepEqual(
    answers.map(({ text }) => text),
    [answers[0]?.text, 'reads leader -> local', 'the spec says so already'],
  );
  deepEqual(parseSpec({ replicas: 1, forgetAfterMs: 10_000 }), {
    replicas: 1,
    forgetAfterMs: 10_000,
    reads: 'leader',
    server: {},
  });
});

test('a change of the spec is within its bounds, and names nothing unknown', () => {
  deepEqual(parseSpecChange({ replicas: 4 }), { replicas: 4 });
  deepEqual(parseSpecChange({ forgetAfterMs: null }), { forgetAfterMs: null });
  for (const bad of [{ replicas: -1 }, { replicas: 64 }, { replicas: 1.5 }, { forgetAfterMs: 9 }])
    equal(typeof parseSpecChange(bad), 'string', JSON.stringify(bad));
  const server = { hz: '20', maxmemory: null, 'notify-keyspace-events': '' };
  deepEqual(parseSpecChange({ server }), { server });
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, '1']));
  for (const bad of [
    ...[null, [], 'hz', many, { Hz: '1' }, { 'a b': '1' }, { [`a${'b'.repeat(64)}`]: '1' }],
    ...[{ hz: 20 }, { hz: '1\nport 1' }, { hz: 'x'.repeat(257) }],
  ])
    equal(typeof parseSpecChange({ server: bad }), 'string', JSON.stringify(bad));
  deepEqual(parseSpecChange({ reads: 'local' }), { reads: 'local' });
  for (const bad of [-1, 64, 1.5, '1'])
    equal(typeof parseSpecChange({ minReplicasToWrite: bad }), 'string', `${bad}`);
  const before = { replicas: 1, forgetAfterMs: null, eventual: { maxLostBytes: 7 } };
  deepEqual(parseSpec(before)?.eventual, { maxLostBytes: 7, minReplicasToWrite: 0 });
  for (const bad of [null, [], 'replicas', { shards: 0 }, { shards: 257 }, { reads: 'fast' }])
    equal(typeof parseSpecChange(bad), 'string', JSON.stringify(bad));
});

test('settings are set, changed and taken out one by one, within their number', () => {
  const set = (server: Record<string, string | null>) =>
    ({ kind: 'spec', change: { server }, ifVersion: null }) as const;
  const { state, answers } = played(
    FOUND,
    set({ maxmemory: '1gb', hz: '20' }),
    set({ hz: '50', databases: null }),
    set({ hz: '50' }),
    set({ hz: null, 'activedefrag-enabled': '' }),
  );
  deepEqual(state.spec?.server, { 'activedefrag-enabled': '', maxmemory: '1gb' });
  deepEqual(
    answers.slice(1).map(({ text }) => text),
    [
      'hz is 20, maxmemory is 1gb',
      'hz is 50',
      'the spec says so already',
      'activedefrag-enabled is "", hz is taken out',
    ],
  );
  deepEqual(decodeState(encodeState(state)), state);
  const full = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`a${i}`, '1']));
  const more = played(FOUND, set(full), set({ b: '1' }), set({ a1: null, b: '1' }));
  deepEqual(codes(more.answers), ['ok', 'ok', 'TOO_MANY_SETTINGS', 'ok']);
});

test('a change of as many settings as there may be, each as long, is a command', () => {
  // Three bytes each as UTF-8.
  const server = Object.fromEntries(
    Array.from({ length: 64 }, (_, i) => [`${i}`.padStart(64, 'a'), '\u4e00'.repeat(256)]),
  );
  const command = { kind: 'spec', atMs: 1, change: { server }, ifVersion: null } as const;
  deepEqual(decodeCommand(encodeCommand(command)), command);
});

test('a spec that was written before there were settings has none', () => {
  const spec = { replicas: 2, forgetAfterMs: 60_000 };
  const bytes = Buffer.from(JSON.stringify({ kind: 'found', atMs: 1, spec, founders: [A] }));
  const command = decodeCommand(Buffer.concat([Buffer.of(4, 1), bytes]));
  deepEqual(command?.kind === 'found' && command.spec, { ...spec, reads: 'leader', server: {} });
});

test('news of a member replace what was known, and are no line of the history', () => {
  const moved = { ...FACTS, peerAddress: '10.0.0.9:7379' };
  const { state } = played(FOUND, MEET_D, { ...MEET_D, facts: moved }, { ...MEET_D, facts: moved });
  equal(state.members.at(-1)?.facts.peerAddress, '10.0.0.9:7379');
  equal(state.history.length, 2);
});

test('the history keeps the newest lines', () => {
  const changes = Array.from({ length: HISTORY_MAX + 5 }, (_, i) => ({
    kind: 'spec' as const,
    change: { replicas: i % 2 },
    ifVersion: null,
  }));
  const { state } = played(FOUND, ...changes);
  equal(state.history.length, HISTORY_MAX);
  equal(state.history.at(-1)?.index, HISTORY_MAX + 6);
});

test('a command or state of another version, or with a part missing, is none', () => {
  const bytes = encodeCommand({ ...ORDERED, atMs: 1 });
  const later = Buffer.from(bytes);
  later[1] = 2;
  equal(decodeCommand(later), null);
  for (let end = 0; end < bytes.length; end++) equal(decodeCommand(bytes.subarray(0, end)), null);
  const state = encodeState(played(FOUND, MEET_D, ORDERED).state);
  for (let end = 0; end < state.length; end++) equal(decodeState(state.subarray(0, end)), null);
  const other = Buffer.from(state);
  other[0] = 2;
  equal(decodeState(other), null);
});

test('a command with a wrong field is none', () => {
  const as = (fields: object): Command | null =>
    decodeCommand(Buffer.concat([Buffer.of(4, 1), Buffer.from(JSON.stringify(fields))]));
  ok(as({ ...ORDERED, atMs: 1 }));
  for (const wrong of [
    { ...ORDERED },
    { ...ORDERED, atMs: -1 },
    { ...ORDERED, atMs: 1, by: 'chance' },
    { ...ORDERED, atMs: 1, node: 'd' },
    { ...MEET_D, atMs: 1, facts: { ...FACTS, zone: 3 } },
    { ...MEET_D, atMs: 1, facts: { ...FACTS, zone: 'x'.repeat(301) } },
    { kind: 'decide', atMs: 1, basis: 1, voters: [], why: '' },
    { kind: 'decide', atMs: 1, basis: 1, voters: [A, A], why: '' },
    { kind: 'found', atMs: 1, spec: { replicas: 2 }, founders: [A] },
    { kind: 'crown', atMs: 1, node: A },
  ])
    equal(as(wrong), null, JSON.stringify(wrong));
});
