/** Nodes that were away or lost everything, and the room that the others' files take meanwhile. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { until } from './processes.ts';
import { Failure, Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

const MIB = 1024 * 1024;
const LIMIT_BYTES = (IS_FULL ? 64 : 4) * MIB;
const WRITTEN_BYTES = (IS_FULL ? 1_024 : 100) * MIB;
const VALUE_BYTES = 64 * 1024;
const KEYS = IS_FULL ? 1_000 : 100;
/** How many values of `VALUE_BYTES` are on their way at once. */
const WINDOW = 32;
/** What agent/limits.ts promises of the log, and one file of it that is being filled. */
const LOG_BYTES_MAX = Math.max(8 * LIMIT_BYTES, 64 * MIB) + 16 * MIB;
const DATASET_BYTES = KEYS * (VALUE_BYTES + 128) + 4 * MIB;
const SNAPSHOT_BYTES_MAX = 3 * DATASET_BYTES;
const FLAGS = ['--log-limit', IS_FULL ? '64mb' : '4mb'];

/** Values that do not compress, over and over the same keys. */
async function pour(port: number, bytes: number): Promise<void> {
  const wire = new Wire(port);
  const total = Math.ceil(bytes / VALUE_BYTES);
  let answered = 0;
  for (let n = 0; n < total; n++) {
    if (n - answered >= WINDOW) {
      assert.equal(await wire.reply(60_000), 'OK');
      answered += 1;
    }
    wire.command('SET', `big:${n % KEYS}`, randomBytes(VALUE_BYTES));
  }
  for (; answered < total; answered++) assert.equal(await wire.reply(60_000), 'OK');
  wire.close();
}

/** The most that was ever seen of each node's files. */
class DiskWatch {
  logBytes = 0;
  snapshotBytes = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(deployment: Deployment) {
    this.#timer = setInterval(() => {
      for (const i of deployment.indices) {
        const { logBytes, snapshotBytes } = deployment.fileSizes(i);
        this.logBytes = Math.max(this.logBytes, logBytes);
        this.snapshotBytes = Math.max(this.snapshotBytes, snapshotBytes);
      }
    }, 50).unref();
  }

  finish(): { logMiBMax: number; snapshotMiBMax: number } {
    clearInterval(this.#timer);
    assert.ok(this.logBytes <= LOG_BYTES_MAX, `a log had ${this.logBytes} bytes`);
    assert.ok(this.snapshotBytes <= SNAPSHOT_BYTES_MAX, `snapshots had ${this.snapshotBytes}`);
    return {
      logMiBMax: Math.round(this.logBytes / MIB),
      snapshotMiBMax: Math.round(this.snapshotBytes / MIB),
    };
  }
}

test('a follower that was off while far more than the log limit was written comes back level', async (t) => {
  const deployment = await Deployment.agents(t, { flags: FLAGS });
  const watch = new DiskWatch(deployment);
  const leader = await deployment.leader();
  const away = (leader + 1) % 3;
  await pour(deployment.port(leader), MIB);
  await deployment.assertIdentical();
  await deployment.stopNode(away);
  const { committed } = (await deployment.status(leader)).offsets;
  const begin = performance.now();
  await pour(deployment.port((leader + 2) % 3), WRITTEN_BYTES);
  const pourMs = performance.now() - begin;
  await until('snapshots make room in the log', 60_000, () =>
    deployment.indices
      .filter((i) => i !== away)
      .every((i) => deployment.fileSizes(i).logBytes < WRITTEN_BYTES / 2),
  );
  const { snapshot } = await deployment.status(leader);
  assert.ok(snapshot.offset > committed, 'what it needs is in a snapshot only');
  // The leader keeps serving while the other fetches.
  const writer = new Writer(t, [deployment.port(leader)], 'during');
  writer.start(1);
  await sleep(200);
  const back = performance.now();
  deployment.startNode(away);
  await until('the node is level', 120_000, async () => {
    const [own, others] = await Promise.all([deployment.ask(away), deployment.ask(leader)]);
    const applied = own.status?.offsets.applied ?? 0;
    const level = applied >= (others.status?.offsets.committed ?? Infinity) - MIB;
    return own.ready && level;
  });
  const backMs = performance.now() - back;
  await writer.stop();
  await deployment.ready();
  await deployment.assertIdentical();
  assert.deepEqual(await missingAt(await deployment.serverSocket(away), writer.acknowledged), []);
  assert.ok((await deployment.metric(away, 'althing_snapshots_fetched_total')) >= 1);
  const taken = deployment.indices.map((i) =>
    deployment.metric(i, 'althing_snapshots_taken_total'),
  );
  assert.ok(Math.max(...(await Promise.all(taken))) >= 1);
  assert.ok(writer.longestGapMs < 5_000, `no write for ${writer.longestGapMs} ms`);
  figures('catch-up', {
    writtenMiB: WRITTEN_BYTES / MIB,
    logLimitMiB: LIMIT_BYTES / MIB,
    pourMiBPerS: Math.round((WRITTEN_BYTES / MIB / pourMs) * 1_000),
    backMs: Math.round(backMs),
    writerGapMs: writer.longestGapMs,
    ...watch.finish(),
    logMiBBound: LOG_BYTES_MAX / MIB,
    snapshotMiBBound: Math.round(SNAPSHOT_BYTES_MAX / MIB),
  });
});

test('a node whose directory was wiped is a new one, and takes the place of the one that it was', async (t) => {
  const deployment = await Deployment.agents(t, { flags: FLAGS });
  const watch = new DiskWatch(deployment);
  const leader = await deployment.leader();
  const wiped = (leader + 1) % 3;
  const other = (leader + 2) % 3;
  await pour(deployment.port(leader), 24 * MIB);
  await deployment.stopNode(wiped, 'SIGKILL');
  for (const name of readdirSync(deployment.nodeDir(wiped)))
    if (name !== 'agent.log') rmSync(join(deployment.nodeDir(wiped), name), { recursive: true });
  deployment.startNode(wiped);
  await deployment.ready(90_000);
  await deployment.assertIdentical();

  const isWhole = async (i: number): Promise<boolean> => {
    const { members, control, problems } = await deployment.status(i);
    const roles = members.map(({ role }) => role).toSorted();
    return (
      roles.join() === 'follower,follower,leader' &&
      control.voters.length === 3 &&
      problems.length === 0
    );
  };
  // Of the one that it was nothing is left, on any node.
  await until('three nodes, each once', 30_000, async () => {
    const all = await Promise.all(deployment.indices.map(isWhole));
    return all.every((whole) => whole);
  });
  // It votes again: one other may go, and writes go on.
  await deployment.stopNode(other, 'SIGKILL');
  const wire = new Wire(deployment.port(wiped));
  await until('a write without the third', 20_000, async () => {
    const answer = await wire.call('SET', 'with', 'two').catch(() => new Failure('closed'));
    return answer === 'OK';
  });
  wire.close();

  deployment.startNode(other);
  await deployment.ready();
  const again = new Wire(deployment.port(wiped));
  assert.equal(await again.must('SET', 'after', 'x'), 'OK');
  again.close();
  await deployment.assertIdentical();
  figures('wiped', watch.finish());
});
