/** However `up` ends, nothing of it runs on, and the data stays. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures } from './figures.ts';
import { pidsUnder, signal, until } from './processes.ts';
import { Wire } from './wire.ts';

/** The bound for agents whose `up` is dead. */
const GONE_MS = 5_000;

async function goneWithin(deployment: Deployment, ms: number): Promise<number> {
  const begin = performance.now();
  await until(
    `no process under ${deployment.dir}`,
    ms,
    () => pidsUnder(deployment.dir).length === 0,
  );
  return Math.round(performance.now() - begin);
}

async function answersNobody(deployment: Deployment): Promise<void> {
  for (const i of deployment.indices)
    for (const port of [deployment.port(i), deployment.peerPort(i), deployment.httpPort(i)]) {
      // A thread that is still dying may hold a listening socket a little longer.
      await until(`nobody at port ${port}`, 1_000, async () => {
        const wire = new Wire(port);
        const answer = await wire.call('PING').catch((error: Error) => error.message);
        wire.close();
        return /ECONNREFUSED/.test(String(answer));
      });
    }
  // And nobody keeps them: the kernel gives them to whoever asks.
  const listener = createServer();
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject).listen(deployment.port(0), '127.0.0.1', resolve);
  });
  await new Promise((resolve) => listener.close(resolve));
}

for (const how of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
  test(`after ${how} no process, no socket and no temporary file of it is left`, async (t) => {
    const scratch = mkdtempSync(join(tmpdir(), 'tmp-'));
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = scratch;
    const deployment = await Deployment.prepare(t);
    deployment.startUp();
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    await deployment.ready();
    const wire = new Wire(deployment.port(0));
    await wire.must('SET', how, 'kept');
    const upPid = Number(readFileSync(join(deployment.dir, 'up.lock'), 'utf8'));
    assert.equal(pidsUnder(deployment.dir).length >= 6, true, 'agents and servers run');
    assert.ok(signal(upPid, how));
    const goneMs = await goneWithin(deployment, how === 'SIGKILL' ? GONE_MS : 15_000);
    wire.close();
    await answersNobody(deployment);
    const left = readdirSync(scratch).filter((name) => !deployment.dir.endsWith(name));
    assert.deepEqual(left, []);
    // What stays is the data: the next `up` goes on with it.
    await deployment.stopUp();
    deployment.startUp();
    await deployment.ready();
    const again = new Wire(deployment.port(1));
    assert.equal(await again.must('GET', how), 'kept');
    again.close();
    figures(`leftovers-${how}`, { goneMs });
    await deployment.close();
    rmSync(scratch, { recursive: true });
  });
}

test('a stop takes paused agents and dead servers along', async (t) => {
  const deployment = await Deployment.up(t);
  signal(await deployment.agentPid(0), 'SIGSTOP');
  signal(await deployment.serverPid(1), 'SIGSTOP');
  signal(await deployment.serverPid(2), 'SIGKILL');
  await deployment.stopUp('SIGTERM');
  await goneWithin(deployment, 1_000);
});

test('a server never outlives its agent', async (t) => {
  const deployment = await Deployment.agents(t);
  const pids = await Promise.all(deployment.indices.map((i) => deployment.agentPid(i)));
  for (const pid of pids) signal(pid, 'SIGKILL');
  await goneWithin(deployment, 2_000);
});

test('a second `up` on the same directory is refused, a busy port is named with its holder', async (t) => {
  const deployment = await Deployment.up(t);
  const second = await Deployment.prepare(t);
  second.startUp(['--dir', deployment.dir]);
  await until('the refusal', 15_000, () => /another `althing up`/.test(second.output));
  await second.stopUp();
  const third = await Deployment.prepare(t);
  third.startUp(['--base-port', String(deployment.basePort)]);
  await until('the holder named', 15_000, () =>
    /\b\d+\b.*(in use|used by|held by|taken)/.test(third.output),
  ).catch(() => assert.fail(third.output));
  await third.stopUp();
  await deployment.ready();
});

test('`--fresh` starts over', async (t) => {
  const deployment = await Deployment.up(t);
  const wire = new Wire(deployment.port(0));
  await wire.must('SET', 'old', 'v');
  wire.close();
  await deployment.stopUp();
  deployment.startUp(['--fresh']);
  await deployment.ready();
  const again = new Wire(deployment.port(0));
  assert.equal(await again.must('EXISTS', 'old'), 0);
  again.close();
});
