import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeReply, failure, OK, type ReplyValue } from './reply-value.ts';

test('encodeReply: each value in RESP2 and RESP3', () => {
  const map: ReplyValue = {
    kind: 'map',
    pairs: [
      ['a', 1],
      ['b', ['x']],
    ],
  };
  const cases: [value: ReplyValue, two: string, three?: string][] = [
    ['é', '$2\r\né\r\n'],
    ['', '$0\r\n\r\n'],
    [7, ':7\r\n'],
    [null, '$-1\r\n', '_\r\n'],
    [{ kind: 'nothing' }, '*-1\r\n', '_\r\n'],
    [[], '*0\r\n'],
    [['a', [1]], '*2\r\n$1\r\na\r\n*1\r\n:1\r\n'],
    [OK, '+OK\r\n'],
    [failure('ERR no\r\n+OK'), '-ERR no +OK\r\n'],
    [
      map,
      '*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n$1\r\nx\r\n',
      '%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n$1\r\nx\r\n',
    ],
    [{ kind: 'push', items: ['a'] }, '*1\r\n$1\r\na\r\n', '>1\r\n$1\r\na\r\n'],
  ];
  for (const [value, two, three = two] of cases) {
    deepEqual(encodeReply(value, 2).toString(), two);
    deepEqual(encodeReply(value, 3).toString(), three);
  }
});
