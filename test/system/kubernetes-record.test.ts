/** The record of a founding in the stand-in for the Kubernetes API, through real TLS and files. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OwnRecord } from '../../src/agent/own-record.ts';
import { FoundingRecord } from '../../src/io/discovery/founding-record.ts';
import { KubernetesApi } from '../../src/io/discovery/kubernetes-api.ts';
import { DISCOVERY_LIMITS } from '../../src/io/discovery/limits.ts';
import { systemPorts } from '../../src/io/discovery/system.ts';
import { KubernetesStandIn, whyNoStandIn } from './kubernetes-stand-in.ts';
import { until } from './processes.ts';

const PATIENCE_MS = 10_000;
const skip = whyNoStandIn() ?? false;
const [ONE, TWO] = ['1'.repeat(32), '2'.repeat(32)];

async function open(t: TestContext) {
  const api = await KubernetesStandIn.start();
  t.after(() => api.stop());
  const ports = systemPorts();
  const warned: string[] = [];
  const pod = () => {
    const options = { name: 'orders', namespace: null, limits: DISCOVERY_LIMITS };
    const own = new OwnRecord({
      record: new FoundingRecord(new KubernetesApi(api.place, ports), options),
      clock: ports.clock,
      warn: (event, { text }) => warned.push(`${event} ${text}`),
      fatal: (error) => {
        throw error;
      },
    });
    t.after(() => own.stop());
    own.start(() => undefined);
    return own;
  };
  return { api, pod, warned };
}

function claimed(own: OwnRecord, deployment: string) {
  const claim = { isDone: false };
  own.claim(deployment, () => {
    claim.isDone = true;
  });
  return claim;
}

test('pods that found at once create one record, and later ones never found', {
  skip,
}, async (t) => {
  const { api, pod } = await open(t);
  const pods = [pod(), pod(), pod(), pod()];
  await until('the first look', PATIENCE_MS, () => pods.every(({ mayFound }) => mayFound));
  const claims = pods.map((own, n) => claimed(own, n % 2 === 0 ? ONE : TWO));
  await until('a founding', PATIENCE_MS, () => claims.some(({ isDone }) => isDone));
  const stands = api.configMaps.get('althing.orders') as { deployment: string };
  const winners = stands.deployment === ONE ? [0, 2] : [1, 3];
  await until('both that signed it', PATIENCE_MS, () =>
    winners.every((n) => claims[n]?.isDone === true),
  );
  assert.deepEqual(
    claims.map(({ isDone }, n) => (isDone ? n : -1)).filter((n) => n >= 0),
    winners,
  );
  assert.equal(api.asked.filter((each) => each === 'create 201').length, 1);

  const wiped = pod();
  const said = () => wiped.problems('orders').map(({ text, todo }) => `${text}; ${todo}`)[0] ?? '';
  await until('what it says', PATIENCE_MS, () => said() !== '');
  assert.match(
    said(),
    new RegExp(`founded as ${stands.deployment} \\(configmap althing.orders\\)`),
  );
  assert.match(said(), /kubectl delete configmap althing.orders/);
  assert.equal(wiped.mayFound, false);
});

test('without the right to a record pods found, and the journal names the right', {
  skip,
}, async (t) => {
  for (const verb of ['get', 'create']) {
    const { api, pod, warned } = await open(t);
    api.allowed.delete(verb);
    const own = pod();
    await until('the first look', PATIENCE_MS, () => own.mayFound);
    const claim = claimed(own, ONE);
    await until('the founding', PATIENCE_MS, () => claim.isDone);
    assert.equal(api.configMaps.size, 0);
    assert.match(
      warned.join(),
      new RegExp(`may not ${verb} configmap.*verbs get and create on configmaps.*403`),
    );
  }
});
