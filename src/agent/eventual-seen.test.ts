import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { seenFrom } from './eventual-seen.ts';

const SAID = [
  'role:master',
  `master_replid:${'a'.repeat(40)}`,
  'master_repl_offset:70',
  'aof_enabled:1',
  'aof_rewrite_in_progress:0',
  'aof_rewrite_scheduled:0',
  'aof_last_bgrewrite_status:ok',
  'aof_buffer_length:0',
  'aof_last_write_status:ok',
].join('\r\n');

test('what a server has answered is on disk only where nothing waits for its file', () => {
  equal(seenFrom(SAID, 0)?.isOnDisk, true);
  for (const [is, other] of [
    ['aof_buffer_length:0', 'aof_buffer_length:31'],
    ['aof_enabled:1', 'aof_enabled:0'],
    ['aof_rewrite_in_progress:0', 'aof_rewrite_in_progress:1'],
    ['aof_last_write_status:ok', 'aof_last_write_status:err'],
    ['aof_last_bgrewrite_status:ok', 'aof_last_bgrewrite_status:err'],
  ] as const)
    equal(seenFrom(SAID.replace(is, other), 0)?.isOnDisk, false, other);
});
