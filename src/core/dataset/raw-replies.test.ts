import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorReply } from '../resp/reply-reader.ts';
import { errorText, isError, RawReplies, readValue } from './raw-replies.ts';
import { bytes } from './trial-bytes.ts';

const VALUE = bytes(7, 40);
const REPLIES = [
  Buffer.from('+OK\r\n'),
  Buffer.from('-MOVED 7 h:1\r\n'),
  Buffer.concat([
    Buffer.from(`*3\r\n:-2\r\n$${VALUE.length}\r\n`),
    VALUE,
    Buffer.from('\r\n$-1\r\n'),
  ]),
  Buffer.from('$0\r\n\r\n'),
];

function cutAt(...cuts: number[]): Buffer[] {
  const stream = Buffer.concat(REPLIES);
  const edges = [0, ...cuts, stream.length];
  const found: Buffer[] = [];
  const replies = new RawReplies();
  for (let i = 1; i < edges.length; i++)
    equal(
      replies.push(stream.subarray(edges[i - 1], edges[i]), (raw) => found.push(raw)),
      true,
    );
  return found;
}

test('RawReplies gives the same replies wherever the stream is cut', () => {
  const all = Buffer.concat(REPLIES).length;
  for (let one = 0; one <= all; one++)
    for (const other of [one, Math.min(all, one + 3), all])
      deepEqual(cutAt(one, other), REPLIES, `cut at ${one} and ${other}`);
});

test('RawReplies says when it is no RESP', () => {
  equal(
    new RawReplies().push(Buffer.from('HTTP/1.1 400\r\n'), () => undefined),
    false,
  );
});

test('readValue reads strings as they are, numbers, nothing and errors', () => {
  const [ok, moved, list, empty] = REPLIES as [Buffer, Buffer, Buffer, Buffer];
  deepEqual(readValue(ok), Buffer.from('OK'));
  deepEqual(readValue(list), [-2, VALUE, null]);
  deepEqual(readValue(empty), Buffer.of());
  deepEqual(readValue(moved), new ErrorReply('MOVED 7 h:1'));
  equal(isError(moved), true);
  equal(errorText(moved), 'MOVED 7 h:1');
});
