import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCommand } from '../resp/writer.ts';
import { aloneIn } from './alone.ts';

const BYTES = Buffer.from([13, 10, 42, 36, 0, 255]).toString('latin1');
const [A, B, C] = [
  ['SET', 'a', BYTES],
  ['INCR', 'n'],
  ['SET', 'c', 'x'.repeat(300)],
];
const PING = ['PING'];
const GETACK = ['REPLCONF', 'GETACK', '*'];
const SELECT = ['SELECT', '0'];

function joined(...commands: (readonly string[] | undefined)[]): Buffer {
  return Buffer.concat(commands.map((words) => encodeCommand(words ?? [])));
}

/** Null: not counted. */
function aloneBytes(stream: Buffer, file: Buffer): number | null {
  return aloneIn(stream, file)?.bytes ?? null;
}

test('what is behind all that the stream has was taken alone', () => {
  const lost = joined(B, C).length;
  equal(aloneBytes(joined(A), joined(A, B, C)), lost);
  equal(aloneBytes(joined(), joined(B, C)), lost);
  equal(aloneBytes(joined(A, B, C), joined(A, B, C)), 0);
  const all = joined(A, B, C);
  deepEqual(aloneIn(all, joined(A)), { bytes: 0, isShort: true }, 'not all is written yet');
  deepEqual(aloneIn(all, all), { bytes: 0, isShort: false });
  equal(aloneBytes(joined(B, B), joined(B, B, B)), joined(B).length, 'the same thing again');
});

test('what a primary says of itself, and which database it means, is in one of the two only', () => {
  equal(aloneBytes(joined(PING, A, GETACK, B, PING), joined(SELECT, A, B)), 0);
  equal(aloneBytes(joined(SELECT, A, GETACK), joined(A, SELECT, C)), joined(C).length);
});

test('what is cut off counts for nothing, wherever it is', () => {
  const stream = joined(A, B);
  const file = joined(A, B, C);
  for (let end = stream.length; end < file.length; end++)
    equal(aloneBytes(stream, file.subarray(0, end)), 0, `at ${end}`);
  for (let end = joined(A).length; end < stream.length; end++)
    equal(aloneBytes(stream.subarray(0, end), file), joined(B, C).length);
});

test('what does not go together is not counted', () => {
  equal(aloneBytes(joined(A), joined(B)), null);
  equal(aloneBytes(joined(A), Buffer.from('$no command')), null);
  equal(aloneBytes(joined(), Buffer.from('REDIS0011')), null);
  equal(aloneBytes(Buffer.from('+OK\r\n'), joined(A)), null);
});
