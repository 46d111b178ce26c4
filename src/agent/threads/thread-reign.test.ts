import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { replOffset } from '../../core/scalars.ts';
import { NEVER, ReignReader, ReignWriter, reignMemory } from './reign-cell.ts';
import { ThreadReign } from './thread-reign.ts';

const LIMITS = { heldBytesMax: 1_000, fenceTicksMax: 5, busyTicksMax: 15 };
const REPLICAS = 1;

/** A thread with its present reign, and the main thread's side of the cell. */
class Trial {
  readonly writer: ReignWriter;
  readonly released: string[] = [];
  readonly rounds: number[] = [];
  listens = 0;
  /** What the main thread does in the very moment before the bell is listened to. */
  onListen: () => void = () => undefined;
  nowMs: number | null = null;
  readonly #memory = reignMemory();

  constructor() {
    this.writer = new ReignWriter(this.#memory, () => undefined);
  }

  reign(number: number): ThreadReign {
    const isLeased = this.nowMs !== null;
    return new ThreadReign(number, new ReignReader(this.#memory), LIMITS, {
      requestFence: () => undefined,
      requestRound: (round) => this.rounds.push(round),
      listen: () => {
        this.onListen();
        this.listens += 1;
      },
      nowMs: isLeased ? () => this.nowMs as number : null,
    });
  }

  /** A command of an own connection, from its arrival to the answer of its fence. */
  ask(reign: ThreadReign, name: string, fence: number, ticket = reign.nextRound()): void {
    reign.add(this.session(), Buffer.from(name), ticket);
    reign.fenceSent();
    const offset = replOffset(fence);
    equal(reign.answered({ kind: 'primary', offset, replicas: REPLICAS }), 'done');
  }

  session() {
    return { release: (bytes: Buffer) => this.released.push(bytes.toString()) };
  }
}

test('a reply leaves when its reign has committed its fence and confirmed its round', () => {
  const trial = new Trial();
  trial.writer.began(4);
  trial.writer.open(1);
  const reign = trial.reign(1);
  trial.ask(reign, 'a', 100);
  trial.writer.committed(replOffset(100));
  reign.rung();
  deepEqual(trial.released, []);
  deepEqual(trial.rounds, [4]);
  trial.writer.confirmed(3);
  reign.rung();
  deepEqual(trial.released, [], 'a round that began before the command proves nothing for it');
  trial.writer.confirmed(4);
  reign.rung();
  deepEqual(trial.released, ['a']);
  deepEqual(trial.rounds, [4], 'a round is asked for once');
});

test('the bell is listened to while something is held, and only then', () => {
  const trial = new Trial();
  trial.writer.began(1);
  trial.writer.open(1);
  trial.writer.committed(replOffset(10));
  const reign = trial.reign(1);
  reign.addLane([{ session: trial.session(), bytes: Buffer.from('a') }], 0, replOffset(10));
  deepEqual([trial.released, trial.listens], [['a'], 0]);
  reign.addLane([{ session: trial.session(), bytes: Buffer.from('b') }], 0, replOffset(20));
  equal(trial.listens, 1);
  trial.writer.committed(replOffset(20));
  reign.rung();
  deepEqual([trial.released, trial.listens], [['a', 'b'], 1]);
});

test('news that came before the bell was listened to is not missed', () => {
  const trial = new Trial();
  trial.writer.began(1);
  trial.writer.open(1);
  const reign = trial.reign(1);
  trial.onListen = () => trial.writer.committed(replOffset(10));
  trial.ask(reign, 'a', 10, 0);
  deepEqual(trial.released, ['a']);
});

test('H1: no commit and no round of the next reign releases what a late thread still holds', () => {
  const trial = new Trial();
  trial.writer.began(4);
  trial.writer.open(1);
  const reign = trial.reign(1);
  trial.ask(reign, 'a', 553);
  trial.writer.confirmed(4);
  trial.writer.end();
  trial.writer.committed(replOffset(600));
  trial.writer.began(90);
  trial.writer.open(2);
  trial.writer.confirmed(80);
  reign.rung();
  trial.ask(reign, 'b', 10);
  reign.rung();
  deepEqual(trial.released, []);
});

test('a command that arrives after the end has no round, even of a reign that has begun since', () => {
  const trial = new Trial();
  trial.writer.began(4);
  trial.writer.committed(replOffset(100));
  trial.writer.open(1);
  trial.writer.confirmed(3);
  const reign = trial.reign(1);
  reign.look();
  equal(reign.nextRound(), 4);
  trial.writer.end();
  equal(reign.nextRound(), NEVER);
  trial.writer.began(2);
  trial.writer.open(2);
  equal(reign.nextRound(), NEVER, 'round 2 of another term was confirmed here long ago');
  trial.ask(reign, 'stale', 50);
  deepEqual([trial.released, trial.rounds], [[], []]);
});

test('nobody leads: a command has no round although the reign has not ended yet', () => {
  const trial = new Trial();
  trial.writer.began(4);
  trial.writer.open(1);
  trial.writer.began(0);
  equal(trial.reign(1).nextRound(), NEVER);
});

test('what was confirmed and committed in a reign releases also after its end', () => {
  const trial = new Trial();
  trial.writer.began(4);
  trial.writer.open(1);
  const reign = trial.reign(1);
  const ticket = reign.nextRound();
  trial.writer.committed(replOffset(100));
  trial.writer.confirmed(4);
  reign.look();
  trial.writer.end();
  trial.ask(reign, 'a', 100, ticket);
  deepEqual(trial.released, ['a'], 'it was true, and stays true');
});

test('by lease, until it ends, is given up, or the reign is over', () => {
  const trial = new Trial();
  trial.nowMs = 1_000;
  trial.writer.began(4);
  trial.writer.committed(replOffset(100));
  trial.writer.open(1);
  trial.writer.leased(1_500);
  const reign = trial.reign(1);
  trial.ask(reign, 'a', 100);
  deepEqual(trial.released, ['a']);
  trial.nowMs = 1_500;
  trial.ask(reign, 'b', 100);
  trial.writer.leased(2_000);
  trial.writer.leased(0);
  reign.rung();
  deepEqual(trial.released, ['a']);
  trial.writer.leased(3_000);
  reign.rung();
  deepEqual(trial.released, ['a', 'b']);
  trial.writer.end();
  trial.writer.committed(replOffset(100));
  trial.writer.leased(9_000);
  trial.writer.open(2);
  trial.ask(reign, 'c', 100);
  deepEqual(trial.released, ['a', 'b']);
});

test('a fence that is no word of a primary with a capture ends the reign', () => {
  for (const role of [
    { kind: 'replica', isConnected: true, offset: replOffset(1) },
    { kind: 'primary', offset: replOffset(1), replicas: 0 },
    { kind: 'failed', text: 'NOAUTH' },
  ] as const) {
    const trial = new Trial();
    trial.writer.open(1);
    const reign = trial.reign(1);
    reign.add(trial.session(), Buffer.from('a'), 0);
    reign.fenceSent();
    const outcome = reign.answered(role);
    ok(typeof outcome === 'object', role.kind);
    deepEqual(trial.released, []);
  }
  const hung = new Trial().reign(1);
  hung.add({ release: () => undefined }, Buffer.from('a'), 0);
  hung.fenceSent();
  const words = Array.from({ length: LIMITS.fenceTicksMax + 1 }, () => hung.tick());
  equal(words.at(-1), 'the server does not answer');
});

interface Asked {
  readonly reign: number;
  readonly ticket: number;
  /** Whether the reign was open when the ticket was taken: otherwise the command came too late. */
  readonly wasOpen: boolean;
  readonly fence: number;
}

const STEP = fc.constantFrom('round', 'confirm', 'commit', 'end', 'ask', 'askLane', 'ring', 'hear');

test('whenever reigns end, and however late a thread hears of it, only its own reign releases', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60, size: 'max' }), (steps) => {
      const trial = new Trial();
      const asked = new Map<string, Asked>();
      const committed = new Map<number, number>();
      const confirmed = new Map<number, number>();
      let [present, next, offset, names] = [1, 1, 0, 0];
      trial.writer.began(next);
      trial.writer.open(present);
      let thread = trial.reign(present);
      for (const step of steps) {
        switch (step) {
          case 'round':
            next += 1;
            trial.writer.began(next);
            break;
          case 'confirm':
            confirmed.set(present, next - 1);
            trial.writer.confirmed(next - 1);
            break;
          case 'commit':
            offset += 10;
            committed.set(present, offset);
            trial.writer.committed(replOffset(offset));
            break;
          case 'end':
            // The next one counts its rounds anew, and has committed more.
            present += 1;
            [next, offset] = [1, offset + 5];
            trial.writer.end();
            committed.set(present, offset);
            trial.writer.began(next);
            trial.writer.committed(replOffset(offset));
            trial.writer.open(present);
            break;
          case 'ask':
          case 'askLane': {
            const name = `${names++}`;
            const ticket = thread.nextRound();
            // A server that serves a later reign may well tell an offset of this one.
            const fence = Math.max(0, offset + 5 * (names % 5) - 15);
            const wasOpen = thread.number === present;
            asked.set(name, { reign: thread.number, ticket, wasOpen, fence });
            const reply = { session: trial.session(), bytes: Buffer.from(name) };
            if (step === 'ask') trial.ask(thread, name, fence, ticket);
            else thread.addLane([reply], ticket, replOffset(fence));
            break;
          }
          case 'ring':
            thread.rung();
            break;
          case 'hear':
            if (thread.number === present) break;
            thread.end();
            thread = trial.reign(present);
            break;
        }
        for (const name of trial.released.splice(0)) {
          const reply = asked.get(name);
          ok(reply?.wasOpen, 'it came while its reign was open');
          ok((committed.get(reply.reign) ?? 0) >= reply.fence, 'its own reign has committed it');
          ok((confirmed.get(reply.reign) ?? -1) >= reply.ticket, 'and confirmed its round');
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
