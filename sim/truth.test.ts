import { doesNotThrow, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { encodeData } from '../src/agent/strong/entry.ts';
import { encodeCommand } from '../src/core/resp/writer.ts';
import { logIndex, nodeId, replOffset, term } from '../src/core/scalars.ts';
import { ServerWatch } from './server-watch.ts';
import { Truth } from './truth.ts';

const NODE = nodeId('n1@00000001');
const UNIT = encodeCommand(['SET', 'k', '1']);
const OTHER = encodeCommand(['SET', 'k', '2']);
const SIZE = UNIT.length;

/** A history in which `units` are committed, one entry each. */
function truthOf(...units: readonly Buffer[]): Truth {
  const truth = new Truth();
  for (const [at, unit] of units.entries()) {
    const payload = encodeData(replOffset(truth.length), [unit], unit.length);
    const entry = { index: logIndex(at + 1), term: term(1), payload };
    truth.appended(NODE, [entry]);
    truth.committed(entry.index, entry.term);
  }
  return truth;
}

function unit(role: 'primary' | 'replica', start: number, bytes: Buffer) {
  return { role, start, bytes };
}

test('a follower may execute what is committed, and not a byte more', () => {
  const watch = new ServerWatch(truthOf(UNIT), 'a');
  watch.loaded(0, 0);
  doesNotThrow(() => watch.executed(1, unit('replica', 0, UNIT)));
  throws(() => watch.executed(2, unit('replica', SIZE, OTHER)), /nothing uncommitted/);
});

test('servers with other data at the same offset are found out', () => {
  const truth = truthOf(UNIT);
  const watches = ['a', 'b'].map((name) => new ServerWatch(truth, name));
  for (const watch of watches) watch.loaded(0, 0);
  watches[0]?.executed(1, unit('replica', 0, UNIT));
  throws(() => watches[1]?.executed(2, unit('replica', 0, UNIT)), /the same at equal offsets/);
});

test('what a primary executed ahead is agreed on once it is committed, and not when it differs', () => {
  const truth = truthOf(UNIT);
  const watch = new ServerWatch(truth, 'a');
  watch.loaded(0, 0);
  watch.executed(1, unit('primary', 0, UNIT));
  watch.executed(2, unit('primary', SIZE, UNIT));
  equal(watch.isAgreed(SIZE), true);
  equal(watch.isAgreed(2 * SIZE), false);
  const deposed = new ServerWatch(truth, 'b');
  deposed.loaded(0, 0);
  deposed.executed(3, unit('primary', 0, OTHER));
  equal(deposed.isAgreed(SIZE), false);
  throws(() => deposed.executed(4, unit('replica', SIZE, UNIT)), /only if it stands exact/);
});

test('an entry that ends inside a transaction is found out', () => {
  const half = Buffer.concat([encodeCommand(['MULTI']), UNIT]);
  throws(() => truthOf(half), /whole execution units/);
});
