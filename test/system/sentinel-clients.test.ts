/** Libraries find the leader through the Sentinel doors, and follow it, as they are published. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { SentinelFollowers } from './sentinel-followers.ts';
import { Wire } from './wire.ts';

/** Each is a switchover by SENTINEL FAILOVER, and then the leader's death. */
const ROUNDS = IS_FULL ? 10 : 3;

async function idOf(deployment: Deployment, i: number): Promise<unknown> {
  const door = new Wire(deployment.sentinelPort(i));
  const id = await door.must('SENTINEL', 'MYID');
  door.close();
  return id;
}

test(`libraries follow ${ROUNDS} switchovers and as many failovers through the doors`, async (t) => {
  const deployment = await Deployment.agents(t, { hasSentinel: true });
  const followers = await SentinelFollowers.begin(t, deployment);
  await followers.follow(await deployment.leader(), 'the start');
  for (let round = 0; round < ROUNDS; round++) {
    const old = await deployment.leader();
    const door = new Wire(deployment.sentinelPort((old + round) % deployment.nodes));
    assert.equal(await door.must('SENTINEL', 'FAILOVER', 'mymaster'), 'OK');
    door.close();
    const next = await deployment.leader();
    assert.notEqual(next, old, 'another node leads');
    await followers.follow(next, 'a switchover');

    const id = await idOf(deployment, next);
    const witness = deployment.indices.find((i) => i !== next) ?? 0;
    const subscriber = new Wire(deployment.sentinelPort(witness));
    await subscriber.must('SUBSCRIBE', '+switch-master');
    await deployment.stopNode(next, 'SIGKILL');
    const heir = await deployment.leader();
    const moved = `127.0.0.1 ${deployment.port(next)} 127.0.0.1 ${deployment.port(heir)}`;
    for (const name of ['trial', 'mymaster'])
      assert.deepEqual(await subscriber.reply(), ['message', '+switch-master', `${name} ${moved}`]);
    subscriber.close();
    await followers.follow(heir, 'a failover');
    deployment.startNode(next);
    await deployment.ready();
    assert.equal(await idOf(deployment, next), id, 'it is the same Sentinel');
  }
  figures('sentinel-clients', {
    rounds: ROUNDS,
    followMs: followers.figures,
  });
});
