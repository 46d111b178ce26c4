import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME_KIND, frameOf } from './codec.ts';
import {
  FRAME_BYTES_MAX,
  FrameAssembly,
  FrameQueue,
  PIECE_BYTES,
  WIRE_FRAME_BYTES_MAX,
} from './frame-pieces.ts';
import { FrameReader, frameHeader, ProtocolError } from './frame-reader.ts';

const frame = (kind: number, text: string) =>
  Buffer.concat([frameHeader(kind, Buffer.byteLength(text)), Buffer.from(text)]);

function framesOf(chunks: readonly Buffer[], bodyBytesMax = 1000): string[] {
  const frames: string[] = [];
  const reader = new FrameReader(bodyBytesMax, (kind, body) => frames.push(`${kind}:${body}`));
  for (const chunk of chunks) equal(reader.push(chunk).length, 0);
  return frames;
}

test('FrameReader yields the same frames wherever the stream is cut', () => {
  const stream = Buffer.concat([frame(1, 'alpha'), frame(2, ''), frame(255, 'omega')]);
  for (let cut = 0; cut <= stream.length; cut++) {
    for (let again = cut; again <= stream.length; again++) {
      const chunks = [stream.subarray(0, cut), stream.subarray(cut, again), stream.subarray(again)];
      deepEqual(framesOf(chunks), ['1:alpha', '2:', '255:omega'], `cut at ${cut} and ${again}`);
    }
  }
});

test('FrameReader refuses an absurd length as soon as it is read', () => {
  for (const bytes of [1001, 0x1603_0100, 0xffff_ffff])
    throws(() => framesOf([frameHeader(1, bytes)]), ProtocolError);
});

test('FrameReader: a stopped reader gives back what it did not cut', () => {
  const reader: FrameReader = new FrameReader(100, () => reader.stop());
  const stream = Buffer.concat([frame(1, 'hello'), Buffer.from('raw bytes')]);
  equal(reader.push(stream).toString(), 'raw bytes');
  equal(reader.push(Buffer.from('more')).toString(), 'more');
});

test('FrameReader: a cut body has its own buffer, a whole one is a view of the chunk', () => {
  const seen: [boolean, boolean][] = [];
  let chunk = frame(1, 'x'.repeat(500));
  const reader = new FrameReader(1000, (_kind, body, isOwn) => {
    seen.push([isOwn, body.buffer === chunk.buffer]);
    if (isOwn) equal(body.buffer.byteLength, body.length);
  });
  reader.push(chunk);
  reader.push(chunk.subarray(0, 100));
  chunk = chunk.subarray(100);
  reader.push(chunk);
  deepEqual(seen, [
    [false, true],
    [true, false],
  ]);
});

const LIMITS = { bulkBytesMax: 64 * 1024 * 1024, urgentBytesMax: 1024 * 1024 };

