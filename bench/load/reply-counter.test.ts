import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplyCounter, type ReplyKind } from './reply-counter.ts';

const REPLIES: readonly (readonly [bytes: string, kind: ReplyKind])[] = [
  ['+OK\r\n', 'ok'],
  ['$5\r\na\r\nb$\r\n', 'ok'],
  ['$0\r\n\r\n', 'ok'],
  ['$-1\r\n', 'missing'],
  [':12\r\n', 'ok'],
  ['-ERR no\r\n', 'refused'],
  ['-ERR later\r\n', 'refused'],
];

test('replies are counted by kind wherever the bytes are cut', () => {
  const bytes = Buffer.from(REPLIES.map(([each]) => each).join(''));
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
      const kinds: ReplyKind[] = [];
      const counter = new ReplyCounter((kind) => kinds.push(kind));
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      for (const [i, end] of places.slice(1).entries())
        counter.take(bytes.subarray(places[i], end));
      deepEqual(
        kinds,
        REPLIES.map(([, kind]) => kind),
      );
      equal(counter.firstRefusal, 'ERR no');
    }),
  );
});

test('what is no reply is refused loudly', () => {
  const counter = new ReplyCounter(() => {});
  throws(() => counter.take(Buffer.from('HTTP')), /byte 72/);
});
