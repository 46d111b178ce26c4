import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { replOffset } from '../../core/scalars.ts';
import { Hold } from './hold.ts';

function barrier(options: { uncommitted?: boolean; heldBytesMax?: number } = {}) {
  const released: string[] = [];
  const rounds: number[] = [];
  const fences = { wanted: 0 };
  const hold = new Hold(
    {
      requestFence: () => {
        fences.wanted += 1;
      },
      requestRound: (round) => rounds.push(round),
      hasUncommitted: () => options.uncommitted ?? true,
    },
    options.heldBytesMax ?? 1000,
  );
  const session = (name: string) => ({
    release: (bytes: Buffer) => {
      released.push(`${name}:${bytes.toString()}`);
    },
  });
  return { hold, released, rounds, fences, session };
}

test('a reply leaves only when commit has reached its fence', () => {
  const { hold, released, session } = barrier();
  hold.add(session('a'), Buffer.from('+OK'), 0);
  hold.fenceSent();
  hold.committed(replOffset(99));
  deepEqual(released, [], 'an offset seen before the fence was answered proves nothing');
  hold.fenceAnswered(replOffset(100));
  deepEqual(released, []);
  hold.committed(replOffset(100));
  deepEqual(released, ['a:+OK']);
});

test('a reply leaves only when a round begun after its command is confirmed', () => {
  const { hold, released, rounds, session } = barrier();
  hold.add(session('a'), Buffer.from('1'), 7);
  hold.fenceSent();
  hold.committed(replOffset(10));
  hold.fenceAnswered(replOffset(10));
  hold.confirmed(6);
  deepEqual(released, [], 'a round begun before the command proves nothing for it');
  equal(rounds.at(-1), 7);
  hold.confirmed(8);
  deepEqual(released, ['a:1']);
});

test('a reply read after the fence was sent waits for the next fence', () => {
  const { hold, released, fences, session } = barrier();
  hold.add(session('a'), Buffer.from('1'), 0);
  hold.fenceSent();
  hold.add(session('b'), Buffer.from('2'), 0);
  hold.committed(replOffset(50));
  hold.fenceAnswered(replOffset(10));
  deepEqual(released, ['a:1']);
  equal(fences.wanted, 2);
  hold.fenceSent();
  hold.fenceAnswered(replOffset(50));
  deepEqual(released, ['a:1', 'b:2']);
});

test('H1: what is held when the reign ends is never released, whatever commits later', () => {
  const { hold, released, session } = barrier();
  hold.add(session('a'), Buffer.from('lost'), 0);
  hold.fenceSent();
  hold.fenceAnswered(replOffset(553));
  hold.end();
  hold.committed(replOffset(553));
  hold.confirmed(99);
  hold.add(session('a'), Buffer.from('late'), 0);
  deepEqual(released, []);
  equal(hold.heldBytes, 0);
});

test('an idle log asks for a round with the fence; a busy one lets the append confirm it', () => {
  const idle = barrier({ uncommitted: false });
  idle.hold.add(idle.session('a'), Buffer.from('1'), 3);
  idle.hold.fenceSent();
  deepEqual(idle.rounds, [3]);
  const busy = barrier({ uncommitted: true });
  busy.hold.add(busy.session('a'), Buffer.from('1'), 3);
  busy.hold.fenceSent();
  deepEqual(busy.rounds, []);
});

test('a full hold says so, and drains once', () => {
  const { hold, session } = barrier({ heldBytesMax: 4 });
  hold.add(session('a'), Buffer.from('1234'), 0);
  equal(hold.isFull, true);
  let drained = 0;
  hold.onDrain(() => {
    drained += 1;
  });
  hold.fenceSent();
  hold.fenceAnswered(replOffset(0));
  equal(drained, 1);
  equal(hold.isFull, false);
});

test('a hold that ends while it is full lets go of those who wait for room', () => {
  const { hold, session } = barrier({ heldBytesMax: 4 });
  hold.add(session('a'), Buffer.from('1234'), 0);
  let drained = 0;
  hold.onDrain(() => {
    drained += 1;
  });
  hold.end();
  equal(drained, 1);
});

test('an error waits like any other reply: it tells what is not committed', () => {
  const { hold, released, session } = barrier();
  hold.add(session('a'), Buffer.from('-WRONGTYPE'), 0);
  hold.fenceSent();
  hold.fenceAnswered(replOffset(100));
  deepEqual(released, []);
  hold.committed(replOffset(100));
  deepEqual(released, ['a:-WRONGTYPE']);
});

test('replies leave in the order in which they were read, each to its own session', () => {
  const { hold, released, session } = barrier();
  for (const [name, reply] of ['a1', 'b1', 'a2', 'c1', 'b2']) {
    hold.add(session(name ?? ''), Buffer.from(reply ?? ''), 0);
  }
  hold.fenceSent();
  hold.add(session('a'), Buffer.from('3'), 0);
  hold.fenceAnswered(replOffset(10));
  hold.fenceSent();
  hold.fenceAnswered(replOffset(20));
  hold.committed(replOffset(20));
  deepEqual(released, ['a:1', 'b:1', 'a:2', 'c:1', 'b:2', 'a:3']);
});

test('replies of a lane leave with the fence that came with them, and no other is asked', () => {
  const { hold, released, fences, session } = barrier();
  const [a, b] = [session('a'), session('b')];
  hold.addLane(
    [
      { session: a, bytes: Buffer.from('1') },
      { session: b, bytes: Buffer.from('2') },
      { session: a, bytes: Buffer.from('3') },
    ],
    0,
    replOffset(100),
  );
  hold.committed(replOffset(99));
  deepEqual(released, []);
  hold.committed(replOffset(100));
  deepEqual(released, ['a:1', 'b:2', 'a:3']);
  equal(fences.wanted, 0);
  equal(hold.heldBytes, 0);
});

test('replies of a lane without a fence wait for one sent after they were read', () => {
  const { hold, released, fences, session } = barrier();
  hold.add(session('own'), Buffer.from('1'), 0);
  hold.fenceSent();
  hold.addLane([{ session: session('a'), bytes: Buffer.from('2') }], 0, null);
  hold.addLane([{ session: session('a'), bytes: Buffer.from('3') }], 0, replOffset(40));
  hold.committed(replOffset(50));
  hold.fenceAnswered(replOffset(10));
  deepEqual(released, ['own:1'], 'that fence was sent before they were read');
  equal(hold.isFenceWanted, true);
  equal(fences.wanted, 2);
  hold.fenceSent();
  hold.fenceAnswered(replOffset(50));
  deepEqual(released, ['own:1', 'a:2', 'a:3'], 'and those behind them keep their order');
});

test('replies of a lane want a round begun after their commands, beside the fence if only read', () => {
  const { hold, released, rounds, session } = barrier({ uncommitted: false });
  hold.laneSent(7);
  deepEqual(rounds, [7]);
  hold.addLane([{ session: session('a'), bytes: Buffer.from('1') }], 7, replOffset(0));
  hold.confirmed(6);
  deepEqual(released, []);
  hold.confirmed(7);
  deepEqual(released, ['a:1']);
});

test('what a lane brought is dropped with the reign', () => {
  const { hold, released, session } = barrier();
  hold.addLane([{ session: session('a'), bytes: Buffer.from('1') }], 0, replOffset(100));
  hold.end();
  hold.addLane([{ session: session('a'), bytes: Buffer.from('2') }], 0, replOffset(1));
  hold.committed(replOffset(200));
  deepEqual([released, hold.heldBytes], [[], 0]);
});
