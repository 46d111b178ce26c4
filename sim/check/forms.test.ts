import { deepEqual, equal, match, notEqual, throws } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkHistory } from './check.ts';
import { toElle } from './elle.ts';
import { type Operation, Recorder, type Step } from './history.ts';
import { BadHistory, parseLines, writeLines } from './history-lines.ts';
import { toPorcupineEtcd, toPorcupineKv } from './porcupine.ts';

function recorded(): Operation[] {
  const recorder = new Recorder();
  const a = recorder.begin(0, 10, [
    { f: 'append', key: 'l', value: '1' },
    { f: 'range', key: 'l' },
  ]);
  const b = recorder.begin(1, 11, [{ f: 'append', key: 'l', value: '2' }]);
  recorder.ok(a, 15, [1, ['1']]);
  const c = recorder.begin(0, 16, [{ f: 'append', key: 'l', value: '3' }]);
  recorder.unknown(b, 20);
  recorder.fail(c, 21);
  recorder.begin(1, 22, [{ f: 'range', key: 'l' }]);
  const d = recorder.begin(0, 30, [{ f: 'range', key: 'l' }]);
  recorder.ok(d, 31, [['1', '2']]);
  return recorder.operations();
}

test('a recorder keeps every operation, and what never ended is unknown', () => {
  const outcomes = recorded().map(({ outcome, return: end }) => [outcome, end]);
  deepEqual(outcomes, [
    ['ok', 15],
    ['unknown', 20],
    ['fail', 21],
    ['unknown', null],
    ['ok', 31],
  ]);
  equal(checkHistory(recorded()).verdict, 'ok');
});

test('an operation ends once, and not before it began', () => {
  const recorder = new Recorder();
  const id = recorder.begin(0, 5, [{ f: 'read', key: 'x' }]);
  throws(() => recorder.ok(id, 4, [null]), /after it began/);
  recorder.fail(recorder.begin(0, 5, [{ f: 'read', key: 'x' }]), 6);
  throws(() => recorder.unknown(1, 7), /ends once/);
});

const EVERY_STEP: readonly Step[] = [
  { f: 'read', key: 'a', result: null },
  { f: 'write', key: 'a', value: 'é"\n' },
  { f: 'cas', key: 'a', from: null, to: '1', result: false },
  { f: 'getset', key: 'a', value: '2', result: '1' },
  { f: 'incr', key: 'c', by: -3, result: 4 },
  { f: 'append', key: 'l', value: '1', result: 1 },
  { f: 'push', key: 'l', value: '0' },
  { f: 'range', key: 'l', result: ['0', '1'] },
  { f: 'lpop', key: 'l', result: '0' },
  { f: 'rpop', key: 'l', result: '1' },
  { f: 'blpop', key: 'l', result: null },
  { f: 'brpop', key: 'l' },
  { f: 'len', key: 'l', result: 0 },
  { f: 'sadd', key: 's', value: 'm', result: true },
  { f: 'srem', key: 's', value: 'm', result: true },
  { f: 'sismember', key: 's', value: 'm', result: false },
  { f: 'smembers', key: 's', result: [] },
  { f: 'spop', key: 's', result: null },
  { f: 'hset', key: 'h', field: 'f', value: '1', result: true },
  { f: 'hget', key: 'h', field: 'f', result: '1' },
  { f: 'hgetall', key: 'h', result: [['f', '1']] },
  { f: 'hincr', key: 'h', field: 'f', by: 1, result: 2 },
  { f: 'hdel', key: 'h', field: 'f', result: true },
  { f: 'delete', key: 'a', result: true },
  { f: 'exists', key: 'a', result: false },
];

test('what is written as lines is read back as it was, with every kind of step', () => {
  const history = EVERY_STEP.map(
    (step, at): Operation => ({
      process: at,
      call: at,
      return: at + 1,
      outcome: 'ok',
      steps: [step],
    }),
  );
  const all = [...history, ...recorded()];
  deepEqual(parseLines(writeLines(all)), JSON.parse(JSON.stringify(all)));
});

const LINE = '"process":0,"call":1,"return":2,"outcome":"ok"';
const BAD_LINES: readonly (readonly [string, RegExp])[] = [
  ['{', /line 1/],
  ['[]', /an operation must be an object/],
  ['{"process":0,"call":3,"return":2,"outcome":"ok","steps":[]}', /return must be/],
  [`{${LINE.replace('2', 'null')},"steps":[{"f":"read","key":"x"}]}`, /never returned/],
  [`{${LINE},"steps":[]}`, /steps must be a list/],
  [`{${LINE},"steps":[{"f":"toString","key":"x"}]}`, /f is not a kind/],
  [`{${LINE},"steps":[{"f":"read","key":1}]}`, /key must be/],
  [`{${LINE},"steps":[{"f":"read","key":"x","result":1}]}`, /result does not fit/],
  [`{${LINE},"steps":[{"f":"read","key":"x","value":"1"}]}`, /read has no value/],
  [`{${LINE},"steps":[{"f":"incr","key":"x","by":0.5}]}`, /by does not fit/],
];

test('a line that is not an operation is refused with its number and the reason', () => {
  for (const [line, reason] of BAD_LINES) {
    throws(
      () => parseLines(line),
      (error) => error instanceof BadHistory && reason.test(error.message),
    );
  }
  throws(() => parseLines(`\n\n${'{'}`), /line 3/);
});