test('FrameQueue and FrameAssembly: every frame arrives whole, each lane in its order', () => {
  const one = fc.record({
    isUrgent: fc.boolean(),
    bytes: fc.oneof(
      fc.nat({ max: 3000 }),
      fc.constantFrom(PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 700_000),
    ),
    parts: fc.integer({ min: 1, max: 3 }),
    sendNow: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 12 }),
      fc.integer({ min: 1, max: 90_000 }),
      (all, cut) => {
        const queue = new FrameQueue(LIMITS);
        const wire: Uint8Array[] = [];
        const sent: Record<string, Buffer[]> = { urgent: [], bulk: [] };
        for (const [i, { isUrgent, bytes, parts, sendNow }] of all.entries()) {
          const lane = isUrgent && bytes <= PIECE_BYTES ? 'urgent' : 'bulk';
          const body = Buffer.alloc(bytes, i + 1);
          const split = Math.floor(bytes / parts);
          const views = Array.from({ length: parts }, (_, k) =>
            body.subarray(k * split, k === parts - 1 ? bytes : (k + 1) * split),
          );
          ok(queue.offer(frameOf(lane === 'urgent' ? 5 : 6, views), lane));
          sent[lane]?.push(body);
          if (sendNow) wire.push(...(queue.next() ?? []));
        }
        for (let next = queue.next(); next !== null; next = queue.next()) {
          ok(next.reduce((sum, part) => sum + part.length, 0) <= PIECE_BYTES + 100);
          wire.push(...next);
        }
        equal(queue.queuedBytes, 0);

        const got: Record<string, Buffer[]> = { urgent: [], bulk: [] };
        const assembly = new FrameAssembly((kind, body) => {
          got[kind === 5 ? 'urgent' : 'bulk']?.push(Buffer.from(body));
        });
        const reader = new FrameReader(WIRE_FRAME_BYTES_MAX, (kind, body, isOwn) =>
          assembly.take(kind, body, isOwn),
        );
        const stream = Buffer.concat(wire);
        for (let at = 0; at < stream.length; at += cut) reader.push(stream.subarray(at, at + cut));
        for (const lane of ['urgent', 'bulk']) {
          equal(got[lane]?.length, sent[lane]?.length);
          for (const [i, body] of (got[lane] ?? []).entries()) ok(sent[lane]?.[i]?.equals(body));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('FrameQueue: what is urgent goes before the rest of a large frame', () => {
  const queue = new FrameQueue(LIMITS);
  queue.offer(frameOf(FRAME_KIND.raft, [Buffer.alloc(10 * PIECE_BYTES)]), 'bulk');
  queue.next();
  queue.offer(frameOf(FRAME_KIND.ping, []), 'urgent');
  equal(queue.next()?.[0]?.[4], FRAME_KIND.ping);
  equal(queue.next()?.[0]?.[4], FRAME_KIND.piece);
});

test('FrameQueue holds at most its bound and one frame, and drops the rest', () => {
  const queue = new FrameQueue({ bulkBytesMax: 1000, urgentBytesMax: 100 });
  const large = frameOf(FRAME_KIND.raft, [Buffer.alloc(5000)]);
  ok(queue.offer(large, 'bulk'));
  equal(queue.offer(large, 'bulk'), false);
  ok(queue.offer(frameOf(FRAME_KIND.ping, []), 'urgent'), 'lanes have their own bounds');
  queue.next();
  queue.next();
  ok(queue.offer(large, 'bulk'));
});

test('FrameAssembly refuses pieces that fit nothing', () => {
  const begin = (bytes: number) => {
    const body = Buffer.alloc(5, FRAME_KIND.raft);
    body.writeUInt32BE(bytes, 1);
    return body;
  };
  const stories: [name: string, frames: [number, Buffer][]][] = [
    ['a piece of nothing', [[FRAME_KIND.piece, Buffer.alloc(1)]]],
    ['absurdly large', [[FRAME_KIND.begin, begin(FRAME_BYTES_MAX + 1)]]],
    ['too small for pieces', [[FRAME_KIND.begin, begin(10)]]],
    ['cut short', [[FRAME_KIND.begin, begin(PIECE_BYTES * 2).subarray(1)]]],
    [
      'one inside another',
      [
        [FRAME_KIND.begin, begin(PIECE_BYTES * 2)],
        [FRAME_KIND.begin, begin(PIECE_BYTES * 2)],
      ],
    ],
    [
      'an empty piece',
      [
        [FRAME_KIND.begin, begin(PIECE_BYTES * 2)],
        [FRAME_KIND.piece, Buffer.alloc(0)],
      ],
    ],
    [
      'too much',
      [
        [FRAME_KIND.begin, begin(PIECE_BYTES + 1)],
        [FRAME_KIND.piece, Buffer.alloc(PIECE_BYTES)],
        [FRAME_KIND.piece, Buffer.alloc(2)],
      ],
    ],
  ];
  for (const [name, frames] of stories) {
    const assembly = new FrameAssembly(() => undefined);
    throws(
      () => frames.forEach(([kind, body]) => void assembly.take(kind, body, false)),
      ProtocolError,
      name,
    );
  }
});
