import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from './outcomes.ts';

const outcomeOf = (text: string): string => judge({ is: 'error', text }).outcome;

test('what is refused before it could run has failed', () => {
  const refusals = [
    ...['CLUSTERDOWN No leader: an election', "READONLY You can't write", 'LOADING Redis is'],
    ...['EXECABORT Transaction discarded', 'NOREPLICAS Not enough', 'MASTERDOWN Link with'],
    ...['UNBLOCKED force unblock', 'ERR max number of clients reached'],
  ];
  for (const text of refusals) {
    assert.equal(outcomeOf(text), 'fail', text);
    assert.equal(judge({ is: 'error', text }).isOdd, false, text);
  }
});

test('every other error leaves the outcome unknown, and a person is told', () => {
  for (const text of ['ERR something', 'WRONGTYPE Operation', 'CLUSTERDOWNISH', 'READONLYX', '']) {
    assert.equal(outcomeOf(text), 'unknown', text);
    assert.equal(judge({ is: 'error', text }).isOdd, true, text);
  }
});

test('silence after something was sent is unknown, and before that a failure', () => {
  assert.equal(judge({ is: 'silence', why: 'timeout', sent: true }).outcome, 'unknown');
  assert.equal(judge({ is: 'silence', why: 'closed', sent: true }).outcome, 'unknown');
  assert.equal(judge({ is: 'silence', why: 'refused', sent: false }).outcome, 'fail');
});

test('any value is ok, nil as well', () => {
  assert.equal(judge({ is: 'value', value: null }).outcome, 'ok');
  assert.equal(judge({ is: 'value', value: [] }).outcome, 'ok');
});
