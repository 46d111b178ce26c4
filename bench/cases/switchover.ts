/**
 * Leadership handed over on request while a client on each node writes: the longest time that any
 * of them waits from one acknowledged write to the next, and what the same clients saw before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Switchover } from '../results.ts';
import type { DeploymentTarget } from '../targets/deployment.ts';
import { longestGap } from './gaps.ts';
import { Writer } from './writer.ts';

const WARM_UP_MS = 300;
/** As long without an order as with one, so that the two gaps are of equal chances. */
const WATCH_MS = 2_000;

export async function measureSwitchover(
  deployment: DeploymentTarget,
  run: string,
  signal: AbortSignal,
): Promise<Switchover> {
  await deployment.settle(signal);
  const writers = deployment.clientPorts.map((port) => new Writer(port, `${run}:${port}`));
  try {
    for (const writer of writers) writer.start();
    await sleep(WARM_UP_MS, undefined, { signal });
    const calmAtMs = performance.now();
    await sleep(WATCH_MS, undefined, { signal });
    const orderedAtMs = performance.now();
    const answer = await deployment.switchover();
    // The order may take longer than it should: its whole time is watched.
    await sleep(Math.max(0, orderedAtMs + WATCH_MS - performance.now()), undefined, { signal });
    const endMs = performance.now();
    const worst = (fromMs: number, toMs: number): number =>
      Math.max(...writers.map((writer) => longestGap(writer.times, fromMs, toMs)));
    return {
      clientGapMs: worst(orderedAtMs, endMs),
      anyGapMs: longestGap(
        writers.flatMap(({ times }) => times),
        orderedAtMs,
        endMs,
      ),
      calmGapMs: worst(calmAtMs, orderedAtMs),
      answer,
    };
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
}
