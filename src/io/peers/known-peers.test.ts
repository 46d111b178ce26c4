import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Hello, Refusal } from './hello.ts';
import { KnownPeers } from './known-peers.ts';

function hello(incarnation: number, change: Partial<Hello> = {}): Hello {
  return {
    name: 'orders',
    deployment: '',
    node: 'n1',
    directory: '00000001',
    incarnation,
    run: incarnation.toString(16).padStart(8, '0'),
    phase: 'empty',
    charter: null,
    clientAddress: '',
    httpAddress: '',
    peerAddress: '',
    serverVersion: '',
    ...change,
  };
}

test('H9: an older start whose admission takes long is refused once a newer one is in', () => {
  const answers: ((refusal: Refusal | null) => void)[] = [];
  const known = new KnownPeers((_hello, done) => answers.push(done), 16);
  const results: string[] = [];
  known.admit(hello(1), (refusal) => results.push(`1 ${refusal?.code ?? 'in'}`));
  known.admit(hello(2), (refusal) => results.push(`2 ${refusal?.code ?? 'in'}`));
  answers[1]?.(null);
  answers[0]?.(null);
  deepEqual(results, ['2 in', '1 OLD_INCARNATION']);
});

test('H9: another run of a start that was seen is refused, also when the first one is gone', () => {
  const known = new KnownPeers((_hello, done) => done(null), 16);
  const results: string[] = [];
  for (const run of ['aaaaaaaa', 'bbbbbbbb', 'aaaaaaaa'])
    known.admit(hello(1, { run }), (refusal) => results.push(refusal?.code ?? 'in'));
  deepEqual(results, ['in', 'OLD_INCARNATION', 'in']);
});

test('H9: a directory that was set back is refused however often it is started again', () => {
  const known = new KnownPeers((_hello, done) => done(null), 16);
  const results: string[] = [];
  const start = (incarnation: number, ...runs: string[]) =>
    known.admit(hello(incarnation, { run: runs.pop() ?? '', earlierRuns: runs }), (refusal) =>
      results.push(refusal?.code ?? 'in'),
    );
  start(2, 'a1', 'a2');
  start(5, 'a1', 'a2', 'a3', 'a4', 'a5');
  start(5, 'a1', 'a2', 'a3', 'a4', 'b5');
  start(6, 'a1', 'a2', 'a3', 'a4', 'b5', 'b6');
  start(9, 'a4', 'b5', 'b6', 'b7', 'b8', 'b9');
  start(7, 'a4', 'a5', 'a6', 'a7');
  start(40, 'a38', 'a39', 'a40');
  const old = 'OLD_INCARNATION';
  deepEqual(results, ['in', 'in', old, old, old, 'in', 'in']);
});

test('KnownPeers asks once per run, and takes news only in their order', () => {
  let asked = 0;
  const known = new KnownPeers((_hello, done) => {
    asked += 1;
    done(null);
  }, 16);
  for (let i = 0; i < 3; i++) known.admit(hello(1), (refusal) => equal(refusal, null));
  equal(asked, 1);
  const news = hello(1, { clientAddress: 'h:1' });
  const update = (revision: number, theirs: Hello) =>
    known.update({ purpose: 'raft', revision, hello: theirs });
  equal(update(5, news), true);
  equal(update(4, hello(1)), false, 'older');
  equal(update(6, news), false, 'the same again');
  equal(known.newest(hello(1)).clientAddress, 'h:1');
});

test('KnownPeers remembers a bounded number of directories', () => {
  let asked = 0;
  const known = new KnownPeers((_hello, done) => {
    asked += 1;
    done(null);
  }, 4);
  const visit = (n: number) =>
    known.admit(hello(1, { directory: n.toString(16).padStart(8, '0') }), () => undefined);
  for (let n = 0; n < 10; n++) visit(n);
  visit(9);
  equal(asked, 10);
  visit(0);
  equal(asked, 11, 'the oldest was forgotten');
});
