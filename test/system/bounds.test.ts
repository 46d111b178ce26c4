/** Those who take and never give: memory stays under what is stated here, and others are served. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { residentBytes, signal, until } from './processes.ts';
import { Beside, fileScope, type Scope } from './scope.ts';
import { encode, Failure, Wire } from './wire.ts';

const MIB = 1024 * 1024;
/** Node itself takes about 100 MiB; the rest is what agent/limits.ts and the relay allow. */
const AGENT_MIB_MAX = 600;
/** `maxmemory-clients`, what one pipeline makes before that is looked at, dataset and backlog. */
const SERVER_MIB_MAX = 1_536;
/** For an ordinary command of an ordinary client, on a loaded machine. */
const SERVED_MS_MAX = IS_FULL ? 5_000 : 10_000;
const IDLE = IS_FULL ? 5_000 : 500;
const POURED_MIB = IS_FULL ? 1_024 : 150;
const NEVER_READ_MIB = IS_FULL ? 4_096 : 2_048;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

/** Peaks of resident memory, by kind of process. */
class MemoryWatch {
  agentMiB = 0;
  serverMiB = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(agents: readonly number[], servers: readonly number[]) {
    this.#timer = setInterval(() => {
      for (const pid of agents) this.agentMiB = Math.max(this.agentMiB, residentBytes(pid) / MIB);
      for (const pid of servers)
        this.serverMiB = Math.max(this.serverMiB, residentBytes(pid) / MIB);
    }, 50).unref();
  }

  static async over(target: Deployment): Promise<MemoryWatch> {
    const statuses = await Promise.all(target.indices.map((i) => target.status(i)));
    const servers = statuses.map(({ server }) => server.pid ?? 0);
    return new MemoryWatch(
      statuses.map(({ pid }) => pid),
      servers,
    );
  }

  finish(): { agentMiB: number; serverMiB: number } {
    clearInterval(this.#timer);
    const [agentMiB, serverMiB] = [Math.round(this.agentMiB), Math.round(this.serverMiB)];
    assert.ok(agentMiB <= AGENT_MIB_MAX, `an agent had ${agentMiB} MiB`);
    assert.ok(serverMiB <= SERVER_MIB_MAX, `a server had ${serverMiB} MiB`);
    return { agentMiB, serverMiB };
  }
}

/** A short command on every port in turn, until it is stopped; the slowest in milliseconds. */
function probe(scope: Scope, ports: readonly number[]): Beside<number> {
  return new Beside(scope, async (isOn) => {
    const wires = ports.map((port) => new Wire(port));
    let slowest = 0;
    for (let n = 0; isOn(); n++) {
      for (const wire of wires) {
        const sentAt = performance.now();
        assert.equal(await wire.must('SET', 'probe', n), 'OK');
        slowest = Math.max(slowest, performance.now() - sentAt);
      }
      await sleep(20);
    }
    for (const wire of wires) wire.close();
    return Math.round(slowest);
  });
}

async function pour(port: number, mib: number): Promise<void> {
  const wire = new Wire(port);
  const value = randomBytes(MIB / 4);
  for (let n = 0; n < mib * 4; n++) {
    wire.command('SET', `poured:${n % 100}`, value);
    if (n >= 16) assert.equal(await wire.reply(60_000), 'OK');
  }
  wire.close();
}

test('clients that never read cost no more than their bound, and the others are served', async (t) => {
  const watch = await MemoryWatch.over(deployment);
  const setter = new Wire(deployment.port(0));
  await setter.must('SET', 'large', randomBytes(MIB));
  const each = Math.ceil(NEVER_READ_MIB / (deployment.nodes * 4));
  const deaf = deployment.ports.flatMap((port) => Array.from({ length: 4 }, () => new Wire(port)));
  for (const wire of deaf) wire.pause();
  const probing = probe(t, deployment.ports);
  for (let n = 0; n < each; n++) {
    for (const wire of deaf) wire.command('GET', 'large');
    // To make 1 MiB takes the server a millisecond: it is its memory that is tried, not its speed.
    if (n % 4 === 3) await sleep(60);
  }
  await sleep(1_000);
  const servedMsMax = await probing.stop();
  for (const wire of deaf) wire.close();
  setter.close();
  const memory = watch.finish();
  assert.ok(servedMsMax < SERVED_MS_MAX, `a command took ${servedMsMax} ms`);
  figures('bounds-never-reads', {
    clients: deaf.length,
    askedMiB: NEVER_READ_MIB,
    servedMsMax,
    ...memory,
  });
});

