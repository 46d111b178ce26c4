import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AgentLog } from './agent-log.ts';

test('a log within its bound is left alone; beyond it, it is kept aside once and cut', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'up-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'agent.log');
  const log = new AgentLog(path, 100);
  appendFileSync(path, 'a'.repeat(100));
  log.rotate();
  assert.equal(statSync(path).size, 100);
  appendFileSync(path, 'b');
  log.rotate();
  assert.equal(statSync(path).size, 0);
  assert.equal(readFileSync(`${path}.1`, 'utf8'), `${'a'.repeat(100)}b`);
  log.close();
});

test('of a JSON line the last words are its event and its error', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'up-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'agent.log');
  const log = new AgentLog(path);
  const from = log.position();
  appendFileSync(path, '{"level":"error","event":"disk.failed","error":"ENOSPC"}\n');
  assert.equal(log.lastWords(from), 'disk.failed: ENOSPC');
  const error = { message: 'SERVER_TOO_OLD: /x', stack: `Error\n${' at y\n'.repeat(700)}` };
  appendFileSync(path, `${JSON.stringify({ event: 'agent.failed', error })}\n`);
  assert.equal(log.lastWords(from), 'agent.failed: SERVER_TOO_OLD: /x');
  assert.equal(log.lastWords(log.position()), '');
  log.close();
});
