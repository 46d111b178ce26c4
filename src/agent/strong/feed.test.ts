import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { LogStore } from '../../core/raft/ports.ts';
import type { Entry, SnapshotMeta } from '../../core/raft/protocol.ts';
import { type LogIndex, logIndex, replOffset, term } from '../../core/scalars.ts';
import { encodeData, encodeReign } from './entry.ts';
import { Feed, type FeedPorts } from './feed.ts';
import { StreamIndex } from './stream-index.ts';
import { StreamLog } from './stream-log.ts';

const OWN = 'f'.repeat(40);
const REIGN_1 = '1'.repeat(40);
const REIGN_2 = '2'.repeat(40);

/** A log: term 1 noop, reign 1, "aaaaa" (0-5), "bbbbb" (5-10); term 2 noop; reign 2, "ccccc". */
function world() {
  const payloads: [number, Uint8Array][] = [
    [1, new Uint8Array()],
    [1, encodeReign(replOffset(0), REIGN_1)],
    [1, encodeData(replOffset(0), [Buffer.from('aaaaa')], 5)],
    [1, encodeData(replOffset(5), [Buffer.from('bbbbb')], 5)],
    [2, new Uint8Array()],
    [2, encodeReign(replOffset(10), REIGN_2)],
    [2, encodeData(replOffset(10), [Buffer.from('ccccc')], 5)],
  ];
  const entries: Entry[] = payloads.map(([t, payload], i) => ({
    index: logIndex(i + 1),
    term: term(t),
    payload,
  }));
  const index = new StreamIndex({
    last: { index: logIndex(0), term: term(0) },
    offset: replOffset(0),
    reigns: [],
  });
  index.append({ index: logIndex(0), term: term(0) }, entries);
  const said: string[] = [];
  const feed = new Feed(OWN, index, {
    log: {
      read: (after, last, _bytesMax, done) => done(entries.slice(after.index, last.index)),
    },
    openSnapshot: (done) => done(null),
    emptyRdb: Buffer.from('RDB'),
    diverged: (why) => said.push(`diverged: ${why}`),
  });
  const wire = {
    continue: (replid: string) => said.push(`continue ${replid[0]}`),
    full: (_replid: string, offset: number, bytes: number) => said.push(`full ${offset} ${bytes}`),
    write: (bytes: Buffer) => {
      said.push(bytes.toString());
      return true;
    },
    close: () => said.push('close'),
  };
  const commit = (index: number) => feed.committed(logIndex(index) as LogIndex);
  return { feed, wire, said, commit };
}

test('a fresh server gets an empty RDB and then committed bytes only', () => {
  const { feed, wire, said, commit } = world();
  commit(3);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  deepEqual(said, ['full 0 3', 'RDB', 'aaaaa']);
  commit(4);
  equal(said.at(-1), 'bbbbb');
});

test('a server that lost its connection goes on where it was, within what is committed', () => {
  const { feed, wire, said, commit } = world();
  commit(4);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  feed.disconnected();
  said.length = 0;
  feed.wanted(wire, OWN, replOffset(5));
  deepEqual(said, ['continue f', 'bbbbb']);
  said.length = 0;
  feed.wanted(wire, OWN, replOffset(11));
  equal(said[0]?.startsWith('diverged'), true);
});

test('H1: a deposed server continues only at exactly the end of its own reign', () => {
  for (const [offset, expected] of [
    [10, 'continue f'],
    [9, 'diverged'],
    [11, 'diverged'],
    [15, 'diverged'],
  ] as const) {
    const { feed, wire, said, commit } = world();
    commit(2);
    feed.wanted(wire, '0'.repeat(40), replOffset(0));
    said.length = 0;
    commit(5);
    feed.wanted(wire, REIGN_1, replOffset(offset));
    const first = said.find((line) => /^(continue|diverged)/.test(line)) ?? '';
    equal(first.slice(0, expected.length), expected, `offset ${offset}`);
  }
});

test('H1: a deposed server waits until a later term has committed', () => {
  const { feed, wire, said, commit } = world();
  commit(4);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  said.length = 0;
  feed.wanted(wire, REIGN_1, replOffset(10));
  deepEqual(said, []);
  commit(5);
  deepEqual(said, ['continue f']);
  commit(7);
  equal(said.at(-1), 'ccccc');
});

