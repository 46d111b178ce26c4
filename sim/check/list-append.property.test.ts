import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Chance } from '../time.ts';
import type { Operation, Outcome, Step } from './history.ts';
import { checkListAppend } from './list-append.ts';
import { list, type Model, Together } from './models.ts';
import { linearizableHistory } from './specimens.ts';
import { isLinearizable } from './tried-out.ts';

const KEYS = ['x', 'y'] as const;
const server = listsOf(KEYS);

interface Shape {
  readonly operations: number;
  readonly times: number;
  /** A last operation reads every key after all else has returned. */
  readonly endsWithReads: boolean;
  readonly wrongPermille: number;
}

/**
 * Every key gets an order of the elements appended to it, and every read answers with some
 * beginning of it: the answers look plausible, and most histories are wrong in some way.
 */
function plausibleHistory(seed: number, shape: Shape): Operation[] {
  const chance = new Chance(seed, 'list-append');
  let number = 0;
  const asked = Array.from({ length: shape.operations }, (_, process) => {
    const call = chance.below(shape.times);
    const outcome = chance.pick<Outcome>(['ok', 'ok', 'ok', 'ok', 'unknown', 'fail']);
    const steps = Array.from({ length: chance.between(1, 3) }, (): Step => {
      const key = chance.pick(KEYS);
      number += 1;
      return chance.permille(500) ? { f: 'range', key } : { f: 'append', key, value: `${number}` };
    });
    const end = call + chance.below(shape.times / 2);
    return { process, call, return: outcome === 'unknown' ? null : end, outcome, steps };
  });
  const orders = new Map(
    KEYS.map((key) => {
      const values = asked.flatMap(({ outcome, steps }) =>
        steps.flatMap((step) =>
          step.f === 'append' && step.key === key && isKept(outcome, chance) ? [step.value] : [],
        ),
      );
      return [key, chance.permille(400) ? chance.shuffled(values) : values] as const;
    }),
  );
  const answer = (step: Step): Step => {
    if (step.f !== 'range') return step;
    const order = orders.get(step.key as 'x' | 'y') ?? [];
    const values = order.slice(0, chance.below(order.length + 1));
    if (values.length > 1 && chance.permille(shape.wrongPermille)) values.reverse();
    return { ...step, result: values };
  };
  const heard = asked.map((each) =>
    each.outcome === 'ok' ? { ...each, steps: each.steps.map(answer) } : each,
  );
  if (!shape.endsWithReads) return heard;
  const reads = KEYS.map((key): Step => ({ f: 'range', key, result: orders.get(key) ?? [] }));
  const call = shape.times * 2;
  return [...heard, { process: 99, call, return: call + 1, outcome: 'ok', steps: reads }];
}

function isKept(outcome: Outcome, chance: Chance): boolean {
  if (outcome === 'ok') return chance.permille(970);
  return chance.permille(outcome === 'fail' ? 30 : 500);
}

const RUNS = 6000;

test('whatever is reported is a violation: no order of all operations explains it', () => {
  const counts = { clean: 0, wrong: 0 };
  fc.assert(
    fc.property(fc.nat(1e9), (seed) => {
      const shape = { operations: 5, times: 12, endsWithReads: false, wrongPermille: 20 };
      const history = plausibleHistory(seed, shape);
      const { anomalies } = checkListAppend(history);
      counts[anomalies.length === 0 ? 'clean' : 'wrong'] += 1;
      if (anomalies.length > 0) equal(isLinearizable(server, history), false);
    }),
    { numRuns: RUNS },
  );
  ok(counts.clean > RUNS / 20 && counts.wrong > RUNS / 20, JSON.stringify(counts));
});

test('with reads of everything at the end, whatever is a violation is reported', () => {
  const counts = { clean: 0, wrong: 0 };
  fc.assert(
    fc.property(fc.nat(1e9), fc.integer({ min: 2, max: 5 }), (seed, operations) => {
      const shape = { operations, times: 12, endsWithReads: true, wrongPermille: 10 };
      const history = plausibleHistory(seed, shape);
      const { anomalies } = checkListAppend(history);
      const expected = isLinearizable(server, history);
      counts[expected ? 'clean' : 'wrong'] += 1;
      equal(anomalies.length === 0, expected);
    }),
    { numRuns: RUNS },
  );
  ok(counts.clean > RUNS / 20 && counts.wrong > RUNS / 20, JSON.stringify(counts));
});

const ask = (chance: Chance, number: number): Step[] =>
  Array.from({ length: chance.between(1, 4) }, (_, at): Step => {
    const key = `k${Math.floor(number / 100)}${chance.below(4)}`;
    return chance.permille(500)
      ? { f: 'range', key }
      : { f: 'append', key, value: `${number}.${at}` };
  });

function serialHistory(seed: number, operations: number): Operation[] {
  const eras = Array.from({ length: operations / 100 }, (_, era) => era);
  const keys = eras.flatMap((era) => [0, 1, 2, 3].map((n) => `k${era}${n}`));
  return linearizableHistory(listsOf(keys), {
    seed,
    operations,
    processes: 8,
    unknownPermille: 60,
    failPermille: 40,
    ask,
  });
}

function listsOf(keys: readonly string[]): Model<unknown> {
  return new Together(new Map(keys.map((key) => [key, list as Model<unknown>]))) as Model<unknown>;
}

test('what a serial server shows passes, with overlap, refusals and unknown outcomes', () => {
  fc.assert(
    fc.property(fc.nat(1e9), (seed) => {
      const { anomalies, transactions } = checkListAppend(serialHistory(seed, 300));
      equal(anomalies.map(({ words }) => words).join('\n'), '');
      ok(transactions > 200);
    }),
    { numRuns: 40 },
  );
});

test('an acknowledged append that later reads lack is always caught', () => {
  let tried = 0;
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(1e9), (seed, pick) => {
      const history = serialHistory(seed, 200);
      const acked = history.filter(
        ({ outcome, steps }) => outcome === 'ok' && steps.some(({ f }) => f === 'append'),
      );
      const victim = acked[pick % acked.length] as Operation;
      const lost = victim.steps.find(({ f }) => f === 'append') as {
        key: string;
        value: string;
      };
      const changed = history.map((each) => ({
        ...each,
        steps: each.steps.map((step) =>
          step.f === 'range' && step.key === lost.key && step.result !== undefined
            ? { ...step, result: step.result.filter((value) => value !== lost.value) }
            : step,
        ),
      }));
      const late = history.some(
        ({ call, outcome, steps }) =>
          outcome === 'ok' &&
          call > (victim.return ?? 0) &&
          steps.some(({ f, key }) => f === 'range' && key === lost.key),
      );
      if (!late) return;
      tried += 1;
      ok(checkListAppend(changed).anomalies.length > 0);
    }),
    { numRuns: 60 },
  );
  ok(tried > 20, `${tried} were observable`);
});
