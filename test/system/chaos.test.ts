/** Things are killed, paused and handed over at random while writers run; nothing may be lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal } from './processes.ts';
import { missingAt, Writer } from './writer.ts';

const SECONDS = IS_FULL ? 600 : 10;
/** Long enough that a leader is usually open again, short enough that it often is not. */
const PAUSE_MS_MAX = 2_000;
const STOPPED_MS_MAX = 3_000;

/** Hundreds of thousands of keys are read from three servers. */
const COMPARE_MS = 300_000;

type Fault = 'agent' | 'server' | 'both' | 'all' | 'pauseAgent' | 'pauseServer' | 'switchover';
/** The rare ones once, the others more often. */
const FAULTS: readonly Fault[] = [
  ...(['agent', 'agent', 'server', 'server', 'both', 'both', 'all'] as const),
  ...(['pauseAgent', 'pauseAgent', 'pauseServer', 'switchover', 'switchover'] as const),
];

test(`faults at random for ${SECONDS} s, compaction never rests: nothing acknowledged is lost`, async (t) => {
  const deployment = await Deployment.up(t, { flags: ['--log-limit', '1mb'] });
  const chance = new Chance(Date.now() % 1_000_000);
  t.diagnostic(`seed ${chance.seed}`);
  const writer = new Writer(t, deployment.ports, 'chaos');
  writer.start();
  const counts: Partial<Record<Fault, number>> = {};
  const end = performance.now() + SECONDS * 1_000;
  while (performance.now() < end) {
    await sleep(chance.below(PAUSE_MS_MAX));
    const fault = FAULTS[chance.below(FAULTS.length)] ?? 'agent';
    counts[fault] = (counts[fault] ?? 0) + 1;
    await strike(deployment, fault, chance);
  }
  await deployment.ready();
  await sleep(500);
  await writer.stop();
  await deployment.assertIdentical(deployment.indices, COMPARE_MS);
  const { acknowledged, refused, stale, unknown } = writer;
  assert.deepEqual(stale.slice(0, 5), [], 'a read did not see what was acknowledged before it');
  const lost: string[] = [];
  for (const i of deployment.indices)
    lost.push(...(await missingAt(await deployment.serverSocket(i), acknowledged)));
  assert.deepEqual(lost.slice(0, 5), [], `${lost.length} acknowledged writes are missing`);
  const ghosts = refused.length - (await missingAt(deployment.port(0), refused)).length;
  assert.equal(ghosts, 0, 'what was refused with an error was not executed');
  figures('chaos', {
    seed: chance.seed,
    seconds: SECONDS,
    faults: counts,
    acknowledged: acknowledged.length,
    unknown: unknown.length,
    refused: refused.length,
    lost: lost.length,
    longestGapMs: writer.longestGapMs,
  });
});

/** A node that is down just now has nothing to kill: that fault is no fault. */
async function strike(deployment: Deployment, fault: Fault, chance: Chance): Promise<void> {
  const nodes = fault === 'all' ? deployment.indices : [chance.below(deployment.nodes)];
  for (const i of nodes) {
    const { status } = await deployment.ask(i);
    if (status === null) continue;
    const { pid, server } = status;
    if (fault === 'switchover') await deployment.switchover(i).catch(() => undefined);
    else if (fault === 'pauseAgent' || fault === 'pauseServer') {
      const paused = fault === 'pauseAgent' ? pid : server.pid;
      if (!signal(paused, 'SIGSTOP')) continue;
      await sleep(chance.below(STOPPED_MS_MAX));
      signal(paused, 'SIGCONT');
    } else {
      if (fault !== 'agent') signal(server.pid, 'SIGKILL');
      if (fault !== 'server') signal(pid, 'SIGKILL');
    }
  }
}

/** A small generator of its own, so that the printed seed gives the same faults again. */
class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed;
  }

  /** 0 to n - 1 (mulberry32). */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % n;
  }
}
