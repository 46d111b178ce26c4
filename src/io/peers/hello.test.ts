import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { charterOf } from '../../core/charter/charter.ts';
import { ProtocolError } from './frame-reader.ts';
import {
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  HELLO_BYTES_MAX,
  type Hello,
  isSameLife,
  judgeHello,
  judgeIncarnation,
  PROTOCOL,
} from './hello.ts';

const directory = (n: number) => n.toString(16).padStart(16, '0');

function hello(node: number, change: Partial<Hello> = {}): Hello {
  return {
    name: 'orders',
    deployment: '',
    node: `n${node}`,
    directory: directory(node),
    incarnation: 1,
    run: directory(1000 + node),
    phase: 'empty',
    charter: null,
    clientAddress: '127.0.0.1:1',
    httpAddress: '127.0.0.1:2',
    peerAddress: '127.0.0.1:3',
    serverVersion: '7.0.15',
    ...change,
  };
}

const OWN = hello(1);
const bytes = (theirs: Hello) =>
  Buffer.concat(encodeHello({ purpose: 'raft', revision: 3, hello: theirs }).parts);

function codeOf(body: Buffer, own = OWN): string {
  const verdict = judgeHello(body, own);
  return verdict.ok ? 'welcome' : verdict.refusal.code;
}

/** The hello of node 2 with some fields replaced by anything. */
function codeWith(change: Record<string, unknown>, own = OWN): string {
  const fields = JSON.parse(bytes(hello(2)).toString()) as Record<string, unknown>;
  return codeOf(Buffer.from(JSON.stringify({ ...fields, ...change })), own);
}

test('judgeHello gives back what was said', () => {
  const charter = charterOf('orders', [
    { node: 'n1', directory: directory(1) },
    { node: 'n2', directory: directory(2) },
  ]);
  for (const theirs of [
    hello(2),
    hello(2, { sees: [directory(2), directory(3)], expect: 3 }),
    hello(2, { phase: 'signed', charter, rdbVersion: 11 }),
    hello(2, { phase: 'signed', charter, sees: [directory(2)], expect: 1 }),
    hello(2, { phase: 'member', charter, deployment: 'ab'.repeat(16) }),
    hello(2, { phase: 'joined', charter, directory: directory(9) }),
    hello(4, { phase: 'joined', charter, zone: 'east', ephemeral: true }),
  ]) {
    const verdict = judgeHello(bytes(theirs), OWN);
    ok(verdict.ok);
    deepEqual(verdict.greeting, { purpose: 'raft', revision: 3, hello: theirs });
  }
});

test('a hello with the largest charter and the longest names fits its bound', () => {
  const long = 'n'.repeat(61);
  const members = Array.from({ length: 64 }, (_, i) => ({
    node: `${long}${i + 10}`,
    directory: directory(i).padStart(64, '0'),
  }));
  const charter = charterOf(
    'd'.repeat(63),
    members.map((member, i) => ({
      ...member,
      directory: (i + 1).toString(16).padStart(8, '0').padEnd(64, '0'),
      witness: true,
    })),
  );
  const [first] = charter.members;
  const large = hello(1, {
    ...first,
    name: charter.name,
    phase: 'signed',
    charter,
    sees: charter.members.map((member) => member.directory),
    expect: 64,
    deployment: 'ab'.repeat(16),
    clientAddress: 'h'.repeat(256),
    httpAddress: 'h'.repeat(256),
    peerAddress: 'h'.repeat(256),
    zone: 'z'.repeat(256),
    ephemeral: true,
  });
  ok(bytes(large).length <= HELLO_BYTES_MAX);
});

test('judgeHello: protocol, name and deployment are judged before anything else is looked at', () => {
  const [a, b] = ['aa'.repeat(16), 'bb'.repeat(16)];
  const member = { ...OWN, deployment: a };
  equal(codeWith({ protocol: PROTOCOL + 1, name: 'other', node: 7 }), 'WRONG_PROTOCOL');
  equal(codeWith({ protocol: undefined }), 'WRONG_PROTOCOL');
  equal(codeWith({ protocol: 4 }), 'WRONG_PROTOCOL', 'it reads another charter than was signed');
  equal(codeWith({ name: 'other', node: 7, run: null }), 'WRONG_NAME');
  equal(codeWith({ deployment: b, node: 7 }, member), 'WRONG_DEPLOYMENT');
  equal(codeWith({ deployment: b }), 'welcome', 'one side has none');
  equal(codeWith({ deployment: '' }, member), 'welcome', 'the other side has none');
  equal(codeWith({ leaseReads: true }), 'REFUSED', 'who keeps no promises breaks the leases');
  equal(codeWith({}, { ...OWN, leaseReads: true }), 'REFUSED');
  equal(codeWith({ leaseReads: true }, { ...OWN, leaseReads: true }), 'welcome');
});

