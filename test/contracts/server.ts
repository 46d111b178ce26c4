/** What the agent and the simulator rely on in a server: held to the real ones and to the model. */
import { equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MakeBed, startReign } from './server-bed.ts';
import { FOLLOWING } from './server-following.ts';
import { FULL_SYNC } from './server-full-sync.ts';
import { LEADING } from './server-leading.ts';
import { play, readScripts } from './server-scripts.ts';
import { SNAPSHOTS } from './server-snapshots.ts';

/** Most of the time is waited: several at once, each with servers of its own. */
const AT_ONCE = 4;

export function testServer(name: string, make: MakeBed): void {
  describe(name, { concurrency: AT_ONCE }, () => {
    for (const script of readScripts()) {
      test(`${script.name}: replies and stream are as recorded`, async (t) => {
        const bed = make(t);
        const reign = await startReign(bed);
        equal(await play(bed, reign, script.steps), script.expected(bed.flavor));
      });
    }
    for (const claims of [FOLLOWING, FULL_SYNC, LEADING, SNAPSHOTS]) {
      for (const [claim, check] of Object.entries(claims)) test(claim, (t) => check(make(t)));
    }
  });
}
