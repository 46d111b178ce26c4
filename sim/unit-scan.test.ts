import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCommand } from '../src/core/resp/writer.ts';
import { unitEnds } from './unit-scan.ts';

const SET = encodeCommand(['SET', 'k', 'MULTI']);
const MULTI = encodeCommand(['MULTI']);
const EXEC = encodeCommand(['exec']);

test('a transaction is one unit, and so is every other command', () => {
  const end = 3 * SET.length + MULTI.length + EXEC.length;
  const transaction = Buffer.concat([SET, MULTI, SET, SET, EXEC]);
  deepEqual(unitEnds(transaction), [SET.length, end]);
});

test('what is cut inside a command or a transaction is no whole unit', () => {
  equal(typeof unitEnds(Buffer.concat([SET, MULTI, SET])), 'string');
  equal(typeof unitEnds(Buffer.concat([SET, EXEC])), 'string');
  for (let at = 1; at < SET.length; at += 1) {
    equal(typeof unitEnds(SET.subarray(0, at)), 'string');
    equal(typeof unitEnds(SET.subarray(at)), 'string');
  }
});
