import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeId } from '../scalars.ts';
import type { Answer } from './applied.ts';
import { apply } from './apply.ts';
import { type Command, decodeCommand, encodeCommand } from './command.ts';
import { parseSpec, specFounded } from './spec.ts';
import { type ControlState, NOTHING_AGREED, UNSEEN } from './state.ts';
import { decodeState, encodeState } from './state-codec.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name, i) => nodeId(`${name}@0000000${i}`)) as [
  NodeId,
  NodeId,
  NodeId,
];
const [SA, SB, SC] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string];
const [H1, H2] = ['1'.repeat(40), '2'.repeat(40)] as [string, string];
const EVENTUAL = { maxLostBytes: null, minReplicasToWrite: 0, shards: 2 };

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
    deepEqual(decodeState(encodeState(applied.state)), applied.state);
    state = applied.state;
  });
  return { state, answers };
}

function codes(answers: readonly Answer[]): string[] {
  return answers.map((answer) => (answer.ok ? 'ok' : answer.code));
}

/** Entries 1 to 4. */
const BEGIN: Without<Command>[] = [
  {
    kind: 'found',
    spec: specFounded(3, null, { eventual: EVENTUAL, replicas: 1 }),
    founders: [A, B, C],
  },
  ...(
    [
      [A, SA],
      [B, SB],
      [C, SC],
    ] as const
  ).map(
    ([node, clusterServer]) =>
      ({
        kind: 'meet',
        node,
        facts: { ...UNSEEN, peerAddress: `${node}:1`, clusterServer },
      }) as const,
  ),
];
const LEAD_A = { kind: 'lead', basis: 0, node: A, server: SA, by: 'begin', why: '' } as const;
const OPENED_A = { kind: 'opened', decision: 5, history: H1, from: null } as const;
const LEAD_B = { kind: 'lead', basis: 5, node: B, server: SB, by: 'force', why: 'gone' } as const;

test('who takes over a shard goes on from the history of who had it, until one has opened', () => {
  const { state, answers } = played(...BEGIN, LEAD_A, OPENED_A, LEAD_B, {
    ...LEAD_B,
    ...{ basis: 7, node: C, server: SC, by: 'takeover' },
  });
  deepEqual(codes(answers.slice(4)), ['ok', 'ok', 'ok', 'ok']);
  const former = { node: A, server: SA };
  const common = { base: H1, history: null, former };
  deepEqual(state.shards?.leads, [{ decision: 8, node: C, server: SC, by: 'takeover', ...common }]);
  equal(state.history.find(({ index }) => index === 7)?.outcome, 'replaced');
});

test('a decision on what is not in force any more is refused, and so is a second shard', () => {
  const { state, answers } = played(
    ...BEGIN,
    LEAD_A,
    { ...LEAD_B, basis: 4 },
    { ...LEAD_A },
    { ...LEAD_A, server: SB },
    { kind: 'opened', decision: 4, history: H2, from: null },
    { ...OPENED_A },
    { ...OPENED_A, history: H2 },
  );
  deepEqual(codes(answers.slice(5)), [
    'OTHER_BASIS',
    'LEADS',
    'NO_SUCH_NODE',
    'OTHER_BASIS',
    'ok',
    'ok',
  ]);
  equal(state.shards?.leads[0]?.history, H1);
});

test('who leads a shard is not forgotten, and one that has no slots leads none', () => {
  const { state, answers } = played(
    ...BEGIN,
    LEAD_A,
    { kind: 'slotsGiven' },
    { kind: 'slotsGiven' },
    { kind: 'dismiss', node: A, by: 'order', why: 'somebody said so' },
    { kind: 'decide', basis: 1, voters: [B, C], why: 'it leaves' },
    { kind: 'forget', node: A },
    { kind: 'endLead', decision: 5 },
    { kind: 'endLead', decision: 5 },
    { kind: 'forget', node: A },
  );
  deepEqual(codes(answers.slice(4)), [
    ...['ok', 'ok', 'ok', 'ok', 'ok'],
    'HOLDS_DATA',
    ...['ok', 'ok', 'ok'],
  ]);
  deepEqual(state.shards, { isFounded: true, leads: [] });
});

test('many shards stay many, and one stays one', () => {
  const change = (shards: number) =>
    ({ kind: 'spec', change: { shards }, ifVersion: null }) as const;
  const many = played(...BEGIN, change(3), change(1), {
    ...{ kind: 'spec', ifVersion: null, change: { maxLostBytes: 7 } },
  });
  deepEqual(codes(many.answers.slice(4)), ['ok', 'OTHER_MODE', 'MANY_SHARDS']);
  equal(many.state.spec?.eventual?.shards, 3);
  equal(many.state.history.at(-1)?.text, 'shards 2 -> 3');
  const { shards: _, ...one } = EVENTUAL;
  const found = { kind: 'found', spec: specFounded(3, null, { eventual: one }), founders: [A] };
  const few = played(found as Without<Command>, change(2), LEAD_A, change(1));
  deepEqual(codes(few.answers), ['ok', 'OTHER_MODE', 'ONE_SHARD', 'ok']);
  equal(parseSpec({ ...specFounded(1, null), eventual: { ...EVENTUAL, shards: 0 } }), null);
});

test('what is no lead, and no server, is not read', () => {
  for (const bad of [{ server: 'x' }, { by: 'chance' }, { basis: -1 }, { node: '' }]) {
    const bytes = Buffer.from(JSON.stringify({ ...LEAD_A, atMs: 1, ...bad }));
    equal(decodeCommand(Buffer.concat([Buffer.of(4, 1), bytes])), null, JSON.stringify(bad));
  }
  const { state } = played(...BEGIN, LEAD_A);
  const bent = { ...state, shards: { isFounded: 1, leads: [] } } as unknown as ControlState;
  equal(decodeState(encodeState(bent)), null);
});
