import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FRAME,
  type Frame,
  FrameReader,
  frame,
  headerBlock,
  settings,
  windowUpdate,
} from './frames.ts';

test('frames are found wherever the bytes are cut', () => {
  const sent = [
    frame(FRAME.headers, 4, 1, Buffer.from('head')),
    frame(FRAME.data, 1, 1, Buffer.alloc(300, 'x')),
    settings([[4, 1_000_000]]),
    windowUpdate(3, 77),
  ];
  const bytes = Buffer.concat(sent);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
      const found: Frame[] = [];
      const reader = new FrameReader();
      const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      for (const [i, end] of places.slice(1).entries())
        reader.take(bytes.subarray(places[i], end), (each) =>
          found.push({ ...each, payload: Buffer.from(each.payload) }),
        );
      deepEqual(
        found.map(({ type, flags, stream, payload }) => frame(type, flags, stream, payload)),
        sent,
      );
    }),
  );
});

test('a frame beyond what both sides agreed to is refused', () => {
  const head = Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]);
  throws(() => new FrameReader().take(head, () => {}), /16385 bytes/);
});

test('the header block names the method, the path and the rest without any table', () => {
  const block = headerBlock('/a', 'b:1');
  equal(block.subarray(0, 12).toString('hex'), '8386' + '04022f61' + '0103623a31' + '0f');
});
