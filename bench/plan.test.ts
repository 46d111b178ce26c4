import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { MARKS } from './marks.ts';
import { AXES, BASE, groupsOf, keysOf, type Plan, type PlanOptions, planOf } from './plan.ts';

function plan(options: Partial<PlanOptions> = {}): Plan {
  return planOf({ scope: 'default', only: '', perSecond: 1_000, ...options });
}

function names(options: Partial<PlanOptions> = {}): string[] {
  return plan(options).cases.map(({ name }) => name);
}

test('every mark has its case, in the default plan and in the quick one', () => {
  for (const scope of ['default', 'quick'] as const) {
    const { cases, specials } = plan({ scope });
    for (const mark of MARKS) {
      if ('case' in mark) ok(cases.some(({ name }) => name === mark.case));
      else ok(specials.includes(mark.kind), mark.words);
    }
  }
});

test('by default every value of every axis is there, with the rest at the base point', () => {
  const { cases } = plan();
  for (const [axis, values] of Object.entries(AXES))
    for (const value of values) {
      const shape = { ...BASE, [axis]: value };
      const kind = axis === 'readPercent' ? 'mix' : 'load';
      const isIt = (each: (typeof cases)[number]): boolean =>
        each.kind === kind && Object.entries(shape).every(([k, v]) => Reflect.get(each, k) === v);
      ok(cases.some(isIt), `${axis} ${value}`);
    }
});

test('names are unique, in the whole cross product too', () => {
  const all = names({ scope: 'full' });
  equal(new Set(all).size, all.length);
  ok(all.length > 1_000);
  ok(!all.some((name) => name.includes('1000 connections -P 100, 64 KiB')), 'too much in flight');
});

test('a whole name is that case alone, other words are looked for within names', () => {
  deepEqual(names({ only: 'SET 50 connections' }), ['SET 50 connections']);
  deepEqual(names({ only: '1 connection; 5 nodes' }), [
    'SET 1 connection',
    'GET 1 connection',
    'SET 50 connections, 5 nodes',
    'GET 50 connections, 5 nodes',
  ]);
  deepEqual(plan({ only: 'kill' }), { cases: [], specials: ['kill'] });
});

test('idle connections are measured only when asked for, or with everything', () => {
  equal(plan().specials.includes('idle'), false);
  deepEqual(plan({ only: 'idle' }).specials, ['idle']);
  equal(plan({ scope: 'full' }).specials.includes('idle'), true);
});

test('groups share nodes and size, so that keys are filled once for each', () => {
  const groups = groupsOf(plan().cases);
  for (const group of groups)
    equal(new Set(group.map(({ nodes, valueBytes }) => `${nodes} ${valueBytes}`)).size, 1);
  deepEqual([groups[0]?.[0]?.nodes, groups[0]?.[0]?.valueBytes], [BASE.nodes, BASE.valueBytes]);
});

test('large values have fewer keys: the data of a server stays small', () => {
  equal(keysOf(64), 100_000);
  equal(keysOf(65_536) * 65_536, 64 * 1024 ** 2);
});
