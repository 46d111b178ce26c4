import assert from 'node:assert/strict';
import { test } from 'node:test';
import { panicsIn } from './logs.ts';

test('words of panic are found, each line once', () => {
  const panics = [
    '{"level":60,"msg":"InvariantError: term went back"}',
    'AssertionError [ERR_ASSERTION]: no',
    '12:M 01 Jan # === REDIS BUG REPORT START: Cut & paste',
    '12:M 01 Jan # === ASSERTION FAILED ===',
    '(node:12) UnhandledPromiseRejectionWarning',
    '    at Object.<anonymous> (/somewhere/agent.ts:12:3)',
    'FATAL ERROR: Reached heap limit Allocation failed',
  ];
  for (const line of panics) assert.deepEqual(panicsIn(`fine\n${line}\n${line}\n`), [line.trim()]);
});

test('an ordinary log has none', () => {
  const log = '{"level":30,"msg":"leader of term 4"}\n{"level":40,"msg":"the server exited"}\n';
  assert.deepEqual(panicsIn(log), []);
});
