/** The cases that look at moments instead of throughput, one after the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { JUDGED } from '../marks.ts';
import { BASE, type Special } from '../plan.ts';
import { BARE } from '../summary.ts';
import type { DeploymentTarget } from '../targets/deployment.ts';
import type { TargetHouse } from '../targets/house.ts';
import type { Bench } from './bench.ts';
import { measureIdle } from './idle.ts';
import { measureKill } from './kill.ts';
import { measureLocalPort } from './local-port.ts';
import { measureSnapshots, SNAPSHOT_LOG_LIMIT } from './snapshot.ts';
import { measureSwitchover } from './switchover.ts';

/** A deployment that changed its leader a moment ago is still moving its clients. */
const REST_MS = 1_000;

export async function runSpecials(
  specials: readonly Special[],
  house: TargetHouse,
  bench: Bench,
): Promise<void> {
  const { deployment } = house;
  if (deployment === null) {
    if (specials.length > 0) bench.results.skipped.push(`without a deployment: ${specials}`);
    return;
  }
  for (const special of specials) {
    switch (special) {
      case 'local':
        await measureLocalPort(house, bench);
        break;
      case 'snapshot':
        await runSnapshots(house, bench);
        break;
      case 'kill':
        await runKills(deployment, bench);
        break;
      case 'switchover':
        await runSwitchovers(deployment, bench);
        break;
      case 'idle':
        await runIdle(house, bench);
        break;
    }
  }
}

/** On deployments of their own, whose logs are so small that the load alone makes snapshots. */
async function runSnapshots(house: TargetHouse, bench: Bench): Promise<void> {
  const { options, results, progress } = bench;
  const specs = [{ name: JUDGED, flags: options.flags }, ...options.variants];
  progress.expect(specs.length * options.rounds);
  for (const { name, flags } of specs) {
    const target = house.build(name, BASE.nodes, flags, { logLimit: SNAPSHOT_LOG_LIMIT });
    await house.start(target);
    try {
      for (let round = 1; round <= options.rounds; round++) {
        const run = await measureSnapshots(target, round, bench);
        results.snapshots.push(run);
        const { snapshots, quiet, during } = run;
        progress.step(
          `round ${round}  snapshot  ${name}  ${snapshots} seen; p99 ` +
            `${quiet.p99Ms.toFixed(3)} ms without (${quiet.requests} requests), ` +
            `${during.p99Ms.toFixed(3)} ms with (${during.requests})`,
        );
      }
    } finally {
      await target.stop();
    }
  }
}

async function runKills(deployment: DeploymentTarget, bench: Bench): Promise<void> {
  const { options, results, progress, signal } = bench;
  progress.expect(options.kills);
  for (let i = 1; i <= options.kills; i++) {
    const kill = await measureKill(deployment, `kill:${i}`, signal);
    results.kills.push(kill);
    const { recoveredMs, acknowledged, lost } = kill;
    progress.step(
      `kill ${i}  writes again after ${Math.round(recoveredMs)} ms; ` +
        `${acknowledged} acknowledged, ${lost} lost`,
    );
    await sleep(REST_MS, undefined, { signal });
  }
}

async function runSwitchovers(deployment: DeploymentTarget, bench: Bench): Promise<void> {
  const { options, results, progress, signal } = bench;
  progress.expect(options.switchovers);
  for (let i = 1; i <= options.switchovers; i++) {
    const switchover = await measureSwitchover(deployment, `switchover:${i}`, signal);
    results.switchovers.push(switchover);
    const { clientGapMs, anyGapMs, calmGapMs, answer } = switchover;
    progress.step(
      `switchover ${i}  longest gap of one client ${clientGapMs.toFixed(1)} ms ` +
        `(before: ${calmGapMs.toFixed(1)}), of all together ${anyGapMs.toFixed(1)} ms; ${answer}`,
    );
    await sleep(REST_MS, undefined, { signal });
  }
}

async function runIdle(house: TargetHouse, bench: Bench): Promise<void> {
  const { options, results, progress, signal } = bench;
  const specs = [{ name: JUDGED, flags: options.flags }, ...options.variants];
  const servers = house.targets.filter(({ name }) => name === BARE);
  // Fresh ones: a heap that load has grown has room for connections that memory does not show.
  const fresh = specs.map(({ name, flags }) => house.build(name, BASE.nodes, flags));
  progress.expect(servers.length + fresh.length);
  for (const target of [...servers, ...fresh]) {
    const isFresh = !servers.includes(target);
    if (isFresh) await house.start(target);
    const run = await measureIdle(target, options.idle, signal);
    if (isFresh) await target.stop();
    results.idle.push(run);
    const each = run.processes.map(({ name, beforeBytes, afterBytes }) => {
      const bytes = (afterBytes - beforeBytes) / Math.max(1, run.opened);
      return `${name} ${(bytes / 1_024).toFixed(1)} KiB`;
    });
    const words = `${run.opened} of ${run.wanted} idle connections on ${target.name}`;
    progress.step(`${words}: per connection ${each.join(', ')}`);
  }
}
