import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { replOffset } from '../../core/scalars.ts';
import { Hold } from './hold.ts';
import { Lease, type LeaseClock } from './lease.ts';

/** 30 ticks of 25 ms: 29 of them, less a fifth. */
const SPAN_MS = 580;

function leased() {
  const clock = { ms: 1_000, round: 1, isVoter: true };
  const published: number[] = [];
  const ports: LeaseClock = {
    nowMs: () => clock.ms,
    nextRound: () => clock.round,
    isVoter: () => clock.isVoter,
    moved: (untilMs) => published.push(untilMs),
  };
  return { clock, published, lease: new Lease(ports, 25, 30) };
}

describe('a lease', () => {
  test('is not there before a round was confirmed', () => {
    const { lease } = leased();
    lease.note();
    equal(lease.isValid, false);
  });

  test('lasts from before its round was sent, not from when it was confirmed', () => {
    const { clock, lease } = leased();
    lease.note();
    clock.round = 2;
    clock.ms += 500;
    lease.confirmed(1);
    equal(lease.isValid, true);
    clock.ms = 1_000 + SPAN_MS - 1;
    equal(lease.isValid, true);
    clock.ms += 1;
    equal(lease.isValid, false, 'the clock alone ends it, whatever ticks came');
  });

  test('is extended by later rounds only as far as they began', () => {
    const { clock, lease } = leased();
    lease.note();
    clock.ms = 1_100;
    lease.note();
    clock.ms = 1_200;
    clock.round = 2;
    lease.note();
    lease.confirmed(1);
    clock.ms = 1_100 + SPAN_MS - 1;
    equal(lease.isValid, true, 'round 1 had not begun at 1,100');
    clock.ms += 1;
    equal(lease.isValid, false, 'it may have begun before 1,200');
    lease.confirmed(2);
    clock.ms = 1_200 + SPAN_MS - 1;
    equal(lease.isValid, true);
  });

  test('is over for good once it was given up', () => {
    const { clock, lease } = leased();
    lease.note();
    lease.confirmed(1);
    lease.giveUp();
    equal(lease.isValid, false);
    clock.round = 2;
    lease.note();
    lease.confirmed(2);
    equal(lease.isValid, false, 'who was told to campaign may do so much later');
  });

  test('is neither there nor published while the newest members lack this node', () => {
    const { clock, published, lease } = leased();
    lease.note();
    lease.confirmed(1);
    equal(lease.isValid, true);
    clock.isVoter = false;
    equal(lease.isValid, false, 'who is left may be bound by no promise');
    clock.round = 2;
    lease.note();
    lease.confirmed(2);
    equal(lease.isValid, false);
    deepEqual(published, [1_000 + SPAN_MS]);
  });

  test('forgets what is long unconfirmed, and never lasts longer for it', () => {
    const { clock, lease } = leased();
    for (let i = 0; i < 1_000; i++) {
      clock.ms += 25;
      clock.round += 1;
      lease.note();
    }
    lease.confirmed(900);
    equal(lease.isValid, false);
    lease.confirmed(clock.round);
    equal(lease.isValid, true);
  });
});

describe('a hold with a lease', () => {
  function holding() {
    const { clock, lease } = leased();
    const rounds: number[] = [];
    const released: string[] = [];
    const hold = new Hold(
      {
        requestFence: () => undefined,
        requestRound: (round) => rounds.push(round),
        hasUncommitted: () => false,
        lease,
      },
      1_000,
    );
    const session = { release: (bytes: Buffer) => released.push(bytes.toString()) };
    const read = (text: string): void =>
      hold.addLane([{ session, bytes: Buffer.from(text) }], 9, replOffset(0));
    return { clock, lease, hold, rounds, released, read };
  }

  test('releases a read without a round while the lease is valid, and asks for none', () => {
    const { clock, hold, rounds, released, read } = holding();
    hold.tick();
    clock.round = 5;
    hold.confirmed(4);
    hold.laneSent(9);
    read('a');
    deepEqual([released, rounds], [['a'], []]);
    clock.ms += SPAN_MS;
    hold.laneSent(9);
    read('b');
    deepEqual(released, ['a'], 'checked when the reply would leave');
    equal(rounds.at(-1), 9);
    hold.confirmed(9);
    deepEqual(released, ['a', 'b']);
  });

  test('still waits for what the reply depends on', () => {
    const { clock, hold, released } = holding();
    hold.tick();
    clock.round = 5;
    hold.confirmed(4);
    const session = { release: (bytes: Buffer) => released.push(bytes.toString()) };
    hold.addLane([{ session, bytes: Buffer.from('a') }], 9, replOffset(10));
    deepEqual(released, []);
    hold.committed(replOffset(10));
    deepEqual(released, ['a']);
  });

  test('without the lease from the moment that it is given up', () => {
    const { clock, lease, hold, released, read } = holding();
    hold.tick();
    clock.round = 5;
    hold.confirmed(4);
    lease.giveUp();
    read('a');
    deepEqual(released, []);
  });
});
