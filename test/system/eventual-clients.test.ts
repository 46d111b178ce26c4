/** Whoever does not know of us finds an eventual deployment's primary, and follows it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { settled } from './eventual-bed.ts';
import { figures, IS_FULL } from './figures.ts';
import { Haproxy, MOVED_MS_MAX, whyNoHaproxy } from './haproxy-beside.ts';
import { until } from './processes.ts';
import { SentinelFollowers } from './sentinel-followers.ts';
import { Failure, Wire } from './wire.ts';

const SWITCHOVERS = IS_FULL ? 3 : 1;
const FAILOVERS = IS_FULL ? 10 : 1;

/** Writes go to `leader`, reads to all others that are there, and what was written is read. */
async function leads(
  haproxy: Haproxy | null,
  { indices }: Deployment,
  leader: number,
  away: number | null,
): Promise<number> {
  if (haproxy === null) return 0;
  const others = indices.filter((i) => i !== leader && i !== away);
  const ms = await haproxy.isIn(leader, others);
  const [writer, reader] = [haproxy.writer(), haproxy.reader()];
  const written = await writer.must('INCR', 'haproxy');
  await until('it is read', MOVED_MS_MAX, async () => {
    return (await reader.must('GET', 'haproxy')) === `${written}`;
  });
  const refused = await reader.call('SET', 'haproxy', 'by a replica');
  assert.match(refused instanceof Failure ? refused.text : '', /^READONLY/);
  writer.close();
  reader.close();
  return ms;
}

test('libraries and haproxy follow switchovers and failovers of an eventual primary', async (t) => {
  const deployment = await Deployment.agents(t, {
    hasSentinel: true,
    flags: ['--consistency', 'eventual'],
  });
  const first = await settled(deployment);
  const why = whyNoHaproxy();
  if (why !== null) t.diagnostic(why);
  const haproxy = why === null ? await Haproxy.begin(t, deployment) : null;
  const followers = await SentinelFollowers.begin(t, deployment);
  await followers.follow(first, 'the start');
  const movedMs = [await leads(haproxy, deployment, first, null)];
  for (let round = 0; round < SWITCHOVERS; round++) {
    const old = await deployment.leader();
    const kept = haproxy?.writer() ?? null;
    await kept?.must('PING');
    const door = new Wire(deployment.sentinelPort((old + round) % deployment.nodes));
    assert.equal(await door.must('SENTINEL', 'FAILOVER', 'mymaster'), 'OK');
    door.close();
    const next = await settled(deployment);
    assert.notEqual(next, old, 'another node is the primary');
    await followers.follow(next, 'a switchover');
    movedMs.push(await leads(haproxy, deployment, next, null));
    await until('who was connected is cut off', MOVED_MS_MAX, () => kept?.isClosed ?? true);
  }
  for (let round = 0; round < FAILOVERS; round++) {
    const victim = await settled(deployment);
    await deployment.stopNode(victim, 'SIGKILL');
    const heir = await until('another primary', MOVED_MS_MAX, async () => {
      const leader = await deployment.leader();
      if (leader === victim) await sleep(20);
      return leader === victim ? null : [leader];
    });
    await followers.follow(heir[0] ?? 0, 'a failover');
    movedMs.push(await leads(haproxy, deployment, heir[0] ?? 0, victim));
    deployment.startNode(victim);
  }
  await settled(deployment);
  figures('eventual-clients', {
    switchovers: SWITCHOVERS,
    failovers: FAILOVERS,
    haproxyMs: movedMs,
    followMs: followers.figures,
  });
});
