import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyCounter } from './reply-counter.ts';

const REPLIES = [
  '+OK\r\n',
  '-ERR no\r\n',
  '-ERR \n of a script\n+OK\r\r\n',
  ':-12\r\n',
  '$-1\r\n',
  '$0\r\n\r\n',
  '$11\r\n+OK\r\n:1\r\n*3\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n',
  '_\r\n',
  ',1.5\r\n',
  '#t\r\n',
  '(123456789012345678901234567890\r\n',
  '=7\r\ntxt:abc\r\n',
  '!5\r\nERR x\r\n',
  '%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n~2\r\n:1\r\n:2\r\n',
  '~0\r\n',
  '|1\r\n+ttl\r\n*1\r\n:1\r\n$1\r\nv\r\n',
  '*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n',
  '>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n',
] as const;

function types(chunks: readonly Buffer[]): string[] {
  const counter = new ReplyCounter();
  const found: string[] = [];
  let before = 0;
  for (const chunk of chunks) {
    counter.push(chunk);
    for (let next = counter.next(); next !== 'starved'; next = counter.next()) {
      if (next === 'malformed') return [...found, 'malformed'];
      found.push(`${next} ${String.fromCharCode(counter.type)} ${before + counter.end}`);
    }
    before += chunk.length;
  }
  if (counter.isInside) found.push('inside');
  return found;
}

test('ReplyCounter finds every reply and push with its end, wherever the stream is cut', () => {
  const stream = Buffer.from(REPLIES.join(''));
  let end = 0;
  const want = REPLIES.map((text) => {
    end += text.length;
    const type = text.startsWith('|') ? '$' : text[0];
    return `${text.startsWith('>') ? 'push' : 'reply'} ${type} ${end}`;
  });
  deepEqual(types([stream]), want);
  for (let cut = 0; cut <= stream.length; cut++) {
    deepEqual(types([stream.subarray(0, cut), stream.subarray(cut)]), want, `cut at ${cut}`);
  }
  deepEqual(types(Array.from(stream, (byte) => Buffer.from([byte]))), want);
});

test('ReplyCounter says that a reply has begun and not ended', () => {
  for (const text of REPLIES) {
    for (let cut = 1; cut < text.length; cut++) {
      deepEqual(types([Buffer.from(text.slice(0, cut))]), ['inside'], text.slice(0, cut));
    }
  }
});

test('ReplyCounter countAll: how many, and where the last one ended', () => {
  const counter = new ReplyCounter();
  equal(counter.countAll(Buffer.from('+OK\r\n:1\r\n>1\r\n+x\r\n$5\r\nab')), 'starved');
  deepEqual([counter.replies, counter.pushes, counter.end], [2, 1, 17]);
  equal(counter.countAll(Buffer.from('cde\r\n')), 'starved');
  deepEqual([counter.replies, counter.pushes, counter.end], [1, 0, 5]);
});

test('ReplyCounter: what is no RESP is malformed for good', () => {
  for (const text of ['x', '\r\n', '$x\r\n', '*\r\n', `$${'9'.repeat(30)}\r\n`, '*1\r\nx']) {
    deepEqual(types([Buffer.from(text), Buffer.from('+OK\r\n')]), ['malformed'], text);
  }
});
