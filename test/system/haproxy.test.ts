/** Plain clients behind HAProxy, with the configuration that is published: `deploy/haproxy.cfg`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { Haproxy, MOVED_MS_MAX, whyNoHaproxy } from './haproxy-beside.ts';
import { until } from './processes.ts';

const ROUNDS = IS_FULL ? 10 : 1;

test('haproxy sends writes to the leader through switchovers and kills, reads to followers', async (t) => {
  const why = whyNoHaproxy();
  if (why !== null) return t.skip(why);
  const deployment = await Deployment.agents(t);
  const haproxy = await Haproxy.begin(t, deployment);
  const others = (...away: number[]) => deployment.indices.filter((i) => !away.includes(i));
  let written = 0;
  const works = async () => {
    const [writer, reader] = [haproxy.writer(), haproxy.reader()];
    assert.equal(await writer.must('INCR', 'n'), ++written);
    assert.equal(await reader.must('GET', 'n'), `${written}`);
    writer.close();
    reader.close();
  };
  const movedMs: number[] = [];
  await haproxy.isIn(await deployment.leader(), others(await deployment.leader()));
  await works();
  for (let round = 0; round < ROUNDS; round++) {
    const old = await deployment.leader();
    const next = (old + 1) % deployment.nodes;
    const kept = haproxy.writer();
    await kept.must('PING');
    await deployment.switchover(next);
    movedMs.push(await haproxy.isIn(next, others(next)));
    await until('who was connected is cut off', MOVED_MS_MAX, () => kept.isClosed);
    await works();
    await deployment.stopNode(next, 'SIGKILL');
    const heir = await deployment.leader();
    movedMs.push(await haproxy.isIn(heir, others(heir, next)));
    await works();
    deployment.startNode(next);
    await deployment.ready();
    await haproxy.isIn(heir, others(heir));
  }
  figures('haproxy', { rounds: ROUNDS, maxMs: Math.max(...movedMs), movedMs });
});