test("Elle's form: events in order, nil in what was asked, an unknown one ends its process", () => {
  const [first, ...others] = toElle(recorded()).trim().split('\n');
  match(first ?? '', /^\{:index 0, :time 10, :process 0, :type :invoke, :f :txn, /);
  match(first ?? '', /:value \[\[:append "l" 1\] \[:r "l" nil\]\]\}$/);
  deepEqual(others, [
    '{:index 1, :time 11, :process 1, :type :invoke, :f :txn, :value [[:append "l" 2]]}',
    '{:index 2, :time 15, :process 0, :type :ok, :f :txn, :value [[:append "l" 1] [:r "l" [1]]]}',
    '{:index 3, :time 16, :process 0, :type :invoke, :f :txn, :value [[:append "l" 3]]}',
    '{:index 4, :time 21, :process 0, :type :fail, :f :txn, :value [[:append "l" 3]]}',
    '{:index 5, :time 22, :process 2, :type :invoke, :f :txn, :value [[:r "l" nil]]}',
    '{:index 6, :time 30, :process 0, :type :invoke, :f :txn, :value [[:r "l" nil]]}',
    '{:index 7, :time 31, :process 0, :type :ok, :f :txn, :value [[:r "l" [1 2]]]}',
    '{:index 8, :time 31, :process 1, :type :info, :f :txn, :value [[:append "l" 2]]}',
    '{:index 9, :time 31, :process 2, :type :info, :f :txn, :value [[:r "l" nil]]}',
  ]);
});

test("Elle's form: elements are texts when one of them is not a whole number", () => {
  const step: Step = { f: 'append', key: 'l', value: 'a1' };
  const history = [{ process: 0, call: 0, return: 1, outcome: 'ok', steps: [step] } as const];
  match(toElle([...recorded(), ...history]), /\[:append "l" "3"\]/);
});

function single(call: number, step: Step, outcome: Operation['outcome'] = 'ok'): Operation {
  return { process: call, call, return: call + 1, outcome, steps: [step] };
}

test("porcupine's key-value form matches the patterns of its parser", () => {
  const { text, leftOut } = toPorcupineKv([
    single(0, { f: 'write', key: 'r', value: 'a' }),
    single(2, { f: 'read', key: 'r', result: 'a' }),
    single(4, { f: 'read', key: 'q', result: null }),
    single(6, { f: 'append', key: 'l', value: '1' }),
    single(8, { f: 'append', key: 'l', value: '2' }, 'unknown'),
    single(10, { f: 'range', key: 'l', result: ['1'] }),
    single(12, { f: 'write', key: 'r', value: 'b' }, 'fail'),
    single(14, { f: 'sadd', key: 's', value: 'm', result: true }),
  ]);
  deepEqual(leftOut, ['s']);
  deepEqual(text.trim().split('\n').slice(0, 8), [
    '{:process 0, :type :invoke, :f :put, :key "r", :value "a"}',
    '{:process 0, :type :ok, :f :put, :key "r", :value "a"}',
    '{:process 2, :type :invoke, :f :get, :key "r", :value nil}',
    '{:process 2, :type :ok, :f :get, :key "r", :value "a"}',
    '{:process 4, :type :invoke, :f :get, :key "q", :value nil}',
    '{:process 4, :type :ok, :f :get, :key "q", :value ""}',
    '{:process 6, :type :invoke, :f :append, :key "l", :value "1;"}',
    '{:process 6, :type :ok, :f :append, :key "l", :value "1;"}',
  ]);
  match(text, /:process 8, :type :invoke, :f :append/);
  equal(/:process 8, :type :ok/.test(text) || /:process 12/.test(text), false);
  match(text, /:f :get, :key "l", :value "1;"}\n$/);
});

test("porcupine's etcd form has the columns of Jepsen's log", () => {
  const history = [
    single(0, { f: 'write', key: 'r', value: '4' }),
    single(2, { f: 'cas', key: 'r', from: '4', to: '1', result: true }),
    single(4, { f: 'cas', key: 'r', from: '4', to: '2', result: false }),
    single(6, { f: 'read', key: 'r', result: '1' }),
  ];
  const lines = toPorcupineEtcd(history, 'r')?.trim().split('\n') ?? [];
  deepEqual(
    lines.map((line) => line.replace('INFO  jepsen.util - ', '').replaceAll('\t', ' ')),
    [
      ...['0 :invoke :write 4', '0 :ok :write 4', '2 :invoke :cas [4 1]', '2 :ok :cas [4 1]'],
      ...['4 :invoke :cas [4 2]', '4 :fail :cas [4 2]', '6 :invoke :read nil', '6 :ok :read 1'],
    ],
  );
  equal(toPorcupineEtcd([single(0, { f: 'write', key: 'r', value: 'a' })], 'r'), null);
});

test('the command says what it found: 0 clean, 1 anomalies, 2 a file that is none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'check-'));
  try {
    const command = (...args: string[]) =>
      spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
        encoding: 'utf8',
      });
    const good = join(folder, 'good.jsonl');
    writeFileSync(good, writeLines(recorded()));
    const elle = join(folder, 'elle.edn');
    const clean = command(good, '--elle', elle, '--porcupine', join(folder, 'kv.txt'));
    equal(clean.status, 0, clean.stderr);
    match(clean.stdout, /verdict: ok, 5 operations.*\n$/);
    equal(readFileSync(elle, 'utf8'), toElle(recorded()));
    const bad = join(folder, 'bad.jsonl');
    writeFileSync(
      bad,
      writeLines([...recorded(), single(40, { f: 'range', key: 'l', result: ['2'] })]),
    );
    const found = command(bad, '--json', join(folder, 'found.json'));
    equal(found.status, 1);
    match(found.stdout, /incompatible-order[\s\S]*verdict: VIOLATED, .*\n$/);
    notEqual(JSON.parse(readFileSync(join(folder, 'found.json'), 'utf8')).anomalies.length, 0);
    writeFileSync(bad, 'no history');
    equal(command(bad).status, 2);
    equal(command(join(folder, 'nowhere')).status, 2);
    equal(command().status, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
