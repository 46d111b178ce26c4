import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { isNews, leaseAnsweredFrom, leaseAskedFrom, standingFrom } from './words.ts';

const H1 = '1'.repeat(40);
const QUESTION = { decision: 7, run: 3, serial: 9 };
const ASKED = { ...QUESTION, history: H1, from: { history: H1, offset: 4 }, offset: 5 };
const STANDING = { history: H1, offset: 5, isExact: true, isUp: true, priority: 1, released: 7 };

test('what agents say is read as it was said', () => {
  const through = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  deepEqual(leaseAskedFrom(through(ASKED)), ASKED);
  const bare = { ...ASKED, history: null, from: null };
  deepEqual(leaseAskedFrom(through(bare)), bare);
  const answered = { ...QUESTION, answer: 'granted' };
  deepEqual(leaseAnsweredFrom(through(answered)), answered);
  deepEqual(standingFrom(through(STANDING)), STANDING);
});

test('what others decide by is news, and how far a server is, is not', () => {
  equal(isNews(null, STANDING), true);
  equal(isNews(STANDING, { ...STANDING, offset: 6 }), false);
  for (const [name, value] of [
    ['history', null],
    ['isExact', false],
    ['isUp', false],
    ['released', 8],
  ] as const)
    equal(isNews(STANDING, { ...STANDING, [name]: value }), true, name);
});

test('what is none of it is nothing', () => {
  for (const [name, value] of [
    ['decision', -1],
    ['run', 0.5],
    ['serial', '9'],
    ['history', 'abc'],
    ['from', { history: H1 }],
    ['offset', null],
  ] as const)
    equal(leaseAskedFrom({ ...ASKED, [name]: value }), null, name);
  equal(leaseAnsweredFrom({ ...QUESTION, answer: 'maybe' }), null);
  for (const name of Object.keys(STANDING))
    equal(standingFrom({ ...STANDING, [name]: 'x' }), null, name);
  for (const value of [null, 7, 'x', []]) {
    equal(leaseAskedFrom(value), null);
    equal(leaseAnsweredFrom(value), null);
    equal(standingFrom(value), null);
  }
});
