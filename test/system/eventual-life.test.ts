/** An eventual deployment through what people do to it: nothing that they plan loses a write. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { EventualBed } from './eventual-bed.ts';
import { missingKeys } from './eventual-watch.ts';
import { figures } from './figures.ts';
import { until } from './processes.ts';
import { type Value, Wire } from './wire.ts';

const NAME = 'trial';
const FOLLOWED_MS_MAX = 20_000;
const STOPPED_MS_MAX = 10_000;

/** Where every door says that the primary is; null while they differ. */
async function toldByAll({ deployment }: EventualBed): Promise<number | null> {
  const told = await Promise.all(
    deployment.indices.map(async (i) => {
      const wire = new Wire(deployment.sentinelPort(i));
      const reply = await wire.call('SENTINEL', 'get-master-addr-by-name', NAME);
      wire.close();
      return Array.isArray(reply) ? Number(reply[1]) : 0;
    }),
  );
  return new Set(told).size === 1 ? (told[0] ?? null) : null;
}

test('switchovers and a stop lose nothing, and clients are told of the next primary', async (t) => {
  const bed = await EventualBed.begin(t, { hasSentinel: true });
  const { deployment } = bed;
  const sentinels = deployment.indices.map((i) => ({
    host: '127.0.0.1',
    port: deployment.sentinelPort(i),
  }));
  const client = new Redis({ sentinels, name: NAME, maxRetriesPerRequest: null });
  t.after(() => client.disconnect());
  client.on('error', () => undefined);
  assert.equal(await client.set('by sentinel', 1), 'OK');

  const first = await bed.settled();
  const second = (first + 1) % 3;
  const named = await bed.failover(() => deployment.switchover(second));
  assert.equal(named.node, second);
  await until('all doors tell it', FOLLOWED_MS_MAX, async () => {
    return (await toldByAll(bed)) === deployment.port(second);
  });
  await bed.settled();
  const door = new Wire(deployment.sentinelPort(first));
  const ordered = await bed.failover(async () => {
    const order = (): Promise<Value> => door.call('SENTINEL', 'FAILOVER', NAME);
    // Who decides may just be moving elsewhere.
    await until('the order is taken', FOLLOWED_MS_MAX, async () => (await order()) === 'OK');
  });
  door.close();
  assert.notEqual(ordered.node, second);
  await until('all doors tell it', FOLLOWED_MS_MAX, async () => {
    return (await toldByAll(bed)) === deployment.port(ordered.node);
  });
  assert.equal(await client.set('by sentinel', 2), 'OK');

  const leaving = await bed.settled();
  const beganMs = performance.now();
  const stopped = await bed.failover(() => deployment.stopNode(leaving));
  const stopMs = performance.now() - beganMs;
  assert.ok(stopMs < STOPPED_MS_MAX, 'it stops within the grace that it has');
  assert.notEqual(stopped.node, leaving);
  deployment.startNode(leaving);
  const { unwaited, waited, written } = await bed.lost();
  assert.deepEqual(unwaited.slice(0, 5), [], 'nothing is lost that was acknowledged');
  assert.deepEqual(waited.slice(0, 5), []);
  assert.deepEqual(bed.prober.strays.slice(0, 3), []);
  figures('eventual-switchover', {
    written,
    switchoverMs: named.ms,
    sentinelMs: ordered.ms,
    sigtermMs: stopped.ms,
    stopMs,
  });
});

test('a disk that is lost, a restart of all, and new addresses lose nothing', async (t) => {
  const bed = await EventualBed.begin(t);
  const { deployment } = bed;
  const wiped = await bed.settled();
  const { node } = await bed.failover(async () => {
    await deployment.stopNode(wiped, 'SIGKILL');
    rmSync(deployment.nodeDir(wiped), { recursive: true, force: true });
    deployment.startNode(wiped);
  });
  assert.notEqual(node, wiped, 'an empty node is no primary');
  await bed.settled();
  const { waited } = await bed.lost();
  assert.deepEqual(waited.slice(0, 5), [], 'what all had is there');

  // From here on nobody writes: everything that is there must stay.
  const held = bed.waited.acknowledged;
  const primary = await bed.settled();
  await Promise.all(deployment.indices.map((i) => deployment.stopNode(i, 'SIGKILL')));
  deployment.startAll();
  const next = await bed.settled();
  assert.equal(next, primary, 'whoever has all of it goes first');
  const watched = { places: deployment.ports };
  assert.deepEqual((await missingKeys(watched, next, held)).slice(0, 5), []);

  await Promise.all(deployment.indices.map((i) => deployment.stopNode(i)));
  const moved = deployment.indices.map((i) => deployment.port(i) + 12);
  const peers = deployment.indices.map((i) => `127.0.0.1:${deployment.peerPort(i) + 12}`);
  for (const i of deployment.indices)
    deployment.startNode(i, [
      ...['--port', String(moved[i]), '--peer-port', String(deployment.peerPort(i) + 12)],
      ...['--peers', peers.join(','), '--primary-port', String(deployment.port(i) + 15)],
    ]);
  const last = await bed.settled();
  assert.deepEqual((await missingKeys({ places: moved }, last, held)).slice(0, 5), []);
  for (const port of deployment.ports) {
    // A node may learn a moment later than the others who it is.
    await until('it lands on the primary', FOLLOWED_MS_MAX, async () => {
      const wire = new Wire(port + 15);
      const answer = await wire.call('SET', 'by any node', port).catch(() => null);
      wire.close();
      return answer === 'OK';
    });
  }
});
