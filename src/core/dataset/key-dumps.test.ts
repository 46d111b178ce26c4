import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type KeyDump, readDumps, restoreRequest, typeOf } from './key-dumps.ts';
import { readValue } from './raw-replies.ts';
import { bytes } from './trial-bytes.ts';

function bulkOf(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${payload.length}\r\n`), payload, Buffer.from('\r\n')]);
}

test('readDumps and restoreRequest: keys and values of any bytes come through as they are', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const keys = [0, 1, 2].map((i) => bytes(seed * 10 + i, seed % 40));
    const values = keys.map((_, i) => bytes(seed * 20 + i, (seed * 7) % 90));
    const times = [-1, 4_102_444_800_000, 1];
    const raw = Buffer.concat([
      Buffer.from('*7\r\n:3\r\n'),
      ...values.flatMap((value, i) => [bulkOf(value), Buffer.from(`:${times[i]}\r\n`)]),
    ]);
    const { looked, dumps } = readDumps(raw, keys);
    equal(looked, 3);
    for (const [i, dump] of dumps.entries()) {
      const words = readValue(restoreRequest(dump, i === 1)) as Buffer[];
      deepEqual(words, [
        Buffer.from('RESTORE'),
        keys[i],
        Buffer.from(String(Math.max(0, times[i] as number))),
        values[i],
        Buffer.from('ABSTTL'),
        ...(i === 1 ? [Buffer.from('REPLACE')] : []),
      ]);
    }
  }
});

test('readDumps: a key that is gone is counted and not given; what was not looked at is left', () => {
  const keys = ['a', 'b', 'c'].map((key) => Buffer.from(key));
  const raw = Buffer.from('*5\r\n:2\r\n$-1\r\n:-2\r\n$1\r\nx\r\n:-1\r\n');
  const { looked, dumps } = readDumps(raw, keys);
  equal(looked, 2);
  deepEqual(
    dumps.map(({ key, expiresAt }) => [String(key), expiresAt]),
    [['b', 0]],
  );
});

test('typeOf: by the first byte of what is stored', () => {
  const cases: [byte: number, type: string][] = [
    [0, 'string'],
    [18, 'list'],
    [11, 'set'],
    [20, 'set'],
    [17, 'zset'],
    [16, 'hash'],
    [21, 'stream'],
    [7, 'module'],
    [200, 'other'],
  ];
  for (const [byte, type] of cases) {
    const dump: KeyDump = { key: Buffer.of(), bulk: bulkOf(Buffer.of(byte, 13, 10)), expiresAt: 0 };
    equal(typeOf(dump), type);
  }
});
