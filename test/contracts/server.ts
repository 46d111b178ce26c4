/** What the agent and the simulator rely on in a server: held to the real ones and to the model. */
import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type MakeBed, startReign } from './server-bed.ts';
import { FOLLOWING } from './server-following.ts';
import { LEADING } from './server-leading.ts';
import { play, readScripts } from './server-scripts.ts';

export function testServer(name: string, make: MakeBed): void {
  for (const script of readScripts()) {
    test(`${name}: ${script.name}: replies and stream are as recorded`, async (t) => {
      const bed = make(t);
      const reign = await startReign(bed);
      equal(await play(bed, reign, script.steps), script.expected(bed.flavor));
    });
  }
  for (const [claim, check] of [...Object.entries(FOLLOWING), ...Object.entries(LEADING)]) {
    test(`${name}: ${claim}`, async (t) => check(make(t)));
  }
}
