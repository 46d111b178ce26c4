import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TransferMessage } from '../../core/raft/fetch.ts';
import type { Entry, EntryId, Message } from '../../core/raft/protocol.ts';
import { groupId, logIndex, nodeId, term } from '../../core/scalars.ts';
import {
  decodeNote,
  decodeRaft,
  decodeTransfer,
  encodeNote,
  encodeRaft,
  encodeTransfer,
  type Frame,
  ownBytes,
} from './codec.ts';
import { ProtocolError } from './frame-reader.ts';

const GROUP = groupId('data0');
const bytesOf = (frame: Frame) => Buffer.concat(frame.parts);

const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true }) as unknown as fc.Arbitrary<T>;
const count = fc.oneof(
  fc.nat(),
  fc.maxSafeNat().map((n) => Math.floor(n / 2)),
);
const id = plain({ index: count.map(logIndex), term: count.map(term) });
const termOf = count.map(term);
const append = fc
  .tuple(termOf, id, fc.array(fc.tuple(termOf, fc.uint8Array({ maxLength: 300 }))), count, count)
  .map(([ofTerm, after, bodies, commit, round]): Message => {
    const entries = bodies.map(
      ([entryTerm, payload], i): Entry => ({
        index: logIndex(after.index + i + 1),
        term: entryTerm,
        payload: Buffer.from(payload),
      }),
    );
    return { kind: 'append', term: ofTerm, after, entries, commit: logIndex(commit), round };
  });
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  plain({
    kind: fc.constant('requestVote' as const),
    term: termOf,
    pre: fc.boolean(),
    transfer: fc.boolean(),
    last: id,
  }),
  plain({
    kind: fc.constant('voteReply' as const),
    term: termOf,
    pre: fc.boolean(),
    granted: fc.boolean(),
  }),
  plain({
    kind: fc.constant('appendReply' as const),
    term: termOf,
    ok: fc.boolean(),
    index: count.map(logIndex),
    hint: id,
    round: count,
  }),
  plain({
    kind: fc.constant('offerSnapshot' as const),
    term: termOf,
    round: count,
    snapshot: plain({
      id: fc.string({ maxLength: 40 }),
      last: id,
      bytes: count,
      configuration: plain({
        voters: fc.subarray([nodeId('a@00000000'), nodeId('b.c-d_9@deadbeef')], { minLength: 1 }),
        learners: fc.subarray([nodeId('c@00000000'), nodeId('d@00000001')]),
        decision: count,
      }),
    }),
  }),
  plain({ kind: fc.constant('timeoutNow' as const), term: termOf }),
  plain({ kind: fc.constant('removed' as const), term: termOf, index: count.map(logIndex) }),
);

test('codec: every message comes back as it was sent', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const frame = encodeRaft(GROUP, sent);
      const body = bytesOf(frame);
      equal(body.length, frame.bytes);
      deepEqual(decodeRaft(body), { group: GROUP, message: sent });
    }),
    { numRuns: 500 },
  );
});

test('codec: a message that is cut or has bytes after it is a ProtocolError, nothing else', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, at) => {
      const body = bytesOf(encodeRaft(GROUP, sent));
      const cut = at % body.length;
      throws(() => decodeRaft(body.subarray(0, cut)), ProtocolError);
      throws(() => decodeRaft(Buffer.concat([body, Buffer.alloc(1)])), ProtocolError);
    }),
  );
});

test('codec: random bytes give a message or a ProtocolError, never another failure', () => {
  fc.assert(
    fc.property(
      message,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }),
      (m, flips) => {
        const body = bytesOf(encodeRaft(GROUP, m));
        for (const [at, value] of flips) body[at % body.length] = value;
        for (const decode of [decodeRaft, decodeTransfer, decodeNote]) {
          try {
            decode(body);
          } catch (error) {
            ok(error instanceof ProtocolError, String(error));
          }
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('codec: an absurd number of entries is refused before memory is spent on it', () => {
  const after: EntryId = { index: logIndex(0), term: term(0) };
  const heartbeat: Message = {
    kind: 'append',
    term: term(1),
    after,
    entries: [],
    commit: logIndex(0),
    round: 1,
  };
  const body = bytesOf(encodeRaft(GROUP, heartbeat));
  body.writeUInt32BE(0xffff_ffff, body.length - 4);
  throws(() => decodeRaft(body), /4294967295 entries/);
});

test('codec: payloads are neither copied on the way out nor on the way in', () => {
  const payload = Buffer.alloc(100_000, 7);
  const after: EntryId = { index: logIndex(4), term: term(1) };
  const entries = [{ index: logIndex(5), term: term(1), payload }];
  const sent: Message = {
    kind: 'append',
    term: term(1),
    after,
    entries,
    commit: logIndex(0),
    round: 1,
  };
  const frame = encodeRaft(GROUP, sent);
  equal(frame.parts[1], payload);
  const body = bytesOf(frame);
  const got = decodeRaft(body).message;
  ok(got.kind === 'append' && got.entries[0]?.payload.buffer === body.buffer);
});

test('ownBytes copies a view once, and leaves a body that has its own buffer', () => {
  const chunk = Buffer.alloc(64 * 1024);
  const view = chunk.subarray(10, 20_000);
  const own = ownBytes(view, false);
  ok(own.buffer !== chunk.buffer && own.buffer.byteLength === own.length);
  equal(ownBytes(view, true), view);
});

test('codec: transfers come back as they were sent', () => {
  const messages: TransferMessage[] = [
    { kind: 'chunkWanted', id: 'a-1', position: 0, bytesMax: 2 ** 40 },
    { kind: 'chunk', id: 'a-1', position: 9, bytes: Buffer.from('abc'), total: 12 },
    { kind: 'chunk', id: 'a-1', position: 12, bytes: Buffer.alloc(0), total: 12 },
    { kind: 'chunkGone', id: 'ü' },
  ];
  for (const sent of messages) {
    deepEqual(decodeTransfer(bytesOf(encodeTransfer(GROUP, sent))), {
      group: GROUP,
      message: sent,
    });
  }
});

test('codec: notes carry JSON, and malformed ones are ProtocolErrors', () => {
  const note = { topic: 'switchover', body: { to: 'a', list: [1, null] } };
  deepEqual(decodeNote(bytesOf(encodeNote(note))), note);
  deepEqual(decodeNote(bytesOf(encodeNote({ topic: 't', body: undefined }))).body, null);
  for (const text of ['', '{', '1', '[]', '{"topic":1}', '{"topic":""}', 'null'])
    throws(() => decodeNote(Buffer.from(text)), ProtocolError, text);
});
