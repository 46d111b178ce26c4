/** The role as a label of the own pod, over the stand-in for the Kubernetes API. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubernetesApi } from '../../src/io/discovery/kubernetes-api.ts';
import { PodLabel, ROLE_LABEL } from '../../src/io/discovery/pod-label.ts';
import { systemPorts } from '../../src/io/discovery/system.ts';
import { KubernetesStandIn, whyNoStandIn } from './kubernetes-stand-in.ts';
import { until } from './processes.ts';

const PATIENCE_MS = 10_000;
const skip = whyNoStandIn() ?? false;

async function open(t: TestContext, pod = 'orders-0') {
  const server = await KubernetesStandIn.start();
  server.put('orders-0', '10.1.0.1');
  server.allowed.add('patch');
  const ports = systemPorts();
  const said: string[] = [];
  const label = new PodLabel({
    api: new KubernetesApi(server.place, ports),
    pod,
    clock: ports.clock,
    log: (level, event, facts) => void said.push(`${level} ${event} ${JSON.stringify(facts)}`),
    fatal: (error) => {
      throw error;
    },
    pauses: { failedMs: 50, refusedMs: 100 },
  });
  t.after(async () => {
    await label.stop();
    await server.stop();
  });
  const shows = (role: string) =>
    until(
      `the label says ${role}`,
      PATIENCE_MS,
      () => server.labelsOf('orders-0')[ROLE_LABEL] === role,
    );
  return { server, label, said, shows };
}

test('the label follows the role, and other labels stay', { skip }, async (t) => {
  const { server, label, shows } = await open(t);
  label.want('replica');
  await shows('replica');
  for (let i = 0; i < 20; i++) label.want(i % 2 === 0 ? 'replica' : 'primary');
  await shows('primary');
  assert.equal(server.labelsOf('orders-0')['app'], 'orders');
  const { length } = server.asked;
  label.want('primary');
  await sleep(100);
  assert.equal(server.asked.length, length, 'nothing is asked while nothing changes');
});

test('a permission that is missing is told once, and asked for again', { skip }, async (t) => {
  const { server, label, said, shows } = await open(t);
  server.allowed.delete('patch');
  label.want('primary');
  const asked = () => server.asked.filter((each) => each === 'patch 403').length;
  await until('it was refused three times', PATIENCE_MS, () => asked() >= 3);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /warn kubernetes\.notLabelled .*a Role with the verb patch on pods/);
  server.allowed.add('patch');
  await shows('primary');
  await until('it is told', PATIENCE_MS, () => said.length === 2);
  assert.match(said[1] ?? '', /info kubernetes\.labelled .*"role":"primary"/);
});

test('a pod of another name is told with the way to name it', { skip }, async (t) => {
  const { label, said } = await open(t, 'elsewhere');
  label.want('primary');
  await until('it is told', PATIENCE_MS, () => said.length > 0);
  assert.match(said[0] ?? '', /no pod elsewhere in namespace shop: give its name as POD_NAME/);
});

test('a token that was replaced is read again, and a server that is away is awaited', {
  skip,
}, async (t) => {
  const { server, label, shows, said } = await open(t);
  label.want('replica');
  await shows('replica');
  server.rotateToken('second', { isLate: true });
  label.want('primary');
  await until('the old token is refused', PATIENCE_MS, () => said.some((each) => /401/.test(each)));
  server.writeToken('second');
  await shows('primary');
});
