/** Known good and known bad histories of every model. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { checkHistory } from './check.ts';
import type { Operation, Outcome, Step } from './history.ts';
import { linearize } from './linearizable.ts';
import { counter, list, type Model, register } from './models.ts';
import { linearizableHistory, type Wish } from './specimens.ts';

const key = 'x';

function at(call: number, end: number | null, step: Step | Step[], outcome?: Outcome): Operation {
  const steps = Array.isArray(step) ? step : [step];
  const fate = outcome ?? (end === null ? 'unknown' : 'ok');
  return { process: call, call, return: end, outcome: fate, steps };
}

const write = (value: string): Step => ({ f: 'write', key, value });
const read = (result: string | null): Step => ({ f: 'read', key, result });
const cas = (from: string | null, to: string, result: boolean): Step => ({
  f: 'cas',
  key,
  from,
  to,
  result,
});
const incr = (result?: number): Step => ({ f: 'incr', key, by: 1, result });
const append = (value: string, result?: number): Step => ({ f: 'append', key, value, result });
const lpop = (result: string | null): Step => ({ f: 'lpop', key, result });
const blpop = (result: string | null): Step => ({ f: 'blpop', key, result });
const range = (...result: string[]): Step => ({ f: 'range', key, result });
const sadd = (value: string, result: boolean): Step => ({ f: 'sadd', key, value, result });
const smembers = (...result: string[]): Step => ({ f: 'smembers', key, result });
const hset = (field: string, value: string): Step => ({ f: 'hset', key, field, value });
const hget = (field: string, result: string | null): Step => ({ f: 'hget', key, field, result });

type Case = readonly [claim: string, history: readonly Operation[]];

const GOOD: readonly Case[] = [
  ['nothing', []],
  [
    'a read during a write sees the old value or the new',
    [at(0, 10, write('1')), at(2, 4, read(null)), at(5, 7, read('1'))],
  ],
  ['an unknown write is never seen', [at(0, null, write('1')), at(5, 6, read(null))]],
  [
    'an unknown write takes effect long after',
    [at(0, 3, write('1'), 'unknown'), at(5, 6, read(null)), at(8, 9, read('1'))],
  ],
  ['a failed write is never seen', [at(0, 3, write('1'), 'fail'), at(5, 6, read(null))]],
  ['calls that touch are concurrent', [at(0, 5, write('1')), at(5, 6, read(null))]],
  ['a swap that lost', [at(0, 1, write('1')), at(2, 3, cas('2', '3', false)), at(4, 5, read('1'))]],
  [
    'a counter and an increment that timed out',
    [at(0, 1, incr(1)), at(2, null, incr()), at(4, 5, incr(3))],
  ],
  [
    'a transaction is one moment',
    [at(0, 9, [write('1'), write('2')]), at(1, 2, read(null)), at(3, 4, read('2'))],
  ],
  [
    'a blocked pop is served by a later push',
    [at(0, 9, blpop('a')), at(5, 6, append('a', 1)), at(7, 8, range())],
  ],
  ['a blocked pop that gave up', [at(0, 4, blpop(null)), at(5, 6, append('a', 1))]],
  [
    'a queue of two producers',
    [at(0, 5, append('a')), at(0, 5, append('b')), at(6, 7, lpop('b')), at(8, 9, lpop('a'))],
  ],
  [
    'a queue whose pops touch: the one that returned may be the later one',
    [at(0, 1, append('a')), at(2, 3, append('b')), at(6, 9, lpop('a')), at(5, 6, lpop('b'))],
  ],
  [
    'a swap that was not answered, and an unknown write that calls for it',
    [
      at(0, 9, { f: 'cas', key, from: '1', to: '3' }),
      at(0, 9, { f: 'getset', key, value: '1', result: '3' }),
      at(0, null, write('1')),
    ],
  ],
  [
    'a pop that was not answered took what an unknown add had brought',
    [
      at(0, 1, sadd('a', true)),
      at(2, null, { f: 'sadd', key, value: 'b' }),
      at(4, 9, { f: 'spop', key }),
      at(4, 9, smembers('a')),
      at(10, 11, { f: 'srem', key, value: 'a', result: true }),
      at(12, 13, smembers()),
    ],
  ],
  [
    'members of a set in any order',
    [at(0, 1, sadd('a', true)), at(2, 3, sadd('b', true)), at(4, 5, smembers('b', 'a'))],
  ],
  [
    'an answer that was not kept',
    [
      at(0, 1, { f: 'spop', key }),
      at(2, 3, sadd('a', true)),
      at(4, 5, { f: 'spop', key }),
      at(6, 7, smembers()),
    ],
  ],
];

const BAD: readonly Case[] = [
  ['stale read', [at(0, 1, write('1')), at(2, 3, write('2')), at(4, 5, read('1'))]],
  ['lost write', [at(0, 1, write('1')), at(2, 3, read(null))]],
  ['a value that nobody wrote', [at(0, 1, write('1')), at(2, 3, read('7'))]],
  ['dirty read of a failed write', [at(0, 1, write('1'), 'fail'), at(2, 3, read('1'))]],
  [
    'back in time: the new value, then the old',
    [at(0, 20, write('1')), at(2, 3, read('1')), at(5, 6, read(null))],
  ],
  [
    'split brain: two swaps of one value both won',
    [at(0, 1, write('0')), at(2, 9, cas('0', '1', true)), at(2, 9, cas('0', '2', true))],
  ],
  ['an increment is lost', [at(0, 1, incr(1)), at(2, 3, incr(1))]],
  ['an increment is executed twice after a retry', [at(0, 1, incr(1)), at(2, 3, incr(3))]],
  ['an unknown increment counts once, not twice', [at(0, null, incr()), at(2, 3, incr(3))]],
  [
    'one element is popped twice',
    [at(0, 1, append('a')), at(2, 9, lpop('a')), at(2, 9, lpop('a'))],
  ],
  ['a blocked pop sleeps through a push', [at(0, 1, append('a', 1)), at(2, 9, blpop(null))]],
  [
    'a queue out of order',
    [at(0, 1, append('a')), at(2, 3, append('b')), at(4, 5, lpop('b')), at(6, 7, lpop('a'))],
  ],
  ['a length that cannot be', [at(0, 1, append('a', 1)), at(2, 3, append('b', 3))]],
  ['half of a transaction is seen', [at(0, 9, [write('1'), write('2')]), at(3, 4, read('1'))]],
  [
    'a member is gone',
    [at(0, 1, sadd('a', true)), at(2, 3, sadd('b', true)), at(4, 5, smembers('b'))],
  ],
  ['a member is new twice', [at(0, 1, sadd('a', true)), at(2, 3, sadd('a', true))]],
  [
    'a field is stale',
    [at(0, 1, hset('f', '1')), at(2, 3, hset('f', '2')), at(4, 5, hget('f', '1'))],
  ],
  [
    'a deleted key is still there',
    [at(0, 1, write('1')), at(2, 3, { f: 'delete', key, result: true }), at(4, 5, read('1'))],
  ],
];

for (const [claim, history] of GOOD) {
  test(`passes: ${claim}`, () => {
    const { verdict, anomalies } = checkHistory(history);
    equal(verdict, 'ok', anomalies.map(({ words }) => words).join('\n'));
  });
}

for (const [claim, history] of BAD) {
  test(`caught: ${claim}`, () => equal(checkHistory(history).verdict, 'violated'));
}

test('the reason names the operation, what the key held, and the order of the others', () => {
  const history = [
    at(0, 1, write('1')),
    at(2, 3, write('2')),
    at(4, 5, read('1')),
    at(6, 7, read('2')),
  ];
  const [anomaly] = checkHistory(history).anomalies;
  deepEqual(anomaly?.operations[0], 2);
  match(anomaly?.words ?? '', /T2 fits nowhere among the 3 operations/);
  match(anomaly?.words ?? '', /T2 = process 4 at 4\.\.5: read x -> 1/);
  match(anomaly?.words ?? '', /while it ran, x held 2/);
});

test('keys are judged apart, and transactions over several keys together', () => {
  const both = at(0, 1, [write('1'), { f: 'incr', key: 'n', by: 1, result: 1 }]);
  const apart = at(2, 3, { f: 'sadd', key: 's', value: 'a', result: true });
  equal(checkHistory([both, apart, at(4, 5, read('1'))]).verdict, 'ok');
  const torn = at(4, 5, [read(null), { f: 'read', key: 'n', result: '1' }]);
  const [anomaly] = checkHistory([both, apart, torn]).anomalies;
  match(anomaly?.words ?? '', /"x n" is not linearizable/);
});

test('where transactions tie many keys, those that only grow are judged by themselves', () => {
  const history = Array.from({ length: 700 }, (_, n): Operation => {
    const list: Step = { f: 'append', key: `l${n % 20}`, value: `${n}` };
    return at(n * 2, n * 2 + 1, [list, { f: 'incr', key: 'n', by: 1, result: n + 1 }]);
  });
  equal(checkHistory(history).verdict, 'ok');
  const last = history[600] as Operation;
  const twice = { ...last, steps: last.steps.with(1, { f: 'incr', key: 'n', by: 1, result: 600 }) };
  const { anomalies } = checkHistory(history.with(600, twice));
  deepEqual(
    anomalies.map(({ key, operations }) => [key, operations[0]]),
    [['n', 600]],
  );
});

test('a search that gives up is undecided, and says so', () => {
  const ask: Wish['ask'] = (chance, number) => [
    chance.permille(500) ? append(`${number}`) : { f: 'rpop', key },
  ];
  const wish = {
    seed: 3,
    operations: 400,
    processes: 20,
    unknownPermille: 200,
    failPermille: 0,
    ask,
  };
  const { verdict, doubts } = checkHistory(linearizableHistory(list as Model<unknown>, wish), 300);
  equal(verdict, 'undecided');
  match(doubts.join(), /undecided after 300 tries/);
});

test('a key used as two types is undecided, and the others are judged', () => {
  const mixed = [at(0, 1, append('a', 1)), at(2, 3, sadd('a', true))];
  equal(checkHistory(mixed).verdict, 'undecided');
  const lost: Step = { f: 'read', key: 'y', result: '9' };
  equal(checkHistory([...mixed, at(4, 5, lost)]).verdict, 'violated');
});

const LARGE: readonly (readonly [string, Model<unknown>, Wish['ask']])[] = [
  [
    'register',
    register as Model<unknown>,
    (chance, n) => [chance.permille(500) ? { f: 'read', key } : write(`${n}`)],
  ],
  [
    'register of five values with swaps',
    register as Model<unknown>,
    (chance) => {
      const value = `${chance.below(5)}`;
      if (chance.permille(400)) return [{ f: 'read', key }];
      return [chance.permille(500) ? write(value) : cas(`${chance.below(5)}`, value, true)];
    },
  ],
  [
    'counter',
    counter as Model<unknown>,
    (chance) => [chance.permille(300) ? { f: 'read', key } : incr()],
  ],
];

for (const [name, model, ask] of LARGE) {
  test(`10000 operations of 20 processes on one ${name} are judged within seconds`, () => {
    const wish = {
      seed: 1,
      operations: 10_000,
      processes: 20,
      unknownPermille: 20,
      failPermille: 10,
      ask,
    };
    const history = linearizableHistory(model, wish).filter(({ outcome }) => outcome !== 'fail');
    const begun = process.cpuUsage();
    equal(linearize(model, history).verdict, 'ok');
    ok(process.cpuUsage(begun).user < 15e6);
  });
}

for (const at of [0, 2]) {
  const [name, model, ask] = LARGE[at] as (typeof LARGE)[number];
  test(`one stale read among 10000 operations on a ${name} is found`, () => {
    const wish = {
      seed: 2,
      operations: 10_000,
      processes: 20,
      unknownPermille: 20,
      failPermille: 0,
      ask,
    };
    const history = linearizableHistory(model, wish);
    const isRead = ({ outcome, steps }: Operation) => outcome === 'ok' && steps[0]?.f === 'read';
    const late = history.findIndex((each, place) => place > 5_000 && isRead(each));
    const early = history.findIndex((each, place) => place > 4_800 && isRead(each));
    const stale = { ...(history[late] as Operation), steps: history[early]?.steps ?? [] };
    const found = linearize(model, history.with(late, stale));
    equal(found.verdict, 'violated');
    equal(found.verdict === 'violated' && found.stuck.operation, late);
  });
}
