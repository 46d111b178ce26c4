/** Settings of the spec on every server: as it runs, after a death, on who joins. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Deployment } from './deployment.ts';
import { signal, until } from './processes.ts';
import { plays } from './rows.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';

const FOUNDERS = [0, 1, 2];
const STEP_MS = 60_000;
const ORDER_MS = 35_000;
const MIB = 1024 * 1024;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.prepare(scope, {
    nodes: 4,
    // Those that found it have a setting in their configuration; the fourth has none.
    environmentOf: (i, { dir }) =>
      i < FOUNDERS.length ? { ALTHING_CONFIG: join(dir, 'founders.yaml') } : {},
    peersOf: (i, { peerPort }) =>
      (i < FOUNDERS.length ? FOUNDERS : [0, i]).map(
        (each) => `127.0.0.1:${peerPort.call(deployment, each)}`,
      ),
  });
  writeFileSync(join(deployment.dir, 'founders.yaml'), 'server:\n  hz: 20\n');
  for (const i of FOUNDERS) deployment.startNode(i);
  await serving(FOUNDERS);
});

function serving(nodes: readonly number[]): Promise<unknown> {
  return until(`nodes ${nodes} serve`, STEP_MS, async () => {
    const answers = await Promise.all(nodes.map((i) => deployment.ask(i)));
    return answers.every(({ ready }) => ready);
  });
}

function patch(i: number, body: object): Promise<Response> {
  return fetch(`http://127.0.0.1:${deployment.httpPort(i)}/spec`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ORDER_MS),
  });
}

async function order(i: number, body: object): Promise<void> {
  await until('the order is taken', STEP_MS, async () => {
    const answer = await patch(i, body);
    if (answer.status !== 503) assert.ok(answer.ok, await answer.text());
    return answer.ok;
  });
}

/** Of the server itself, past its agent. */
async function valueAt(i: number, name: string): Promise<string> {
  const wire = new Wire(await deployment.serverSocket(i));
  const [, value] = (await wire.must('CONFIG', 'GET', name)) as string[];
  wire.close();
  return String(value);
}

function everywhere(nodes: readonly number[], wanted: Record<string, string>): Promise<unknown> {
  return until(`${JSON.stringify(wanted)} on ${nodes}`, STEP_MS, async () => {
    for (const i of nodes)
      for (const [name, value] of Object.entries(wanted))
        if ((await valueAt(i, name).catch(() => '')) !== value) return false;
    return true;
  });
}

async function pendingAt(i: number): Promise<Record<string, string | null>> {
  const { settings } = await deployment.status(i);
  return Object.fromEntries(settings.map(({ name, pending }) => [name, pending]));
}

test('the configuration of the founders is the spec that all have', async () => {
  await until('agreed on', STEP_MS, async () => {
    const { spec } = await deployment.status(0);
    return JSON.stringify(spec?.server) === '{"hz":"20"}';
  });
  await everywhere(FOUNDERS, { hz: '20' });
});

test('a change reaches every server as it runs; what needs its start is pending, and says so', async () => {
  const server = { maxmemory: '100mb', 'slowlog-max-len': 77, 'io-threads': 2 };
  await order((await deployment.leader()) === 1 ? 2 : 1, { server });
  await everywhere(FOUNDERS, { maxmemory: `${100 * MIB}`, 'slowlog-max-len': '77', hz: '20' });
  for (const i of FOUNDERS) {
    await until('it is told', STEP_MS, async () => {
      const { 'io-threads': threads, maxmemory, hz } = await pendingAt(i);
      return /must start again for it: .*io-threads/.test(threads ?? '') && !maxmemory && !hz;
    });
    assert.equal(await valueAt(i, 'io-threads'), '1');
  }
});

test('the next life of a server has it all, and so has that of an agent', async () => {
  const wanted = { maxmemory: `${100 * MIB}`, 'slowlog-max-len': '77', 'io-threads': '2' };
  const [first, second] = [0, 1];
  signal(await deployment.serverPid(first), 'SIGKILL');
  await everywhere([first], wanted);
  await deployment.stopNode(second, 'SIGKILL');
  deployment.startNode(second);
  await serving(FOUNDERS);
  await everywhere([second], wanted);
  for (const i of [first, second])
    await until('nothing is pending', STEP_MS, async () =>
      Object.values(await pendingAt(i)).every((why) => why === null),
    );
});

test('what cannot be is refused with its reason, and nothing of it is agreed on', async () => {
  const { spec } = await deployment.status(0);
  for (const [server, words] of [
    [{ port: 1, hz: 50 }, /server\.port is set by the agent/],
    [{ maxmemroy: '1gb' }, /Bad directive.*did you mean maxmemory/],
    [{ maxmemory: 'much' }, /server\.maxmemory is refused/],
    [{ databases: 4 }, /cannot load/],
  ] as const) {
    const answer = await patch(0, { server });
    assert.equal(answer.status, 409);
    assert.match(await answer.text(), words);
  }
  assert.deepEqual((await deployment.status(0)).spec, spec);
});

test('what a client has set otherwise on the leader does not stay', async () => {
  const leader = await deployment.leader();
  await plays(deployment.port(leader), [['CONFIG SET slowlog-max-len 5', 'OK']]);
  await everywhere([leader], { 'slowlog-max-len': '77' });
});

test('Q79: out of memory is an error of the leader; nodes come all the same, with every setting', async () => {
  await plays(deployment.port(0), [['SET before v', 'OK']]);
  await order(0, { server: { maxmemory: 1 } });
  await everywhere(FOUNDERS, { maxmemory: '1' });
  await plays(deployment.port(1), [
    ['SET more v', /^-OOM /],
    ['GET before', 'v'],
  ]);
  await order(0, { replicas: 3 });
  deployment.startNode(3, ['--join']);
  await until('the fourth holds the data', STEP_MS, async () => {
    return (await deployment.ask(3)).status?.role === 'follower';
  });
  await everywhere([3], { maxmemory: '1', hz: '20', 'slowlog-max-len': '77' });
  await order(3, { server: { maxmemory: null } });
  await everywhere([3], { maxmemory: '0' });
  await order(3, { server: { maxmemory: '1gb' } });
  await everywhere([...FOUNDERS, 3], { maxmemory: `${1024 * MIB}` });
  await plays(deployment.port(3), [['SET more v', 'OK']]);
  await deployment.assertIdentical();
});
