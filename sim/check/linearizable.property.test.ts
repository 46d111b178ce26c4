import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Operation, Outcome, Step } from './history.ts';
import { linearize } from './linearizable.ts';
import { counter, hash, list, type Model, register, run, set } from './models.ts';
import { linearizableHistory } from './specimens.ts';
import { isLinearizable } from './tried-out.ts';

const KEY = 'x';
const value = fc.constantFrom('1', '2', '3');
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const nilOr = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const truth = maybe(fc.boolean());
const count = maybe(fc.nat(4));
const texts = fc.array(value, { maxLength: 3 });
const members = fc.uniqueArray(value, { maxLength: 3 });

function step(f: Step['f'], more: Record<string, fc.Arbitrary<unknown>> = {}): fc.Arbitrary<Step> {
  return fc
    .record({ f: fc.constant(f), key: fc.constant(KEY), ...more })
    .map((made) => made as unknown as Step);
}

/** Steps with any answer at all: most histories of them are wrong, and some are right. */
const STEPS: readonly (readonly [Model<unknown>, fc.Arbitrary<Step>])[] = [
  [
    register as Model<unknown>,
    fc.oneof(
      step('read', { result: maybe(nilOr(value)) }),
      step('write', { value }),
      step('cas', { from: nilOr(value), to: value, result: truth }),
      step('getset', { value, result: maybe(nilOr(value)) }),
      step('delete', { result: truth }),
      step('exists', { result: truth }),
    ),
  ],
  [
    register as Model<unknown>,
    fc.oneof(step('read', { result: maybe(nilOr(value)) }), step('write', { value })),
  ],
  [
    counter as Model<unknown>,
    fc.oneof(
      step('incr', {
        by: fc.integer({ min: 1, max: 2 }),
        result: maybe(fc.integer({ min: 1, max: 5 })),
      }),
      step('read', { result: maybe(nilOr(value)) }),
    ),
  ],
  [
    counter as Model<unknown>,
    fc.oneof(
      step('incr', {
        by: fc.integer({ min: -1, max: 2 }),
        result: maybe(fc.integer({ min: -1, max: 5 })),
      }),
      step('read', { result: maybe(nilOr(value)) }),
      step('delete', { result: truth }),
    ),
  ],
  [
    list as Model<unknown>,
    fc.oneof(
      step('append', { value, result: count }),
      step('push', { value, result: count }),
      step('range', { result: maybe(texts) }),
      step('lpop', { result: maybe(nilOr(value)) }),
      step('brpop', { result: maybe(nilOr(value)) }),
      step('len', { result: count }),
    ),
  ],
  [
    list as Model<unknown>,
    fc.oneof(step('append', { value, result: count }), step('range', { result: maybe(members) })),
  ],
  [
    list as Model<unknown>,
    fc.oneof(step('append', { value }), step('blpop', { result: maybe(nilOr(value)) })),
  ],
  [
    set as Model<unknown>,
    fc.oneof(
      step('sadd', { value, result: truth }),
      step('srem', { value, result: truth }),
      step('sismember', { value, result: truth }),
      step('smembers', { result: maybe(members) }),
      step('spop', { result: maybe(nilOr(value)) }),
    ),
  ],
  [
    hash as Model<unknown>,
    fc.oneof(
      step('hset', { field: value, value, result: truth }),
      step('hget', { field: value, result: maybe(nilOr(value)) }),
      step('hdel', { field: value, result: truth }),
      step('hincr', { field: value, by: fc.constant(1), result: count }),
      step('hgetall', { result: maybe(fc.uniqueArray(fc.tuple(value, value), { maxLength: 2 })) }),
    ),
  ],
];

function historyOf(steps: fc.Arbitrary<Step>, most: number): fc.Arbitrary<Operation[]> {
  const operation = fc
    .record({
      call: fc.nat(12),
      length: fc.nat(8),
      outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'unknown'),
      steps: fc.oneof(
        { weight: 5, arbitrary: fc.array(steps, { minLength: 1, maxLength: 1 }) },
        { weight: 1, arbitrary: fc.array(steps, { minLength: 2, maxLength: 2 }) },
      ),
    })
    .map(({ call, length, outcome, steps }) => ({
      process: 0,
      call,
      return: outcome === 'ok' ? call + length : null,
      outcome,
      steps: outcome === 'ok' ? steps : steps.map(withoutResult),
    }));
  return fc.array(operation, { minLength: 1, maxLength: most });
}

function withoutResult(step: Step): Step {
  const { result: _, ...rest } = step as { result?: unknown };
  return rest as unknown as Step;
}