test('judgeHello: nodes of another consistency are refused, and told so', () => {
  const eventual = { ...OWN, eventual: true };
  const verdict = judgeHello(bytes(hello(2)), eventual);
  ok(!verdict.ok);
  equal(verdict.refusal.code, 'WRONG_CONSISTENCY');
  equal(
    verdict.refusal.text,
    '"n2" was started with --consistency strong, "n1" with --consistency eventual',
  );
  ok(!judgeHello(bytes(hello(2, { eventual: true })), OWN).ok);
  ok(judgeHello(bytes(hello(2, { eventual: true })), eventual).ok);
});

test('judgeHello: a hello that is incomplete or contradicts itself is malformed', () => {
  const charter = charterOf('orders', [{ node: 'n2', directory: directory(2) }]);
  const foreign = charterOf('orders', [{ node: 'n3', directory: directory(3) }]);
  const bad: Record<string, unknown>[] = [
    { deployment: 7 },
    { deployment: '../..' },
    { node: '' },
    { node: 'a@b' },
    { directory: 'zz' },
    { incarnation: -1 },
    { incarnation: '1' },
    { run: 'x' },
    { purpose: 'admin' },
    { phase: 'king' },
    { phase: 'signed', charter: null },
    { phase: 'member', charter: foreign },
    { phase: 'joined', charter },
    { zone: 3 },
    { ephemeral: 'yes' },
    { phase: 'empty', charter },
    { phase: 'member', charter: { ...charter, name: 'other' } },
    { peerAddress: 'h'.repeat(5000) },
    { rdbVersion: 'eleven' },
    { sees: 'everybody' },
    { sees: ['nobody'], expect: 1 },
    { sees: [directory(2)] },
    { expect: 1 },
    { sees: [directory(2)], expect: 0 },
    { sees: [directory(2)], expect: 65 },
    { phase: 'member', charter, sees: [directory(2)], expect: 1 },
    { phase: 'signed', charter: { ...charter, round: 0 } },
    { phase: 'signed', charter: { ...charter, round: 1_001 } },
  ];
  for (const change of bad) equal(codeWith(change), 'MALFORMED', JSON.stringify(change));
});

test('judgeHello: what is no JSON object is a ProtocolError', () => {
  for (const text of ['', '{', '[]', 'null', '"x"', '7'])
    throws(() => judgeHello(Buffer.from(text), OWN), ProtocolError, text);
  throws(() => judgeHello(Buffer.alloc(HELLO_BYTES_MAX + 1, 32), OWN), ProtocolError);
});

test('judgeHello: the own process is SELF, another one on the own directory is refused', () => {
  equal(codeOf(bytes(OWN)), 'SELF');
  equal(codeOf(bytes({ ...OWN, run: directory(5) })), 'OLD_INCARNATION');
});

test('H9: an older start of a directory is refused, and a second process of one start', () => {
  const code = (incarnation: number, run: string, knownRun: string | null = 'aaaa') =>
    judgeIncarnation({ incarnation: 5, run: knownRun }, hello(2, { incarnation, run }))?.code ??
    'welcome';
  equal(judgeIncarnation(undefined, hello(2)), null);
  equal(code(4, 'bbbb'), 'OLD_INCARNATION');
  equal(code(5, 'bbbb'), 'OLD_INCARNATION');
  equal(code(4, 'bbbb', null), 'OLD_INCARNATION');
  equal(code(5, 'bbbb', null), 'welcome', 'recorded before runs were');
  equal(code(5, 'aaaa'), 'welcome');
  equal(code(6, 'bbbb'), 'welcome');
});

test('isSameLife: addresses and phase may change, the process may not', () => {
  ok(isSameLife(OWN, { ...OWN, clientAddress: 'x:1', phase: 'signed' }));
  for (const change of [{ run: 'b' }, { incarnation: 2 }, { node: 'z' }, { directory: 'ff' }])
    equal(isSameLife(OWN, { ...OWN, ...change }), false);
});

test('a refusal comes back with its code; an unknown code keeps its words', () => {
  const refusal = { code: 'WRONG_NAME' as const, text: 'another name' };
  deepEqual(decodeRefusal(Buffer.concat(encodeRefusal(refusal).parts)), refusal);
  deepEqual(decodeRefusal(Buffer.from('{"refused":"NEWER_CODE"}')), {
    code: 'REFUSED',
    text: 'NEWER_CODE',
  });
});
