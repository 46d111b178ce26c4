/** A network that is cut in silence: two nodes may believe that they lead, but only one answers. */
import assert from 'node:assert/strict';
import { afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CuttableNetwork } from './cuttable-network.ts';
import type { Deployment } from './deployment.ts';
import { figures, IS_FULL, median } from './figures.ts';
import { until } from './processes.ts';
import { Beside, fileScope, type Scope } from './scope.ts';
import { Failure, Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

const ROUNDS = IS_FULL ? 20 : 2;
/** What had left the others when the network was cut. */
const ON_ITS_WAY_MS = 20;
const SUCCESSION_MS = 15_000;

let network: CuttableNetwork;
let deployment: Deployment;
const scope = fileScope();

before(async () => {
  ({ network, deployment } = await CuttableNetwork.build(scope));
});

afterEach(() => network.heal());

interface Read {
  readonly sentAt: number;
  readonly at: number;
  readonly value: number;
}

/** Reads one counter through one node, over and over; whatever is no answer is passed over. */
function keepReading(scope: Scope, port: number): Beside<Read[]> {
  return new Beside(scope, async (isOn) => {
    const reads: Read[] = [];
    let wire = new Wire(port);
    while (isOn()) {
      const sentAt = performance.now();
      const reply = await wire.call('GET', 'counter').catch(() => null);
      if (typeof reply === 'string')
        reads.push({ sentAt, at: performance.now(), value: Number(reply) });
      else if (!(reply instanceof Failure)) {
        wire.close();
        wire = new Wire(port);
      }
      await sleep(2);
    }
    wire.close();
    return reads;
  });
}

/** Writes 1, 2, 3, … through `port`; tells when each was acknowledged. */
async function countUp(port: number, from: number, ms: number): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>();
  const wire = new Wire(port);
  const end = performance.now() + ms;
  for (let n = from; performance.now() < end; n++) {
    assert.equal(await wire.must('SET', 'counter', n), 'OK');
    acknowledged.set(n, performance.now());
    await sleep(2);
  }
  wire.close();
  return acknowledged;
}

async function nextLeader(old: number): Promise<number> {
  const { term } = await deployment.status(old);
  const [next = 0] = await until('another leader', SUCCESSION_MS, async () => {
    for (const i of deployment.indices.filter((each) => each !== old)) {
      const { ready, status } = await deployment.ask(i);
      if (ready && status?.role === 'leader' && status.term > term) return [i];
    }
    return null;
  });
  return next;
}

test('a leader that is cut off answers no read with what was since overwritten', async (t) => {
  const successionMs: number[] = [];
  let readsBefore = 0;
  let counter = 1;
  for (let round = 0; round < ROUNDS; round++) {
    const old = await deployment.leader();
    const readers = Array.from({ length: 4 }, () => keepReading(t, deployment.port(old)));
    await countUp(deployment.port(old), counter, 100);
    counter += 1_000_000;
    const cutAt = performance.now();
    network.isolate(old);
    const next = await nextLeader(old);
    successionMs.push(Math.round(performance.now() - cutAt));
    const acknowledged = [...(await countUp(deployment.port(next), counter, 1_500))];
    counter += 1_000_000;
    const done = readers.map((reader) => reader.stop());
    const healedAt = performance.now();
    network.heal();
    const reads = (await Promise.all(done)).flat();
    const alone = reads.filter(({ sentAt, at }) => sentAt > cutAt + ON_ITS_WAY_MS && at < healedAt);
    assert.equal(alone.length, 0, 'a leader that nobody hears cannot know that it still leads');
    readsBefore += reads.filter(({ sentAt }) => sentAt < cutAt).length;
    for (const { sentAt, value } of reads) {
      const [newest] = acknowledged.findLast(([, at]) => at < sentAt) ?? [0];
      assert.ok(value >= newest, `a read got ${value} when ${newest} had been acknowledged`);
    }
    await deployment.ready();
  }
  assert.ok(readsBefore > 0, 'the readers read');
  await deployment.assertIdentical();
  figures('partition', {
    rounds: ROUNDS,
    medianMs: median(successionMs),
    successionMs,
    readsBefore,
  });
});

for (const [name, cut] of [
  ['speak to', (leader, other) => network.cut(leader, other)],
  ['hear', (leader, other) => network.cut(other, leader)],
] as [string, (leader: number, other: number) => void][]) {
  test(`a leader that cannot ${name} the others is replaced, and nothing is lost`, async (t) => {
    const writer = new Writer(t, deployment.ports, name);
    writer.start();
    await sleep(300);
    const leader = await deployment.leader();
    const cutAt = performance.now();
    for (const other of deployment.indices) if (other !== leader) cut(leader, other);
    const gapMs = await writer.gapAfter(cutAt, SUCCESSION_MS);
    await sleep(1_000);
    network.heal();
    await sleep(300);
    await writer.stop();
    await deployment.ready();
    await deployment.assertIdentical();
    assert.deepEqual(writer.stale, []);
    for (const i of deployment.indices)
      assert.deepEqual(await missingAt(await deployment.serverSocket(i), writer.acknowledged), []);
    figures(`partition-cannot-${name.split(' ')[0]}`, {
      gapMs,
      acknowledged: writer.acknowledged.length,
    });
  });
}

test('X18: cut in three, nobody serves; two that find each other again do', async () => {
  const leader = await deployment.leader();
  const others = deployment.indices.filter((i) => i !== leader);
  const wire = new Wire(deployment.port(leader));
  await wire.must('SET', 'before the cut', 'v');
  for (const i of deployment.indices) network.isolate(i);
  await until('nobody ready', SUCCESSION_MS, async () => {
    const answers = await Promise.all(deployment.indices.map((i) => deployment.ask(i)));
    return answers.every(({ ready }) => !ready);
  });
  for (const port of deployment.ports) {
    const refused = new Wire(port);
    const reply = await refused.call('SET', 'before the cut', 'other');
    assert.ok(reply instanceof Failure && /^CLUSTERDOWN /.test(reply.text), String(reply));
    refused.close();
  }
  network.heal();
  network.isolate(leader);
  const [one = 0, two = 0] = others;
  for (const port of [deployment.port(one), deployment.port(two)]) {
    const again = new Wire(port);
    await until('a write by two', SUCCESSION_MS, async () => {
      return (await again.call('SET', `by ${port}`, 'v')) === 'OK';
    });
    assert.equal(await again.must('GET', 'before the cut'), 'v');
    again.close();
  }
  wire.close();
  network.heal();
  await deployment.ready();
  await deployment.assertIdentical();
});
