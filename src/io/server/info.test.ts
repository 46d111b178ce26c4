import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { parseInfo, versionOf } from './info.ts';
import { OutputTail } from './output-tail.ts';

test('parseInfo: facts that INFO told, and null for those it did not', () => {
  const info = parseInfo(
    '# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrun_id:abc\r\n\r\n' +
      '# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_repl_offset:553\r\n' +
      'config_file:/a:b/c\r\n',
  );
  equal(versionOf(info), 'valkey 8.0.1');
  equal(info.role, 'replica');
  equal(info.isLinkUp, true);
  equal(info.replOffset, 553);
  equal(info.unexpectedErrorReplies, null);
  equal(info.isLoading, null);
  equal(info.fields.get('config_file'), '/a:b/c');
  equal(versionOf(parseInfo('redis_version:7.0.15')), 'redis 7.0.15');
  equal(versionOf(parseInfo('')), null);
});

test('OutputTail keeps the last lines, however they are cut, and tells each once', () => {
  const told: string[] = [];
  const tail = new OutputTail((line) => told.push(line));
  for (const text of ['on', 'e\n\ntw', 'o\r\n', 'x'.repeat(5_000)]) tail.push(text);
  deepEqual(told, ['one', 'two']);
  deepEqual(
    tail.lines(2).map((line) => line.slice(0, 3)),
    ['two', 'xxx'],
  );
  for (let i = 0; i < 100; i++) tail.push(`line ${i}\n`);
  equal(tail.lines(1_000).length, 40);
  deepEqual(tail.lines(1), ['line 99']);
});
