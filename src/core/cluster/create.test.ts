import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NewNode, planCreate, shardsOf } from './create.ts';
import { slotsText } from './slots.ts';

/** `x1 y1 y2`: hosts by letter. */
function nodes(text: string): NewNode[] {
  return text.split(' ').map((id) => ({ id, host: id[0] ?? '' }));
}

function shown(text: string, primaries: number): string[] {
  return shardsOf(nodes(text), primaries).map(({ primary, replicas }) =>
    [primary, ...replicas].map(({ id }) => id).join(' '),
  );
}

test('shardsOf: the first nodes are primaries when all are on one host', () => {
  deepEqual(shown('x1 x2 x3 x4 x5 x6', 3), ['x1 x4', 'x2 x5', 'x3 x6']);
});

test('shardsOf: no replica is on the host of its primary when that can be helped', () => {
  for (const shard of shardsOf(nodes('x1 x2 y1 y2 z1 z2'), 3))
    ok(shard.replicas.every(({ host }) => host !== shard.primary.host));
});

/** All ways to deal `list` out to `parts` hands of the given sizes. */
function* deals(list: readonly NewNode[], sizes: readonly number[]): Generator<NewNode[][]> {
  const [first, ...rest] = list;
  if (first === undefined) {
    yield sizes.map(() => []);
    return;
  }
  for (const [at, size] of sizes.entries()) {
    if (size === 0) continue;
    const fewer = sizes.map((other, i) => (i === at ? other - 1 : other));
    for (const hands of deals(rest, fewer))
      yield hands.map((h, i) => (i === at ? [first, ...h] : h));
  }
}

function pairsOfOneHost(shards: readonly (readonly NewNode[])[]): number {
  return shards.reduce((sum, shard) => {
    const same = shard.map((a, i) => shard.slice(i + 1).filter((b) => b.host === a.host).length);
    return sum + same.reduce((total, count) => total + count, 0);
  }, 0);
}

test('shardsOf: no other deal has fewer pairs of one host in one shard, by trying all', () => {
  const hosts = fc.array(fc.constantFrom('w', 'x', 'y', 'z'), { minLength: 3, maxLength: 7 });
  fc.assert(
    fc.property(hosts, fc.integer({ min: 1, max: 3 }), (letters, primaries) => {
      const all = letters.map((host, at): NewNode => ({ id: `${host}${at}`, host }));
      const mine = shardsOf(all, primaries).map(({ primary, replicas }) => [primary, ...replicas]);
      deepEqual(
        mine
          .flat()
          .map(({ id }) => id)
          .toSorted(),
        all.map(({ id }) => id).toSorted(),
        'everybody is in one shard',
      );
      const sizes = Array.from({ length: primaries }, (_, at) =>
        Math.ceil((all.length - at) / primaries),
      );
      const best = Math.min(...[...deals(all, sizes)].map(pairsOfOneHost));
      equal(pairsOfOneHost(mine), best);
    }),
    { numRuns: 60 },
  );
});

test('shardsOf: the host with most primaries has as few as any choice among its shards gives', () => {
  const hosts = fc.array(fc.constantFrom('w', 'x', 'y', 'z'), { minLength: 4, maxLength: 12 });
  fc.assert(
    fc.property(hosts, fc.integer({ min: 1, max: 4 }), (letters, primaries) => {
      const all = letters.map((host, at): NewNode => ({ id: `${host}${at}`, host }));
      const shards = shardsOf(all, primaries);
      const most = (chosen: readonly string[]): number =>
        Math.max(...chosen.map((host) => chosen.filter((other) => other === host).length));
      const choices = shards.reduce<string[][]>(
        (ways, { primary, replicas }) =>
          ways.flatMap((way) => [primary, ...replicas].map(({ host }) => [...way, host])),
        [[]],
      );
      equal(most(shards.map(({ primary }) => primary.host)), Math.min(...choices.map(most)));
    }),
    { numRuns: 100 },
  );
});

test('planCreate: too few nodes are refused with the number that is needed', () => {
  const plan = planCreate(nodes('x1 x2 x3 x4 x5'), 1);
  equal(plan.kind, 'refused');
  ok(plan.kind === 'refused' && plan.why.includes('6 nodes'), JSON.stringify(plan));
  equal(planCreate(nodes('x1 x2'), 1, true).kind, 'plan');
});

test('planCreate: slots first, an epoch of its own for each, then all meet, agree, and follow', () => {
  const plan = planCreate(nodes('x1 y1 z1 x2 y2 z2'), 1);
  ok(plan.kind === 'plan');
  const kinds = plan.steps.map(({ kind }) => kind);
  deepEqual(kinds, [
    ...Array(3).fill('add-slots'),
    ...Array(6).fill('set-epoch'),
    ...Array(5).fill('meet'),
    'agree',
    ...Array(3).fill('replicate'),
    'agree',
  ]);
  const slots = plan.steps.flatMap((step) => (step.kind === 'add-slots' ? step.slots : []));
  equal(slotsText(slots), '0-16383');
  const epochs = plan.steps.flatMap((step) => (step.kind === 'set-epoch' ? [step.epoch] : []));
  equal(new Set(epochs).size, 6);
});
