import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { parseDatabaseChoice, planDatabases } from './databases.ts';

test('parseDatabaseChoice: a number, or two', () => {
  deepEqual(parseDatabaseChoice('3'), { from: 3, to: 3 });
  deepEqual(parseDatabaseChoice('3:0'), { from: 3, to: 0 });
  for (const text of ['', 'a', '-1', '3:', ':3', '1:2:3', '99999'])
    equal(parseDatabaseChoice(text), null);
});

test('planDatabases: which go where, and what is refused', () => {
  const same = (database: number) => ({ from: database, to: database });
  const cases: [Parameters<typeof planDatabases>, moves: unknown, left: unknown][] = [
    [[[0, 3], [], false], [same(0), same(3)], []],
    [[[0], [], true], [same(0)], []],
    [[[0, 3], [], true], null, null],
    [[[0, 3], [same(0)], true], [same(0)], [3]],
    [[[0, 3], [same(0), { from: 3, to: 0 }], true], [same(0), { from: 3, to: 0 }], []],
    [[[0, 3], [{ from: 3, to: 5 }], false], [{ from: 3, to: 5 }], [0]],
    [[[0], [same(0), { from: 0, to: 1 }], false], null, null],
    [[[0], [same(7)], false], [], [0]],
  ];
  for (const [words, moves, left] of cases) {
    const plan = planDatabases(...words);
    deepEqual(plan.ok ? plan.moves : null, moves, JSON.stringify(words));
    deepEqual(plan.ok ? plan.left : null, left);
  }
});
