import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCommand } from '../resp/writer.ts';
import { UnitCutter } from './units.ts';

const select = encodeCommand(['SELECT', '3']);
const set = encodeCommand(['SET', 'k', 'multi']);
const multi = encodeCommand(['MULTI']);
const exec = encodeCommand(['EXEC']);
const transaction = Buffer.concat([multi, select, set, encodeCommand(['MULTIX', '']), exec]);
const UNITS = [select, set, transaction, encodeCommand(['PING']), transaction, set];

/** The ends of units that the cutter told, chunk by chunk, checked against the bytes it gave. */
function boundaries(chunks: readonly Uint8Array[], unitBytesMax = 1 << 20): number[] | string {
  const cutter = new UnitCutter(unitBytesMax);
  const stream = Buffer.concat(chunks);
  const ends: number[] = [];
  let given = 0;
  for (const chunk of chunks) {
    const lent = Uint8Array.from(chunk);
    const cut = cutter.push(lent);
    if (cut.kind === 'failed') return cut.code;
    const bytes = Buffer.concat(cut.pieces);
    lent.fill(0);
    equal(bytes.length, cut.byteCount);
    equal(bytes.equals(stream.subarray(given, given + bytes.length)), true);
    given += bytes.length;
    if (cut.unitCount > 0) ends.push(given);
  }
  equal(cutter.pendingBytes, stream.length - given);
  return ends;
}

test('UnitCutter ends at the last unit boundary of every chunk, wherever the stream is cut', () => {
  const stream = Buffer.concat(UNITS);
  const ends = UNITS.map((_, i) => Buffer.concat(UNITS.slice(0, i + 1)).length);
  deepEqual(boundaries(Array.from(stream, (byte) => Buffer.from([byte]))), ends);
  for (let cut = 0; cut <= stream.length; cut++) {
    const first = ends.filter((end) => end <= cut).at(-1);
    const want = first === undefined || first === stream.length ? [] : [first];
    deepEqual(boundaries([stream.subarray(0, cut), stream.subarray(cut)]), [
      ...want,
      stream.length,
    ]);
  }
});

test('UnitCutter counts the units of a chunk', () => {
  const cut = new UnitCutter(1 << 20).push(Buffer.concat([...UNITS, multi, set]));
  equal(cut.kind === 'cut' && cut.unitCount, UNITS.length);
});

test('UnitCutter knows MULTI and EXEC in any case, and only as whole names', () => {
  const lower = Buffer.concat([encodeCommand(['multi']), set, encodeCommand(['Exec'])]);
  deepEqual(boundaries([lower]), [lower.length]);
  const others = Buffer.concat([encodeCommand(['MULTIPLY']), encodeCommand(['EXE'])]);
  deepEqual(boundaries([others]), [others.length]);
});

test('UnitCutter: a unit above the bound is a named failure, also inside one chunk', () => {
  const long = encodeCommand(['SET', 'k', 'x'.repeat(2000)]);
  equal(boundaries([long], 1000), 'UNIT_TOO_LARGE');
  equal(boundaries([Buffer.concat([set, long, set])], 1000), 'UNIT_TOO_LARGE');
  equal(boundaries([multi, ...new Array<Buffer>(40).fill(set)], 1000), 'UNIT_TOO_LARGE');
  const many = new Array<Buffer>(100).fill(set);
  deepEqual(boundaries([Buffer.concat(many)], 1000), [100 * set.length]);
});

test('UnitCutter: what no primary sends is a named failure', () => {
  for (const text of ['\n', 'PING\r\n', '*0\r\n', '*1\r\n:1\r\n', '*\r\n', '*1\r\n$-1\r\n']) {
    equal(boundaries([Buffer.from(text)]), 'NOT_A_STREAM', text);
  }
  equal(boundaries([exec]), 'NOT_A_STREAM');
  equal(boundaries([multi, multi]), 'NOT_A_STREAM');
});

test('UnitCutter agrees with a walk over whole commands, for any units in any chunks', () => {
  const command = fc
    .array(fc.uint8Array({ maxLength: 40 }), { minLength: 2, maxLength: 5 })
    .map((words) => encodeCommand(words));
  const unit = fc.oneof(
    command,
    fc.array(command, { maxLength: 4 }).map((list) => Buffer.concat([multi, ...list, exec])),
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 8 }), fc.infiniteStream(fc.nat(50)), (units, sizes) => {
      const stream = Buffer.concat(units);
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        const size = 1 + (sizes.next().value as number);
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      const ends: number[] = [];
      let at = 0;
      for (const bytes of units) {
        at += bytes.length;
        ends.push(at);
      }
      let fed = 0;
      const want: number[] = [];
      for (const chunk of chunks) {
        const before = ends.filter((end) => end <= fed).length;
        fed += chunk.length;
        const after = ends.filter((end) => end <= fed);
        if (after.length > before) want.push(after.at(-1) as number);
      }
      deepEqual(boundaries(chunks), want);
    }),
    { numRuns: 300 },
  );
});