test('an id of no reign in the log is a diverged server', () => {
  const { feed, wire, said, commit } = world();
  commit(5);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  feed.wanted(wire, '9'.repeat(40), replOffset(10));
  equal(said.at(-1), 'diverged: its replication id is of no reign in the log');
});

/** A body whose reads say which body and position they were of. */
function bodyOf(name: string) {
  return {
    kind: 'body' as const,
    offset: replOffset(0),
    bytes: 4,
    read: (position: number, _bytesMax: number, done: (bytes: Buffer | null) => void) =>
      done(Buffer.from(`${name}${position}`)),
    close: () => undefined,
  };
}

/** A feed whose snapshot is given by hand, over a log without entries. */
function loading() {
  const said: string[] = [];
  let give: (found: Found) => void = () => undefined;
  const base = { last: { index: logIndex(0), term: term(0) }, offset: replOffset(0), reigns: [] };
  const index = new StreamIndex(base);
  const feed = new Feed(OWN, index, {
    log: { read: (_after, _last, _bytesMax, done) => done(null) },
    openSnapshot: (done) => {
      give = done;
    },
    emptyRdb: Buffer.from('RDB'),
    diverged: (why) => said.push(`diverged: ${why}`),
  });
  const wire = {
    continue: () => said.push('continue'),
    full: () => said.push('full'),
    // Full after every piece.
    write: (bytes: Buffer) => {
      said.push(bytes.toString());
      return false;
    },
    close: () => undefined,
  };
  return { feed, index, wire, said, give: (found: Found) => give(found) };
}

type Found = Parameters<Parameters<FeedPorts['openSnapshot']>[0]>[0];

test('nothing of a snapshot that an earlier life did not take goes to the next one', () => {
  const { feed, wire, said, give } = loading();
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  give(bodyOf('a'));
  deepEqual(said.splice(0), ['full', 'a0']);
  feed.newLife();
  feed.wanted(wire, '1'.repeat(40), replOffset(0));
  feed.committed(logIndex(0));
  deepEqual(said, [], 'nothing is written before the new life is answered');
  give(bodyOf('b'));
  feed.drained();
  deepEqual(said, ['full', 'b0', 'b2']);
});

test('H3: a snapshot that the server could not load is never fed, and no empty one instead', () => {
  const { feed, wire, said, give } = loading();
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  give({ kind: 'unreadable', why: 'REDIS0011' });
  deepEqual(said, ['diverged: REDIS0011']);
});

test('a snapshot that takes the place of the log ends the feed of the server in the same call', () => {
  const { feed, wire, said, commit } = world();
  commit(3);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  said.length = 0;
  const index = new StreamIndex({
    last: { index: logIndex(0), term: term(0) },
    offset: replOffset(0),
    reigns: [],
  });
  const log = new StreamLog({ installSnapshot: () => undefined } as unknown as LogStore, index, {
    baseOf: () => ({
      last: { index: logIndex(50), term: term(3) },
      offset: replOffset(99),
      reigns: [],
    }),
    replaced: () => feed.logReplaced(),
  });
  log.installSnapshot({} as SnapshotMeta, false, () => undefined);
  deepEqual(said, ['diverged: the log was replaced']);
});

test('once it has loaded, a server that only talks makes no approach', () => {
  const { feed, wire, commit } = world();
  commit(3);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  let before = feed.approach;
  feed.heard();
  notEqual(feed.approach, before, 'it loads');
  feed.acknowledged(replOffset(0));
  before = feed.approach;
  feed.heard();
  equal(feed.approach, before);
  feed.acknowledged(replOffset(5));
  notEqual(feed.approach, before);
});

test('a server that stands inside an entry, between two units of it, gets the rest of it only', () => {
  const { feed, wire, said, commit } = world();
  commit(3);
  feed.wanted(wire, '0'.repeat(40), replOffset(0));
  feed.disconnected();
  said.length = 0;
  feed.wanted(wire, OWN, replOffset(2));
  deepEqual(said, ['continue f', 'aaa']);
});
