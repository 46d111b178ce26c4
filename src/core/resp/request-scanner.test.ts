import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HEAD_ARGUMENT_BYTES, RequestScanner } from './request-scanner.ts';
import { encodeCommand } from './writer.ts';

const LIMITS = { bulkBytesMax: 1 << 20, wholeBytesMax: 4096, gatherBytesMax: 0 };

interface Seen {
  /** One line per result, parts of one command merged, so that it does not depend on the cuts. */
  readonly story: string[];
  readonly bytes: Buffer;
}

function scan(chunks: readonly Uint8Array[], watched: readonly string[] = []): Seen {
  const scanner = new RequestScanner((name) => watched.includes(name), LIMITS);
  const story: string[] = [];
  const pieces: Uint8Array[] = [];
  for (const chunk of chunks) {
    scanner.push(chunk);
    for (let found = scanner.next(); found !== 'starved'; found = scanner.next()) {
      pieces.push(Buffer.from(scanner.bytes.subarray(scanner.start, scanner.end)));
      if (found === 'command') {
        const head = scanner.argumentsUpTo(3).map((word) => word.toString('latin1'));
        story.push(`${scanner.name}/${scanner.argc} ${head.slice(1).join(',')}`);
        if (watched.includes(scanner.name)) story.push(`whole=${scanner.isWhole}`);
      } else if (found === 'malformed') story.push(scanner.text);
      else if (found === 'blank') story.push('blank');
    }
  }
  if (scanner.pendingBytes > 0) story.push('pending');
  return { story, bytes: Buffer.concat(pieces) };
}

function everyCut(stream: Buffer): Buffer[][] {
  const cuts: Buffer[][] = [];
  for (let cut = 0; cut <= stream.length; cut++) {
    cuts.push([stream.subarray(0, cut), stream.subarray(cut)]);
  }
  cuts.push(Array.from(stream, (byte) => Buffer.from([byte])));
  return cuts;
}

test('RequestScanner tells the same story and gives every byte, wherever the stream is cut', () => {
  const stream = Buffer.concat([
    encodeCommand(['set', 'k', 'v']),
    Buffer.from('PING\r\n\r\n*0\r\n*-1\r\n'),
    encodeCommand(['GET', '']),
    encodeCommand(['SET', 'k', 'x'.repeat(300), 'EX', '10']),
    encodeCommand(['y'.repeat(70), 'k']),
    encodeCommand(['MSET', ...Array.from({ length: 30 }, (_, i) => `key${i}`)]),
    Buffer.from('  set  "a\\x41\\n b"  \'c d\' \n'),
    encodeCommand(['Eval', 'return 1', '0']),
  ]);
  const want = scan([stream], ['EVAL']);
  deepEqual(want.story, [
    'SET/3 k,v',
    'PING/1 ',
    'blank',
    'blank',
    'blank',
    'GET/2 ',
    `SET/5 k,${'x'.repeat(300)}`,
    '/2 k',
    'MSET/31 key0,key1',
    'SET/3 aA\n b,c d',
    'EVAL/3 return 1,0',
    'whole=true',
  ]);
  equal(want.bytes.equals(stream), true);
  for (const chunks of everyCut(stream)) {
    const seen = scan(chunks, ['EVAL']);
    equal(seen.bytes.equals(stream), true);
    // What is beyond the head may or may not be there: only lines about heads are compared.
    const heads = (lines: string[]) => lines.map((line) => line.replace(/,?x+$|(?<=^\/2 )k$/, ''));
    deepEqual(heads(seen.story), heads(want.story));
  }
});

