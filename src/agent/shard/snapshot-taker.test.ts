import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { replOffset } from '../../core/scalars.ts';
import type { SnapshotReceiver } from './ports.ts';
import { type RdbWriter, SnapshotTaker, STALL_TICKS_MAX } from './snapshot-taker.ts';

/** A taker whose server is played by the test and whose writer completes when the test says so. */
function world() {
  const said: string[] = [];
  const writes: (() => void)[] = [];
  let receiver: SnapshotReceiver | null = null;
  const writer: RdbWriter = {
    append: (bytes, done) => {
      said.push(`append ${Buffer.from(bytes)}`);
      writes.push(() => done(null));
    },
    abort: () => said.push('abort'),
  };
  const taker = new SnapshotTaker<RdbWriter>({
    connect: (given) => {
      receiver = given;
      return {
        setPaused: (isPaused) => said.push(isPaused ? 'pause' : 'resume'),
        close: () => said.push('close'),
      };
    },
    begin: (_replid, _offset, done) => done(writer, ''),
    done: (found, why) => said.push(found === null ? `failed: ${why}` : 'done'),
  });
  const server = receiver as SnapshotReceiver | null;
  if (server === null) throw new Error('the taker connects at once');
  const begin = () =>
    server.onEvent({ kind: 'fullResync', replid: 'f'.repeat(40), offset: replOffset(7) });
  const tick = (ticks: number) => {
    for (let i = 0; i < ticks; i++) taker.tick();
  };
  return { said, writes, server, begin, tick };
}

test('a transfer that stands still is given up after its bound, and its file with it', () => {
  const { said, begin, tick } = world();
  begin();
  tick(STALL_TICKS_MAX);
  equal(said.includes('abort'), false);
  tick(1);
  deepEqual(said.slice(-3), ['close', 'failed: the server sends nothing more', 'abort']);
});

test('whatever moves gives it time again, a slow disk included', () => {
  const { said, writes, server, begin, tick } = world();
  begin();
  tick(STALL_TICKS_MAX);
  server.onEvent({ kind: 'rdbBytes', bytes: Buffer.from('a') });
  tick(STALL_TICKS_MAX);
  writes.shift()?.();
  tick(STALL_TICKS_MAX);
  server.onEvent({ kind: 'rdbEnd' });
  server.onClosed('the server hung up');
  deepEqual(said.slice(-2), ['close', 'done']);
});
