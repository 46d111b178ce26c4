/** The primary of an eventual deployment is lost: another takes writes, and never two do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventualBed } from './eventual-bed.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { signal } from './processes.ts';

const HARMS = ['server', 'agentStops', 'serverStops', 'agent', 'both'] as const;
type Harm = (typeof HARMS)[number];
/** The short form leaves out the last: what it does is what two others do. */
const ROUNDS = IS_FULL ? 50 : HARMS.length - 1;

/** What was stopped wakes up when the next primary has been there for a while. */
const AWAKE_AFTER_MS = 500;

async function failedOver(bed: EventualBed, harm: Harm): Promise<number> {
  const primary = await bed.settled();
  const { pid, server } = await bed.status(primary);
  const stopped = harm === 'agentStops' ? pid : server.pid;
  const isStop = harm === 'agentStops' || harm === 'serverStops';
  const { ms, node } = await bed.failover(async () => {
    if (isStop) signal(stopped, 'SIGSTOP');
    else await bed.kill(primary, harm);
  });
  assert.notEqual(node, primary, `${harm}: a replica goes on`);
  await sleep(AWAKE_AFTER_MS);
  if (isStop) signal(stopped, 'SIGCONT');
  bed.heal(primary);
  return ms;
}

test(`the primary is lost ${ROUNDS} times: another goes on, never two, and what was waited for is there`, async (t) => {
  const bed = await EventualBed.begin(t);
  const gaps: { harm: Harm; ms: number }[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const harm = HARMS[n % HARMS.length] as Harm;
    gaps.push({ harm, ms: await failedOver(bed, harm) });
  }
  await bed.settled();
  const { unwaited, waited, written } = await bed.lost();
  const { strays, taken } = bed.prober;
  assert.deepEqual(strays.slice(0, 3), [], 'no write is taken beside a newer primary');
  assert.deepEqual(waited.slice(0, 5), [], 'what all replicas had is there');
  const times = gaps.map(({ ms }) => ms);
  figures('eventual-failover', {
    rounds: ROUNDS,
    written,
    probed: taken.length,
    lost: unwaited.length,
    medianMs: median(times),
    maxMs: Math.max(...times),
    gaps,
  });
});