test('RequestScanner passes a long argument on without keeping it', () => {
  const scanner = new RequestScanner(() => false, { ...LIMITS, bulkBytesMax: 1 << 26 });
  const head = Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${1 << 26}\r\n`);
  scanner.push(head);
  equal(scanner.next(), 'command');
  equal(scanner.isWhole, false);
  equal(scanner.argument(1)?.toString(), 'k');
  equal(scanner.argument(2), null);
  equal(scanner.next(), 'starved');
  const chunk = Buffer.alloc(1 << 16);
  for (let i = 0; i < 1 << 10; i++) {
    scanner.push(chunk);
    equal(scanner.next(), 'part');
    equal(scanner.end - scanner.start, chunk.length);
    equal(scanner.isLast, false);
    equal(scanner.next(), 'starved');
    equal(scanner.pendingBytes, 0);
  }
  scanner.push(Buffer.from('\r\n*1\r\n$4\r\nPING\r\n'));
  equal(scanner.next(), 'part');
  equal(scanner.isLast, true);
  equal(scanner.next(), 'command');
  equal(scanner.name, 'PING');
});

test('RequestScanner waits for a watched command up to the bound, then passes it in parts', () => {
  const fits = encodeCommand(['EVAL', 'x'.repeat(3000), '0']);
  const tooLong = encodeCommand(['EVAL', 'x'.repeat(5000), '0']);
  const halves = (b: Buffer) => [b.subarray(0, 1500), b.subarray(1500)];
  deepEqual(scan(halves(fits), ['EVAL']).story, [`EVAL/3 ${'x'.repeat(3000)},0`, 'whole=true']);
  deepEqual(scan(halves(tooLong), ['EVAL']).story, ['EVAL/3 ', 'whole=false']);
});

test('RequestScanner keeps a watched command of many small arguments fed byte by byte', () => {
  const stream = encodeCommand(['EVAL', ...new Array<string>(300).fill('a')]);
  const seen = scan(
    Array.from(stream, (byte) => Buffer.from([byte])),
    ['EVAL'],
  );
  deepEqual(seen.story, ['EVAL/301 a,a', 'whole=true']);
});

test('RequestScanner says what is malformed, and nothing after it', async (t) => {
  const cases: [name: string, stream: string, text: string][] = [
    ['count', '*x\r\n', 'Protocol error: invalid multibulk length'],
    ['count too large', '*2147483648\r\n', 'Protocol error: invalid multibulk length'],
    ['count without end', `*${'1'.repeat(40)}`, 'Protocol error: invalid multibulk length'],
    ['no bulk', '*1\r\n:3\r\n', "Protocol error: expected '$', got ':'"],
    ['negative bulk', '*1\r\n$-1\r\n', 'Protocol error: invalid bulk length'],
    ['leading zero', '*1\r\n$03\r\n', 'Protocol error: invalid bulk length'],
    ['bulk too large', '*1\r\n$1048577\r\n', 'Protocol error: invalid bulk length'],
    ['quotes', 'set "a\r\n', 'Protocol error: unbalanced quotes in request'],
    ['endless line', 'x'.repeat(65537), 'Protocol error: too big inline request'],
    ['a NUL hides the line end', 'PING\0\r\n', 'Protocol error: too big inline request'],
  ];
  for (const [name, stream, text] of cases) {
    await t.test(name, () => {
      const bytes = Buffer.from(stream);
      deepEqual(scan([Buffer.concat([encodeCommand(['PING']), bytes])]).story, ['PING/1 ', text]);
      const split = scan(Array.from(bytes, (byte) => Buffer.from([byte])));
      equal(split.story[0], text);
      equal(split.bytes.equals(bytes), true);
    });
  }
});

test('RequestScanner malformed later in a long command: the rest is told', () => {
  const body = 'x'.repeat(HEAD_ARGUMENT_BYTES + 1);
  const seen = scan([Buffer.from(`*3\r\n$3\r\nSET\r\n$65\r\n${body}`), Buffer.from('\r\nBAD')]);
  deepEqual(seen.story, ['SET/3 ', "Protocol error: expected '$', got 'B'"]);
});

const words = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 8 });

test('RequestScanner finds the arguments that the writer wrote, in any chunks', () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 6 }), fc.array(fc.nat(60)), (commands, sizes) => {
      const stream = Buffer.concat(commands.map((command) => encodeCommand(command)));
      const scanner = new RequestScanner(() => true, LIMITS);
      const found: Uint8Array[][] = [];
      const given: Uint8Array[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const size = (sizes[i % Math.max(sizes.length, 1)] ?? 1000) + 1;
        scanner.push(Uint8Array.from(stream.subarray(at, at + size)));
        at += size;
        for (let next = scanner.next(); next !== 'starved'; next = scanner.next()) {
          given.push(scanner.bytes.subarray(scanner.start, scanner.end));
          if (next === 'command') found.push(scanner.argumentsUpTo(10));
        }
      }
      equal(Buffer.concat(given).equals(stream), true);
      // A first argument over 64 bytes is no name, so it is not waited for.
      const short = commands.every((command) => (command[0]?.length ?? 0) <= 64);
      if (short) deepEqual(found.map(plain), commands.map(plain));
    }),
    { numRuns: 300 },
  );
});

function plain(list: readonly Uint8Array[]): string[] {
  return list.map((word) => Buffer.from(word).toString('hex'));
}
