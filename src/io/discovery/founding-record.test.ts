import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { DiscoveryError } from './errors.ts';
import { FoundingRecord, objectNameOf } from './founding-record.ts';
import { KubernetesApi, kubernetesPlace } from './kubernetes-api.ts';
import { DISCOVERY_LIMITS } from './limits.ts';
import type { WebAnswer } from './ports.ts';
import { jsonAnswer, TrialWorld } from './trial-world.ts';

const DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const [A, B] = ['a'.repeat(32), 'b'.repeat(32)];
const { signal } = new AbortController();

function refusal(code: number): WebAnswer {
  return jsonAnswer(code, { kind: 'Status', code, message: 'no' });
}

/** Answers in order. */
function scripted(...answers: WebAnswer[]) {
  const world = new TrialWorld();
  world.files.set(`${DIR}/token`, 'first\n');
  world.files.set(`${DIR}/ca.crt`, '-----BEGIN CERTIFICATE-----');
  world.files.set(`${DIR}/namespace`, 'shop\n');
  const asked: string[] = [];
  world.respond = ({ url }, body) => {
    const path = url.replace('https://10.96.0.1:443/api/v1/namespaces/', '');
    asked.push(body === undefined ? path : `${path} ${body}`);
    return answers.shift() ?? refusal(500);
  };
  const api = new KubernetesApi(
    kubernetesPlace({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }),
    world.ports,
  );
  const options = { name: 'orders', namespace: null, limits: DISCOVERY_LIMITS };
  return { record: new FoundingRecord(api, options), asked };
}

const recordOf = (deployment: unknown) => jsonAnswer(200, { data: { deployment } });

test('an id is created once: whoever comes second reads the first', async () => {
  const first = scripted(refusal(404), jsonAnswer(201, {}), recordOf(A));
  deepEqual(await first.record.write(A, signal), { kind: 'stands', deployment: A });
  const [read, create] = first.asked;
  equal(read, 'shop/configmaps/althing.orders');
  match(create ?? '', /^shop\/configmaps \{.*"immutable":true.*"name":"althing.orders".*aaaa/);
  const second = scripted(refusal(404), refusal(409), recordOf(A));
  deepEqual(await second.record.write(B, signal), { kind: 'stands', deployment: A });
  const third = scripted(recordOf(A));
  deepEqual(await third.record.write(B, signal), { kind: 'stands', deployment: A });
});

test('no record is an answer, no right is told in words, all else is a failure', async () => {
  deepEqual(await scripted(refusal(404)).record.read(signal), { kind: 'stands', deployment: null });
  for (const answers of [[refusal(403)], [refusal(404), refusal(403)]]) {
    const found = await scripted(...answers).record.write(A, signal);
    match(found.kind === 'forbidden' ? found.text : '', /verbs get and create on configmaps/);
  }
  for (const answer of [
    refusal(401),
    refusal(500),
    recordOf('x'),
    recordOf(7),
    jsonAnswer(200, null),
  ])
    await rejects(scripted(answer).record.read(signal), DiscoveryError);
});

test('every name of a deployment has an object of its own', () => {
  equal(objectNameOf('orders.eu-1'), 'althing.orders.eu-1');
  for (const name of ['Orders', 'a_b', 'a..b', 'a.-b', 'a-'])
    equal(objectNameOf(name), `althing-hex.${Buffer.from(name).toString('hex')}`);
});