test(`${IDLE} idle connections leave the others served`, async (t) => {
  const watch = await MemoryWatch.over(deployment);
  const idle: Wire[] = [];
  for (let n = 0; n < IDLE; n++) {
    const wire = new Wire(deployment.port(n % 3));
    idle.push(wire);
    wire.command('PING');
    if (n % 50 === 49) await Promise.all(idle.slice(-50).map((each) => each.reply()));
  }
  const probing = probe(t, deployment.ports);
  await sleep(2_000);
  const servedMsMax = await probing.stop();
  assert.equal(idle.filter((wire) => wire.isClosed).length, 0);
  const answers = await Promise.all(idle.map((wire) => wire.call('PING')));
  assert.ok(answers.every((answer) => answer === 'PONG'));
  for (const wire of idle) wire.close();
  const memory = watch.finish();
  assert.ok(servedMsMax < SERVED_MS_MAX, `a command took ${servedMsMax} ms`);
  figures('bounds-idle', { connections: IDLE, servedMsMax, ...memory });
});

for (const who of ['agent', 'server'] as const) {
  test(`a follower whose ${who} never takes anything holds nobody up`, async (t) => {
    await deployment.ready();
    const leader = await deployment.leader();
    const deaf = (leader + 1) % 3;
    const watch = await MemoryWatch.over(deployment);
    const pid =
      who === 'agent' ? await deployment.agentPid(deaf) : await deployment.serverPid(deaf);
    signal(pid, 'SIGSTOP');
    let servedMsMax = 0;
    try {
      const ports = deployment.ports.filter((_, i) => i !== deaf);
      const probing = probe(t, ports);
      await pour(deployment.port(leader), POURED_MIB);
      servedMsMax = await probing.stop();
    } finally {
      signal(pid, 'SIGCONT');
    }
    await deployment.ready();
    await deployment.assertIdentical();
    const memory = watch.finish();
    assert.ok(servedMsMax < SERVED_MS_MAX, `a command took ${servedMsMax} ms`);
    figures(`bounds-follower-${who}`, { pouredMiB: POURED_MIB, servedMsMax, ...memory });
  });
}

test('a leader without majority refuses or closes within its bounds, and heals', async () => {
  await deployment.ready();
  const leader = await deployment.leader();
  const followers = deployment.indices.filter((i) => i !== leader);
  const pids = await Promise.all(followers.map((i) => deployment.agentPid(i)));
  const watch = await MemoryWatch.over(deployment);
  const before = new Wire(deployment.port(leader));
  assert.equal(await before.must('SET', 'alone', 'no'), 'OK');
  const greedy = Array.from({ length: 20 }, () => new Wire(deployment.port(leader)));
  for (const wire of greedy) assert.equal(await wire.must('PING'), 'PONG');
  for (const pid of pids) signal(pid, 'SIGSTOP');
  const begin = performance.now();
  let refusedMs = 0;
  try {
    // Each would have 20 MiB done if anybody did it.
    const bytes = encode(['SET', 'alone', randomBytes(64 * 1024)]);
    for (let n = 0; n < 320; n++) for (const wire of greedy) wire.send(bytes);
    const outcomes = await Promise.all(
      greedy.map((wire) => wire.reply(20_000).catch((error: Error) => error.message)),
    );
    refusedMs = Math.round(performance.now() - begin);
    for (const outcome of outcomes) {
      assert.notEqual(outcome, 'OK', 'a write was acknowledged without a majority');
      assert.ok(
        outcome instanceof Failure || /closed|ECONNRESET|EPIPE/.test(String(outcome)),
        String(outcome),
      );
    }
    const late = new Wire(deployment.port(leader));
    const refusal = await late.call('SET', 'alone', 'late');
    assert.ok(refusal instanceof Failure && /^CLUSTERDOWN /.test(refusal.text), String(refusal));
    late.close();
  } finally {
    for (const pid of pids) signal(pid, 'SIGCONT');
  }
  for (const wire of [...greedy, before]) wire.close();
  await deployment.ready();
  const wire = new Wire(deployment.port(leader));
  await until(
    'writes go on',
    10_000,
    async () => (await wire.call('SET', 'together', '1')) === 'OK',
  );
  // What was closed without an answer may be there or not; what was refused may not.
  assert.notEqual(await wire.must('GET', 'alone'), 'late', 'a refused write was executed');
  wire.close();
  await deployment.assertIdentical();
  figures('bounds-no-majority', { refusedMs, ...watch.finish() });
});
