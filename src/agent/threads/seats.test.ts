import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Seats } from './seats.ts';

test('seats are counted in all threads together, and a refused one is not taken', () => {
  const memory = Seats.memory();
  const [one, other] = [new Seats(memory, 2), new Seats(memory, 2)];
  deepEqual([one.take(), other.take(), one.take(), other.take()], [true, true, false, false]);
  one.leave();
  deepEqual([other.take(), one.take()], [true, false]);
});
