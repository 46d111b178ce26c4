/** The contract of the server on every real one that is here, and the model beside each. */
import { equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Flavor, versionText } from '../../src/io/server/flavor.ts';
import type { LocatedServer } from '../../src/io/server/locate.ts';
import { trialServers } from '../../src/io/server/trial.ts';
import { testServer } from '../contracts/server.ts';
import { startReign } from '../contracts/server-bed.ts';
import { modelBed, realBed } from '../contracts/server-beds.ts';
import { randomSteps } from '../contracts/server-random.ts';
import { play } from '../contracts/server-scripts.ts';
import { IS_FULL } from './figures.ts';

const SEEDS = IS_FULL ? 400 : 4;

function isRecorded({ product, major, minor }: Flavor): boolean {
  return product === 'redis' ? major === 7 && minor === 0 : major === 8 && minor === 0;
}

function testAtRandom(located: LocatedServer): void {
  const make = realBed(located);
  describe(versionText(located.flavor), { concurrency: 2 }, () => {
    // Fresh ones every day, and all of a day can be had again.
    const first = IS_FULL ? 1 : 1 + Math.floor(Date.now() / 86_400_000) * SEEDS;
    for (let seed = first; seed < first + SEEDS; seed++) {
      test(`and its model answer and propagate commands at random alike, seed ${seed}`, async (t) => {
        const bed = make(t);
        const model = modelBed(bed.flavor, seed)(t);
        const steps = randomSteps(seed);
        const expected = await play(bed, await startReign(bed), steps);
        equal(await play(model, await startReign(model), steps), expected);
      });
    }
  });
}

for (const located of await trialServers()) {
  const name = versionText(located.flavor);
  if (isRecorded(located.flavor)) {
    testServer(name, realBed(located));
    testAtRandom(located);
  } else {
    test(`${name} keeps the contract`, { skip: 'its replies were not recorded' }, () => undefined);
  }
}
