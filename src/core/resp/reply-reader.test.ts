import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorReply, type Reply, ReplyReader } from './reply-reader.ts';
import { arrayReply, bulkReply, errorReply, integerReply, simpleReply } from './writer.ts';

function read(chunks: readonly Uint8Array[]): { replies: Reply[]; pushes: Reply[] } {
  const reader = new ReplyReader(1024);
  const replies: Reply[] = [];
  const pushes: Reply[] = [];
  for (const chunk of chunks) {
    reader.push(
      chunk,
      (reply) => replies.push(reply),
      (message) => pushes.push(message),
    );
  }
  return { replies, pushes };
}

test('ReplyReader reads what was written into values, wherever the stream is cut', () => {
  const stream = Buffer.concat([
    simpleReply('OK'),
    errorReply('NOAUTH who\r\nare you'),
    integerReply(-7),
    arrayReply([bulkReply('é'), arrayReply([]), integerReply(1)]),
    Buffer.from('$-1\r\n*-1\r\n_\r\n#f\r\n,1.5\r\n=7\r\ntxt:abc\r\n%1\r\n+a\r\n:1\r\n'),
    Buffer.from('|1\r\n+a\r\n+b\r\n:5\r\n>1\r\n+hi\r\n'),
  ]);
  const want = {
    replies: [
      'OK',
      new ErrorReply('NOAUTH who are you'),
      -7,
      ['é', [], 1],
      null,
      null,
      null,
      false,
      '1.5',
      'abc',
      ['a', 1],
      5,
    ],
    pushes: [['hi']],
  };
  for (let cut = 0; cut <= stream.length; cut++) {
    deepEqual(read([stream.subarray(0, cut), stream.subarray(cut)]), want, `cut at ${cut}`);
  }
  equal(new ErrorReply('NOAUTH x').code, 'NOAUTH');
});

test('ReplyReader refuses what is no RESP, too large or too deep, by a named error', () => {
  throws(() => read([Buffer.from('hello')]), /REPLY_MALFORMED/);
  throws(() => read([Buffer.from(`$5000\r\n${'x'.repeat(2000)}`)]), /REPLY_TOO_LARGE/);
  throws(() => read([Buffer.from(`${'*1\r\n'.repeat(100)}:1\r\n`)]), /REPLY_MALFORMED/);
});
