/**
 * A cluster that runs itself: six nodes become three shards without hands, lose one of them (and,
 * in the long form, all) and serve again, and become four under a client that writes on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { ShardedBed, ShardWriter, writeReplicated } from './sharded-bed.ts';

/** What the issue asks for. */
const FOUNDING_MS_MAX = 30_000;
/** Far above what any of it takes; the figures say how long it was. */
const STEP_MS = 120_000;
const KEYS = IS_FULL ? 100_000 : 1_000;
const REPLICATED = 50;
const SIX = [0, 1, 2, 3, 4, 5];
const NEWCOMER = 6;
/** In the slots of the first shard of three. */
const TAG = 'b';

test('six nodes are a cluster by themselves, survive a loss, and grow under a writer', async (t) => {
  const bed = await ShardedBed.prepare(t, IS_FULL ? 10 : 7);
  const { deployment } = bed;
  const times: Record<string, number> = {};
  const shards = (what: string, count: number, replicas: number) =>
    until(what, STEP_MS, async () => {
      const owners = await bed.shards(0, replicas);
      return owners?.length === count ? owners : null;
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${deployment.lastWords(30)}`);
    });

  const beganMs = performance.now();
  for (const i of SIX) deployment.startNode(i);
  await bed.areOk('founding', SIX);
  times['founding'] = Math.round(performance.now() - beganMs);
  // On a machine that starts other things as well, the agents' own starts take long.
  if (IS_FULL) assert.ok(times['founding'] < FOUNDING_MS_MAX, `founded in ${times['founding']} ms`);
  await shards('each shard has its replica', 3, 1);

  const client = bed.client(t);
  await bed.fill(client, KEYS);
  const writer = new ShardWriter(t, client);

  // One primary with its node: what a replica had is there.
  const owner = Number((await bed.call(0, 'CLUSTER', 'KEYSLOT', TAG)) as number);
  const victim = await until('its owner', STEP_MS, async () => {
    for (const i of SIX) {
      const answer = await bed.call(i, 'SET', `{${TAG}}:owner`, String(owner));
      if (answer === 'OK') return [i];
    }
    return null;
  }).then(([i = 0]) => i);
  const kept = await writeReplicated(deployment.port(victim), TAG, REPLICATED);
  assert.ok(kept.length > 0, 'some writes had a replica');
  await deployment.stopNode(victim, 'SIGKILL');
  const others = SIX.filter((i) => i !== victim);
  const lostMs = performance.now();
  await until('another takes its writes', STEP_MS, async () => {
    for (const i of others)
      if ((await bed.call(i, 'SET', `{${TAG}}:owner`, 'next')) === 'OK') return true;
    return null;
  });
  times['onePrimary'] = Math.round(performance.now() - lostMs);
  for (const key of kept) assert.equal(await client.get(key), 'kept', `${key} had a replica`);
  deployment.startNode(victim);
  await bed.areOk('it is back', SIX);
  await shards('it is a replica', 3, 1);

  await writer.stop();
  if (IS_FULL) {
    // All of them, with what they have on their disks.
    await Promise.all(SIX.map((i) => deployment.stopNode(i, 'SIGKILL')));
    const allMs = performance.now();
    for (const i of SIX) deployment.startNode(i);
    await bed.areOk('all are back', SIX);
    await shards('they are as they were', 3, 1);
    times['all'] = Math.round(performance.now() - allMs);
  }
  const again = bed.client(t);
  await until('all is there', STEP_MS, async () => (await again.get('key:0')) === 'value 0');
  await bed.assertFilled(again, KEYS);

  // One shard more, on a node that comes, under a writer.
  const growing = new ShardWriter(t, again);
  const before = bed.lapses(SIX);
  deployment.startNode(NEWCOMER, ['--join']);
  const growMs = performance.now();
  assert.equal(await bed.change({ shards: 4 }), 200);
  const four = await until('four shards', STEP_MS, async () => {
    const owners = await bed.shards(0, 0);
    if (owners?.length !== 4) return null;
    return owners.every(({ slots }) => Math.abs(slots - 4_096) < 100) ? owners : null;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${deployment.lastWords(30)}`);
  });
  times['grow'] = Math.round(performance.now() - growMs);
  assert.equal(four.length, 4);
  await sleep(500);
  await growing.stop();
  await bed.assertFilled(again, KEYS);
  for (const [key, value] of growing.acknowledged) assert.equal(await again.get(key), value, key);
  const lapses = bed.lapses([...SIX, NEWCOMER]) - before;
  figures('sharded', {
    ...{ keys: KEYS, times, replicated: kept.length, lapses },
    writer: { errors: Object.fromEntries(growing.errors), stallMs: growing.stallMs },
    before: { errors: Object.fromEntries(writer.errors), stallMs: writer.stallMs },
  });
  // Agents that get no CPU for longer than a lease lasts fail over, and clients notice that.
  if (lapses === 0)
    assert.deepEqual([...growing.errors], [], 'a client of clusters notices nothing of a move');
});
