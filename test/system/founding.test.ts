/**
 * Three, then five nodes with one round-robin name and nothing else, started in any order and at
 * any delay, killed and cut off from one another meanwhile: one deployment, every time. And all of
 * them at once on other machines: it is the same one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { whyNoHosts } from '../../faults/hosts.ts';
import { Chance } from '../../sim/time.ts';
import type { Status } from '../../src/doors/view.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { NamedMachines } from './named-machines.ts';
import { whyNoResolver } from './own-resolver.ts';
import { until } from './processes.ts';
import type { Scope } from './scope.ts';

const TRIES = IS_FULL ? 50 : 2;
const SIZES = [3, 5];
const DELAY_MS_MAX = 2_000;
const TROUBLES_MAX = 4;
const TROUBLE_MS_MAX = 1_500;
/** Of a loaded machine of two cores. The figures say how long it took. */
const FOUNDED_MS = 90_000;
const LOOK_MS = 300;

function whyNot(): string | null {
  return whyNoResolver() ?? whyNoHosts();
}

/** Starts, kills and partitions at random, until all have started once. */
async function begin(machines: NamedMachines, count: number, chance: Chance): Promise<void> {
  const all = Array.from({ length: count }, (_, i) => i);
  const flags = ['--expect', `${chance.permille(500) ? count : (count >> 1) + 1}`];
  // A name server that knows only who runs, as that of Swarm or Kubernetes, or all from the start.
  const isSlow = chance.permille(500);
  const named = new Set(isSlow ? [] : all);
  machines.name(named);
  const start = async (i: number): Promise<void> => {
    await sleep(chance.below(DELAY_MS_MAX));
    machines.start(i, { directory: `node${i}`, hostName: `pod${i}`, flags });
    machines.name(named.add(i));
  };
  const troubles = async (): Promise<void> => {
    for (let left = chance.below(TROUBLES_MAX + 1); left > 0; left -= 1) {
      await sleep(chance.below(TROUBLE_MS_MAX));
      if (chance.permille(500)) {
        const mixed = chance.shuffled(all);
        const border = chance.between(1, count - 1);
        await machines.split([mixed.slice(0, border), mixed.slice(border)]);
        continue;
      }
      const killed = chance.pick(all);
      const options = await machines.kill(killed);
      if (options !== null) machines.start(killed, options);
    }
  };
  await Promise.all([...chance.shuffled(all).map(start), troubles()]);
  await machines.heal();
}

/** All of them in one deployment that has a leader, as each of them sees it. */
function settled(machines: NamedMachines, count: number): Promise<readonly Status[]> {
  return until(`one deployment of ${count}`, FOUNDED_MS, async () => {
    await sleep(LOOK_MS);
    machines.assertUp();
    const all = await Promise.all(Array.from({ length: count }, (_, i) => machines.status(i)));
    const known = all.filter((each) => each !== null);
    const isWhole = known.every(
      ({ leader, members }) => leader !== null && members.length === count,
    );
    return known.length === count && isWhole && known;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${machines.lastWords()}`);
  });
}

async function foundOnce(scope: Scope, count: number, seed: number): Promise<number> {
  const machines = await NamedMachines.build(scope, count);
  const chance = new Chance(seed, 'founding');
  await begin(machines, count, chance);
  const healedAt = performance.now();
  const statuses = await settled(machines, count);
  const ids = new Set(statuses.map(({ deployment }) => deployment));
  assert.equal(ids.size, 1, `two deployments: ${[...ids].join(' and ')}\n${machines.lastWords()}`);
  await machines.killAll();
  return Math.round(performance.now() - healedAt);
}

for (const count of SIZES)
  test(`${count} nodes with one name found one deployment, in whatever order and trouble`, async (t) => {
    const why = whyNot();
    if (why !== null) return t.skip(why);
    const tries = Math.ceil(TRIES / SIZES.length);
    const base = Date.now() % 1_000_000;
    const foundedMs: number[] = [];
    for (let at = 0; at < tries; at += 1)
      await t.test(`seed ${base + at}`, async (each) => {
        foundedMs.push(await foundOnce(each, count, base + at));
      });
    figures('founding', { count, tries, seed: base, medianMs: median(foundedMs), foundedMs });
  });

test('all nodes at once on other machines, of other names: the same deployment, without hands', async (t) => {
  const why = whyNot();
  if (why !== null) return t.skip(why);
  const count = 3;
  const machines = await NamedMachines.build(t, 2 * count);
  const flags = ['--expect', `${count}`];
  const begun = Array.from({ length: count }, (_, i) => i);
  machines.name(begun);
  for (const i of begun) machines.start(i, { directory: `node${i}`, hostName: `pod${i}`, flags });
  const [first] = await settled(machines, count);
  await machines.killAll();
  // Nothing that anybody remembers leads anywhere, and the name says so late.
  for (const i of begun)
    machines.start(count + i, { directory: `node${i}`, hostName: `other${i}`, flags });
  await sleep(1_000);
  machines.name(begun.map((i) => count + i));
  const movedAt = performance.now();
  const after = await until('the same deployment', FOUNDED_MS, async () => {
    await sleep(LOOK_MS);
    const all = await Promise.all(begun.map((i) => machines.status(count + i)));
    const known = all.filter((each) => each !== null);
    const isLed = known.every(({ leader, problems }) => leader !== null && problems.length === 0);
    return known.length === count && isLed && known;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${machines.lastWords()}`);
  });
  const movedMs = Math.round(performance.now() - movedAt);
  assert.deepEqual([...new Set(after.map(({ deployment }) => deployment))], [first?.deployment]);
  assert.deepEqual(
    after.map(({ node }) => node),
    begun.map((i) => `pod${i}-7379`),
    'who was not named is called as its directory says',
  );
  figures('moved', { count, movedMs });
});
