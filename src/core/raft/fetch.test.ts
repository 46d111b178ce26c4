import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { founded } from './configuration.ts';
import { FETCH_LIMITS, SnapshotPuller, type SnapshotSink, type TransferMessage } from './fetch.ts';
import { SnapshotGiver } from './give.ts';
import type { SnapshotMeta } from './protocol.ts';
import { id, idOf, seeded } from './small-world.test.ts';

const LIMITS = { ...FETCH_LIMITS, chunkBytes: 4, chunksAhead: 3, retryTicks: 2, giveUpTicks: 20 };
const FILE = Buffer.from('the quick brown fox jumps over the lazy dog');

function meta(name: string, file = FILE): SnapshotMeta {
  const configuration = founded([idOf('a')]);
  return { id: name, last: id(9, 1), configuration, bytes: file.length };
}

/** Completions wait until they are run. */
class FakeSink implements SnapshotSink {
  held = Buffer.alloc(0);
  name = '';
  waiting: (() => void)[] = [];
  failure: Error | undefined;

  resumeAt(snapshot: SnapshotMeta): number {
    if (snapshot.id !== this.name) this.held = Buffer.alloc(0);
    this.name = snapshot.id;
    return this.held.length;
  }

  write(position: number, bytes: Uint8Array, done: (error?: Error) => void): void {
    equal(position, this.held.length, 'the sink gets bytes in order');
    this.held = Buffer.concat([this.held, bytes]);
    this.waiting.push(() => done(this.failure));
  }

  finish(_: SnapshotMeta, done: (error?: Error) => void): void {
    this.waiting.push(() => done(this.failure));
  }

  run(): void {
    for (const done of this.waiting.splice(0)) done();
  }
}

class Pair {
  readonly sink = new FakeSink();
  wire: { from: string; to: string; message: TransferMessage }[] = [];
  readonly files = new Map([['s', FILE]]);
  readonly results: (string | null)[] = [];
  outstanding = 0;
  readonly puller = new SnapshotPuller({
    sink: this.sink,
    send: (to, message) => this.wire.push({ from: 'a', to: to.slice(0, 1), message }),
    limits: LIMITS,
  });
  readonly giver = new SnapshotGiver({
    source: {
      read: (name, position, bytesMax, done) => {
        const file = this.files.get(name);
        if (file === undefined) done(null, 0);
        else done(file.subarray(position, position + bytesMax), file.length);
      },
    },
    send: (_, message) => this.wire.push({ from: 'b', to: 'a', message }),
    chunkBytesMax: 1024,
    readsMax: 4,
  });

  fetch(from = 'b', snapshot = meta('s')): void {
    this.puller.fetch(idOf(from), snapshot, (fetched) => this.results.push(fetched?.id ?? null));
  }

  deliver(at = 0): void {
    const [envelope] = this.wire.splice(at, 1);
    if (envelope?.to === 'a') this.puller.received(idOf(envelope.from), envelope.message);
    else if (envelope?.to === 'b') this.giver.received(idOf('a'), envelope.message);
  }

  runAll(): void {
    while (this.wire.length > 0 || this.sink.waiting.length > 0) {
      while (this.wire.length > 0) this.deliver();
      this.sink.run();
    }
  }
}

test('a file arrives whole, in order, with a bounded number of chunks ahead', () => {
  const pair = new Pair();
  pair.fetch();
  equal(pair.wire.length, LIMITS.chunksAhead);
  pair.runAll();
  deepEqual(pair.sink.held, FILE);
  deepEqual(pair.results, ['s']);
  equal(pair.puller.progress, null);
});

test('offering again while the fetch is under way changes nothing', () => {
  const pair = new Pair();
  pair.fetch();
  pair.fetch();
  pair.fetch('b', meta('newer'));
  equal(pair.wire.length, LIMITS.chunksAhead);
  pair.runAll();
  deepEqual(pair.results, ['s']);
});

test('lost, repeated and reordered chunks: the file arrives all the same', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed);
    const pair = new Pair();
    pair.fetch();
    for (let i = 0; i < 3000 && pair.results.length === 0; i++) {
      const fate = random() % 6;
      const at = pair.wire.length === 0 ? 0 : random() % pair.wire.length;
      const envelope = pair.wire[at];
      if (fate === 0) pair.wire.splice(at, 1);
      else if (fate === 1 && envelope && pair.wire.length < 20) pair.wire.push(envelope);
      else if (fate === 2) pair.sink.run();
      else if (pair.wire.length === 0) pair.puller.tick();
      else pair.deliver(at);
      if (pair.results[0] === null) {
        pair.results.length = 0;
        pair.fetch();
      }
    }
    deepEqual(pair.results, ['s'], `seed ${seed}`);
    deepEqual(pair.sink.held, FILE, `seed ${seed}`);
  }
});

test('it gives up after its bound, and goes on where it broke off', () => {
  const pair = new Pair();
  pair.fetch();
  for (let i = 0; i < 4; i++) {
    pair.deliver();
    pair.sink.run();
  }
  const held = pair.sink.held.length;
  equal(held > 0, true);
  pair.wire.length = 0;
  for (let i = 0; i < LIMITS.giveUpTicks; i++) pair.puller.tick();
  deepEqual(pair.results, [null]);
  pair.wire.length = 0;
  pair.fetch();
  const [first] = pair.wire;
  equal(first?.message.kind === 'chunkWanted' && first.message.position, held);
  pair.runAll();
  deepEqual(pair.results, [null, 's']);
  deepEqual(pair.sink.held, FILE);
});

test('a file that is gone, or is not the one offered, ends the fetch', () => {
  const gone = new Pair();
  gone.files.clear();
  gone.fetch();
  gone.runAll();
  deepEqual(gone.results, [null]);
  const other = new Pair();
  other.files.set('s', Buffer.from('short'));
  other.fetch();
  other.runAll();
  deepEqual(other.results, [null]);
});

test('a disk that fails, or a file that does not verify, ends the fetch', () => {
  const pair = new Pair();
  pair.sink.failure = new Error('full');
  pair.fetch();
  pair.runAll();
  deepEqual(pair.results, [null]);
});

test('the offer of a new leader takes over', () => {
  const pair = new Pair();
  pair.fetch();
  pair.deliver();
  pair.fetch('c', meta('t'));
  deepEqual(pair.results, [null]);
  equal(pair.puller.progress?.snapshot.id, 't');
  const late = pair.wire.filter((envelope) => envelope.to === 'a');
  for (const { message } of late) pair.puller.received(idOf('b'), message);
  equal(pair.sink.held.length, 0, 'late chunks of the old file go nowhere');
});

test('an empty rest of the file is finished without a question', () => {
  const pair = new Pair();
  pair.sink.name = 's';
  pair.sink.held = FILE;
  pair.fetch();
  equal(pair.wire.length, 0);
  pair.runAll();
  deepEqual(pair.results, ['s']);
});
