import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeConfiguration, founded } from '../../core/raft/configuration.ts';
import { logIndex, nodeId, replOffset, term } from '../../core/scalars.ts';
import { decodeEntry, encodeData, encodeReign } from './entry.ts';
import { StreamIndex } from './stream-index.ts';

const REPLID = 'ab'.repeat(20);

function entry(index: number, t: number, payload: Uint8Array) {
  return { index: logIndex(index), term: term(t), payload };
}

function data(start: number, text: string) {
  return encodeData(replOffset(start), [Buffer.from(text)], text.length);
}

function filled() {
  const index = new StreamIndex({
    last: { index: logIndex(0), term: term(0) },
    offset: replOffset(0),
    reigns: [],
  });
  index.append({ index: logIndex(0), term: term(0) }, [
    entry(1, 1, new Uint8Array()),
    entry(2, 1, encodeReign(replOffset(0), REPLID)),
    entry(3, 1, data(0, 'hello')),
    entry(4, 1, data(5, 'world!')),
  ]);
  return index;
}

test('an entry keeps its start offset beyond 32 bits', () => {
  const start = replOffset(2 ** 40 + 3);
  const decoded = decodeEntry(encodeData(start, [Buffer.from('a'), Buffer.from('bc')], 3));
  deepEqual(decoded, { kind: 'data', start, bytes: Buffer.from('abc') });
  equal(decodeEntry(Uint8Array.of(9)), null);
});

test('the index says where each entry ends, and which entry a snapshot at an offset replaces', () => {
  const index = filled();
  equal(index.endOffset, 11);
  equal(index.endAt(logIndex(3)), 5);
  // An entry that straddles the offset is kept (H7).
  equal(index.lastEndingBy(replOffset(4), index.last.index)?.index, 2);
  equal(index.lastEndingBy(replOffset(5), index.last.index)?.index, 3);
  equal(index.lastEndingBy(replOffset(10), index.last.index)?.index, 3);
  equal(index.lastEndingBy(replOffset(11), index.last.index)?.index, 4);
});

test('a snapshot replaces nothing that is not committed, not even an entry without bytes', () => {
  const index = filled();
  index.append({ index: logIndex(4), term: term(1) }, [entry(5, 2, new Uint8Array())]);
  equal(index.lastEndingBy(replOffset(11), logIndex(4))?.index, 4);
  equal(index.lastEndingBy(replOffset(11), logIndex(5))?.index, 5);
  equal(index.lastEndingBy(replOffset(11), logIndex(2))?.index, 2);
});

test('a configuration holds no bytes of the stream, and one of a newer version stops the node', () => {
  const index = filled();
  const configuration = Buffer.from(encodeConfiguration(founded([nodeId('a@00000001')])));
  index.append(index.last, [entry(5, 1, configuration), entry(6, 1, data(11, '!'))]);
  equal(index.endAt(logIndex(5)), 11);
  equal(index.endOffset, 12);
  configuration[1] = 2;
  throws(() => index.append(index.last, [entry(7, 1, configuration)]), /unknown kind/);
});

test('H1: an entry that does not begin where the log ends stops the node', () => {
  throws(() =>
    filled().append({ index: logIndex(4), term: term(1) }, [entry(5, 1, data(12, 'x'))]),
  );
});

test('a conflicting suffix takes its bytes and its reign with it', () => {
  const index = filled();
  const after = { index: logIndex(1), term: term(1) };
  index.append(after, [entry(2, 2, encodeReign(replOffset(0), 'cd'.repeat(20)))]);
  equal(index.endOffset, 0);
  deepEqual(
    index.reigns.map((reign) => reign.replid),
    ['cd'.repeat(20)],
  );
});

test('compaction moves the base and forgets nothing behind it', () => {
  const index = filled();
  index.compact({ index: logIndex(3), term: term(1) });
  equal(index.baseOffset, 5);
  equal(index.endAt(logIndex(4)), 11);
  equal(index.lastEndingBy(replOffset(4), index.last.index), null);
  equal(index.reigns.length, 1);
});
