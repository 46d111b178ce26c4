/** Two histories that grow apart, and nodes that come back from one of them (holes.md H1). */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CuttableNetwork } from './cuttable-network.ts';
import type { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';

const WRITES = 30;
const SUCCESSION_MS = 15_000;

let network: CuttableNetwork;
let deployment: Deployment;
const scope = fileScope();

before(async () => {
  const built = await CuttableNetwork.build(scope);
  ({ network, deployment } = built);
});

test('H1: what a cut-off leader held never leaves, though other bytes commit at its offsets', async () => {
  const old = await deployment.leader();
  const wires = Array.from({ length: WRITES }, () => new Wire(deployment.port(old)));
  for (const wire of wires) await wire.must('PING');
  const { term, offsets } = await deployment.status(old);
  network.isolate(old);
  for (const [n, wire] of wires.entries()) wire.command('SET', `key:${n}`, 'of the old');
  const executed = await until('executed there', 5_000, async () => {
    const now = (await deployment.status(old)).offsets.executed;
    return now > offsets.executed + WRITES * 20 ? now : null;
  });
  const next = await until('another leader', SUCCESSION_MS, async () => {
    for (const i of deployment.indices.filter((each) => each !== old)) {
      const { ready, status } = await deployment.ask(i);
      if (ready && status?.role === 'leader' && status.term > term) return [i];
    }
    return null;
  }).then(([i = 0]) => i);
  const other = new Wire(deployment.port(next));
  for (let n = 0; n < 2 * WRITES; n++) await other.must('SET', `key:${n}`, 'of the new');
  const { committed } = (await deployment.status(next)).offsets;
  assert.ok(committed > executed, `${committed} was committed, ${executed} executed before`);
  network.heal();
  await deployment.ready();
  await deployment.assertIdentical();
  for (const wire of wires) {
    await wire.closed();
    assert.equal(wire.unread, 0, 'an acknowledgement of what is not there');
  }
  // It leads again: what it held before is of a reign that is over for ever.
  await deployment.switchover(old);
  const again = new Wire(deployment.port(old));
  for (let n = 0; n < WRITES; n++) assert.equal(await again.must('GET', `key:${n}`), 'of the new');
  again.close();
  other.close();
});

test('a follower that was cut off for long comes back, and the leader and its term stay', async () => {
  const leader = await deployment.leader();
  const { term } = await deployment.status(leader);
  const away = (leader + 1) % deployment.nodes;
  network.isolate(away);
  await until('it misses its leader', SUCCESSION_MS, async () => {
    const { status } = await deployment.ask(away);
    return status?.leader === null;
  });
  await sleep(2_000);
  const wire = new Wire(deployment.port(leader));
  await wire.must('SET', 'meanwhile', 1);
  network.heal();
  await deployment.ready();
  await sleep(500);
  assert.equal((await deployment.status(leader)).term, term);
  assert.equal(await deployment.leader(), leader);
  await deployment.assertIdentical();
  assert.equal(await wire.must('GET', 'meanwhile'), '1', 'the same connection');
  wire.close();
});

test('a leader and a follower that do not reach each other: no node is deposed, writes go on', async () => {
  const leader = await deployment.leader();
  const { term } = await deployment.status(leader);
  const other = (leader + 1) % deployment.nodes;
  network.cut(leader, other);
  network.cut(other, leader);
  // Nothing is written, so that its log is as good as anybody's.
  await sleep(4_000);
  const wire = new Wire(deployment.port(leader));
  for (let n = 0; n < 50; n++) assert.equal(await wire.must('SET', 'partial', n), 'OK');
  assert.equal((await deployment.status(leader)).term, term);
  network.heal();
  await deployment.ready();
  assert.equal((await deployment.status(leader)).term, term);
  await deployment.assertIdentical();
  wire.close();
});
