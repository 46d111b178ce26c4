import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chance } from '../sim/time.ts';
import { CELLS } from './cells.ts';
import { planOf, type Strike } from './plan.ts';

const SECONDS = 120;

function plan(seed: number, cell: string, seconds = SECONDS): Strike[] {
  const kinds = CELLS[cell]?.kinds ?? [];
  return planOf(kinds, { chance: new Chance(seed, 'nemesis'), nodes: 3, seconds });
}

test('one seed gives one plan, and another seed another', () => {
  for (const cell of Object.keys(CELLS)) {
    assert.deepEqual(plan(1, cell), plan(1, cell));
    if (cell !== 'none') assert.notDeepEqual(plan(1, cell), plan(2, cell));
  }
});

test('every strike begins and ends within the run, in order', () => {
  for (let seed = 0; seed < 50; seed++)
    for (const cell of Object.keys(CELLS)) {
      let before = 0;
      for (const { atMs, forMs } of plan(seed, cell)) {
        assert.ok(atMs >= before && forMs >= 0 && atMs + forMs <= SECONDS * 1_000);
        before = atMs;
      }
    }
});

test('a cell has all of its faults and no others; none has none', () => {
  for (const [cell, { kinds }] of Object.entries(CELLS)) {
    const drawn = new Set<string>();
    for (let seed = 0; seed < 20; seed++)
      for (const { fault } of plan(seed, cell)) drawn.add(fault.kind);
    assert.deepEqual([...drawn].sort(), [...new Set<string>(kinds)].sort(), cell);
  }
});

test('thirty seconds have several strikes', () => {
  for (let seed = 0; seed < 50; seed++)
    assert.ok(plan(seed, 'kill', 30).length >= 3, `seed ${seed}`);
});
