import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueLog } from './queue.ts';

function log(
  pushes: Readonly<Record<string, 'ok' | 'fail' | 'unknown'>>,
  pops: string[],
): QueueLog {
  const queue = new QueueLog();
  for (const [element, fate] of Object.entries(pushes)) queue.push(element, fate);
  for (const element of pops) queue.pop(element);
  return queue;
}

test('what was pushed and came out once, or lies there, is well', () => {
  assert.deepEqual(log({ a: 'ok', b: 'ok', c: 'unknown' }, ['a']).verdict(['b']).problems, []);
});

test('an element that comes out twice is seen, also when it still lies there', () => {
  assert.match(log({ a: 'ok' }, ['a', 'a']).verdict([]).problems.join(), /1 .*more than once: a/);
  assert.match(log({ a: 'ok' }, ['a']).verdict(['a']).problems.join(), /1 .*more than once: a/);
});

test('an acknowledged element that is nowhere is lost, unless a pop may have taken it untold', () => {
  assert.match(log({ a: 'ok' }, []).verdict([]).problems.join(), /1 acknowledged .* missing.*: a/);
  const untold = log({ a: 'ok', b: 'ok' }, []);
  untold.unknownPop();
  assert.match(untold.verdict([]).problems.join(), /2 acknowledged/);
  untold.unknownPop();
  assert.deepEqual(untold.verdict([]).problems, []);
  assert.equal(untold.verdict([]).missing, 2);
});

test('an unknown push may be missing, and a refused one may not come out', () => {
  assert.deepEqual(log({ a: 'unknown' }, []).verdict([]).problems, []);
  assert.deepEqual(log({ a: 'unknown' }, ['a']).verdict([]).problems, []);
  assert.match(log({ a: 'fail' }, ['a']).verdict([]).problems.join(), /refused: a/);
  assert.match(log({}, ['z']).verdict([]).problems.join(), /nobody pushed: z/);
});