for (const [at, [model, steps]] of STEPS.entries()) {
  test(`any small history of a ${model.name} gets the verdict of trying all orders (${at})`, () => {
    fc.assert(
      fc.property(historyOf(steps, 6), (history) => {
        const expected = isLinearizable(model, history) ? 'ok' : 'violated';
        equal(linearize(model, history).verdict, expected);
      }),
      { numRuns: 1500 },
    );
  });

  test(`right answers of a ${model.name} with one of them changed: trying all orders agrees (${at})`, () => {
    const asks = fc.array(steps, { minLength: 7, maxLength: 7 });
    const verdicts = { ok: 0, violated: 0 };
    fc.assert(
      fc.property(
        fc.nat(1e6),
        asks,
        fc.nat(6),
        fc.nat(6),
        fc.nat(20),
        (seed, asked, from, to, mute) => {
          const history = linearizableHistory(model, {
            seed,
            operations: 7,
            processes: 3,
            unknownPermille: 300,
            failPermille: 100,
            ask: (_chance, number) => [asked[number] as Step],
          }).filter(({ outcome }) => outcome !== 'fail');
          equal(linearize(model, history).verdict, 'ok');
          const muted = history.map((each, at) =>
            at === mute ? { ...each, steps: each.steps.map(withoutResult) } : each,
          );
          equal(linearize(model, muted).verdict, 'ok');
          const changed = swapped(muted, from, to);
          const expected = isLinearizable(model, changed) ? 'ok' : 'violated';
          verdicts[expected] += 1;
          equal(linearize(model, changed).verdict, expected);
        },
      ),
      { numRuns: 1000 },
    );
    equal(verdicts.violated > 20, true, `only ${verdicts.violated} were wrong`);
  });
}

/** Two operations change places with their answers, but keep their times. */
function swapped(history: readonly Operation[], from: number, to: number): Operation[] {
  const a = history[from % history.length];
  const b = history[to % history.length];
  if (a === undefined || b === undefined || a.outcome !== 'ok' || b.outcome !== 'ok')
    return [...history];
  return history.map((each) => {
    if (each === a) return { ...a, steps: b.steps };
    return each === b ? { ...b, steps: a.steps } : each;
  });
}

test('the shortest wrong part is exact: without its last return all is well', () => {
  const [model, steps] = STEPS[1] as (typeof STEPS)[number];
  fc.assert(
    fc.property(historyOf(steps, 6), (history) => {
      const found = linearize(model, history);
      if (found.verdict !== 'violated') return;
      const culprit = history[found.stuck.operation] as Operation;
      const cut = culprit.return as number;
      const known = (last: number) =>
        history
          .filter(({ call }) => call <= cut)
          .map((each) =>
            each.return !== null && each.return > last
              ? { ...each, outcome: 'unknown' as const, steps: each.steps.map(withoutResult) }
              : each,
          );
      equal(isLinearizable(model, known(cut)), false);
      equal(isLinearizable(model, known(cut - 1)), true);
    }),
    { numRuns: 1500 },
  );
});

test('the shortest wrong part is exact in longer histories as well', () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(119), fc.nat(60), (seed, late, early) => {
      const history = linearizableHistory(register as Model<unknown>, {
        seed,
        operations: 120,
        processes: 5,
        unknownPermille: 50,
        failPermille: 0,
        ask: (chance, number) => [
          chance.permille(600)
            ? { f: 'read', key: KEY }
            : { f: 'write', key: KEY, value: `${number}` },
        ],
      });
      const found = linearize(register, swapped(history, late, early));
      if (found.verdict !== 'violated') return;
      const cut = swapped(history, late, early)[found.stuck.operation]?.return as number;
      const known = (last: number) =>
        swapped(history, late, early)
          .filter(({ call }) => call <= cut)
          .map((each) =>
            each.return !== null && each.return > last
              ? { ...each, outcome: 'unknown' as const, steps: each.steps.map(withoutResult) }
              : each,
          );
      equal(linearize(register, known(cut)).verdict, 'violated');
      equal(linearize(register, known(cut - 1)).verdict, 'ok');
    }),
    { numRuns: 150 },
  );
});

test('a model gives no state for an impossible answer and one for a possible one', () => {
  const operation = { process: 0, call: 0, return: 1, outcome: 'ok' } as const;
  equal(
    run(counter, 4, { ...operation, steps: [{ f: 'incr', key: KEY, by: 1, result: 6 }] }).length,
    0,
  );
  equal(
    run(counter, 4, { ...operation, steps: [{ f: 'incr', key: KEY, by: 1, result: 5 }] }).length,
    1,
  );
});
