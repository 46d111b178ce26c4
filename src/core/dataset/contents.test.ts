import { deepEqual, equal, notDeepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { contentsOf, keyRecord } from './contents.ts';

type Nested = string | readonly Nested[];

function raw(value: Nested): Buffer {
  if (typeof value === 'string') return Buffer.from(`$${Buffer.byteLength(value)}\r\n${value}\r\n`);
  return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(raw)]);
}

const STREAM = [
  ...['entries-added', '1', 'last-generated-id', '1-1', 'length', '1'],
  ...['entries', [['1-1', ['f', 'v']]]],
] as const;
const GROUP = ['name', 'g', 'last-delivered-id', '1-1', 'consumers', [['name', 'c']]] as const;
const PENDING = [['1-1', 'c', '5', '1']] as const;

test('contentsOf: the same content has one form, whatever server tells it', () => {
  const same: [type: string, one: Nested, other: Nested][] = [
    ['set', ['a', 'b', '\r\n'], ['\r\n', 'b', 'a']],
    ['hash', ['f', '1', 'g', '2'], ['g', '2', 'f', '1']],
    ['zset', ['a', '0.10000000000000001', 'b', 'inf'], ['a', '0.1', 'b', 'inf']],
    [
      'stream',
      [...STREAM, 'groups', [[...GROUP, 'pel', PENDING]]],
      [
        'length',
        '1',
        ...STREAM.slice(0, 4),
        ...STREAM.slice(6),
        'radix-tree-keys',
        '1',
        'groups',
        [[...GROUP, 'pending', PENDING, 'lag', '0']],
      ],
    ],
  ];
  for (const [type, one, other] of same)
    deepEqual(contentsOf(type, raw(one)), contentsOf(type, raw(other)), type);
});

test('contentsOf: other content has another form', () => {
  const unlike: [type: string, one: Nested, other: Nested][] = [
    ['string', 'a', 'b'],
    ['list', ['a', 'b'], ['b', 'a']],
    ['list', ['ab', 'c'], ['a', 'bc']],
    ['set', ['a'], ['a', '']],
    ['hash', ['a', 'b'], ['b', 'a']],
    ['zset', ['a', '1'], ['a', '-inf']],
    ['stream', [...STREAM, 'groups', []], [...STREAM, 'groups', [[...GROUP, 'pel', PENDING]]]],
  ];
  for (const [type, one, other] of unlike)
    notDeepEqual(contentsOf(type, raw(one)), contentsOf(type, raw(other)), type);
});

test('contentsOf: nothing is there', () => {
  for (const text of ['$-1\r\n', '*0\r\n', '-WRONGTYPE no\r\n'])
    equal(contentsOf('list', Buffer.from(text)), null, text);
});

test('keyRecord: place, type and time belong to what is there', () => {
  const facts = { key: Buffer.from('k'), type: 'string', expiresAt: 7, bytes: 1 };
  const contents = Buffer.from('v');
  const record = keyRecord(0, facts, contents);
  notDeepEqual(record, keyRecord(1, facts, contents));
  notDeepEqual(record, keyRecord(0, { ...facts, expiresAt: 0 }, contents));
  notDeepEqual(record, keyRecord(0, { ...facts, type: 'list' }, contents));
});
