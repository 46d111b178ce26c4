/**
 * Time to recover: a writer on each node while the leader's agent is killed; the time is from the
 * kill to the first acknowledgement of a write that was sent after it, on any node.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kill } from '../results.ts';
import type { DeploymentTarget } from '../targets/deployment.ts';
import { TargetError } from '../targets/target.ts';
import { countLost, Writer } from './writer.ts';

const WRITE_BEFORE_MS = 1_000;
const WRITE_AFTER_MS = 1_000;
const RECOVER_MS_MAX = 30_000;
const LOOK_EVERY_MS = 5;

export async function measureKill(
  deployment: DeploymentTarget,
  run: string,
  signal: AbortSignal,
): Promise<Kill> {
  await deployment.settle(signal);
  const writers = deployment.clientPorts.map((port) => new Writer(port, `${run}:${port}`));
  try {
    for (const writer of writers) writer.start();
    await sleep(WRITE_BEFORE_MS, undefined, { signal });
    const { status, node } = await deployment.leader();
    if (status === null) throw new TargetError(`${node} leads and does not tell its pid`);
    const killedAtMs = performance.now();
    process.kill(status.pid, 'SIGKILL');
    const recoveredMs = await firstAfter(writers, killedAtMs, signal);
    await sleep(WRITE_AFTER_MS, undefined, { signal });
    await Promise.all(writers.map((writer) => writer.stop()));
    await deployment.settle(signal);
    const lost = await countLost(await deployment.port(), writers);
    const acknowledged = writers.reduce((sum, { keys }) => sum + keys.length, 0);
    return { recoveredMs, acknowledged, lost };
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
}

/** At the bound the bound itself: it is far beyond every mark, and a number in a file. */
async function firstAfter(
  writers: readonly Writer[],
  killedAtMs: number,
  signal: AbortSignal,
): Promise<number> {
  while (performance.now() - killedAtMs < RECOVER_MS_MAX) {
    const first = Math.min(...writers.map((writer) => writer.acknowledgedAfter(killedAtMs)));
    if (Number.isFinite(first)) return first - killedAtMs;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
  return RECOVER_MS_MAX;
}
