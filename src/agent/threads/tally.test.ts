import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Tally } from './tally.ts';

test('what one thread tells another reads, by name', () => {
  const names = ['reign', 'round'] as const;
  const memory = Tally.memory(names);
  const [here, there] = [new Tally(memory, names), new Tally(memory, names)];
  deepEqual(there.read(), { reign: 0, round: 0 });
  here.tell({ round: 2 ** 40, reign: 3 });
  deepEqual(there.read(), { reign: 3, round: 2 ** 40 });
});
