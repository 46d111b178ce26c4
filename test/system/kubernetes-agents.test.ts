/**
 * Whole nodes that know a label selector and the Kubernetes API, and nothing of one another: three
 * pods found a deployment once, go on while the API rotates its token and forgets versions, are
 * replaced by empty ones with other names and addresses, and get company. Under a writer, which
 * reaches the primary as a Service with its label does.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/doors/view.ts';
import { ROLE_LABEL } from '../../src/io/discovery/pod-label.ts';
import { socketOf } from './digest.ts';
import { figures, IS_FULL } from './figures.ts';
import { KubernetesPods, whyNoPods } from './kubernetes-pods.ts';
import { whyNoStandIn } from './kubernetes-stand-in.ts';
import { until } from './processes.ts';
import { Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

/** Three agents that start at once, on two cores that others share, have taken a minute. */
const STEP_MS = 120_000;
/** Generous: a loaded machine of two cores may well be slow. The figures say how it was. */
const GAP_MS_MAX = 15_000;
const FOUNDERS = ['orders-a', 'orders-b', 'orders-c'];
/** A watch that ends sooner is not asked for again at once, and a list knows no 410. */
const WATCHED_MS = 2_000;
/** In the same namespace, with the same secret, and another selector. */
const OTHER = 'billing-a';
/** One pod is replaced in the short form, all of them and twice in the full one. */
const REPLACED = IS_FULL ? [...FOUNDERS, 'orders-1', 'orders-2', 'orders-3'] : ['primary'];

const skip = whyNoStandIn() ?? whyNoPods() ?? false;

/** All pods of `names`, and nobody else, are members of one deployment that hold the data. */
async function holding(
  pods: KubernetesPods,
  names = pods.named('orders'),
): Promise<readonly Status[]> {
  const holds = ({ role, members }: Status): boolean =>
    (role === 'leader' || role === 'follower') && members.length === names.length;
  return until(`the data on ${names}`, STEP_MS, async () => {
    const all = await Promise.all(names.map((name) => pods.ready(name)));
    const known = all.filter((each) => each !== null);
    return known.length === names.length && known.every(holds) && known;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${pods.lastWords()}`);
  });
}

async function labelled(pods: KubernetesPods): Promise<string> {
  const role = (name: string) => pods.api.labelsOf(name)[ROLE_LABEL];
  return until('one is labelled as the primary', STEP_MS, () => {
    const names = pods.named('orders');
    const primaries = names.filter((name) => role(name) === 'primary');
    const others = names.filter((name) => role(name) === 'replica');
    const isSettled = primaries.length === 1 && others.length === names.length - 1;
    return isSettled && (primaries[0] ?? null);
  });
}

/** What every node says of the API, empty when all is well. */
function complaints(statuses: readonly Status[]): string[] {
  return statuses.flatMap(({ discovery }) =>
    discovery.flatMap(({ lastError }) => lastError?.text ?? []),
  );
}

/** The first thing that they meet is a service account without the right to see pods. */
async function begin(t: TestContext): Promise<KubernetesPods> {
  const pods = await KubernetesPods.build(t, ['--ephemeral']);
  pods.api.allowed.delete('list');
  for (const name of FOUNDERS) pods.start(name);
  pods.start(OTHER, { app: 'billing', flags: ['--name', 'billing', '--expect', '1'] });
  for (const name of FOUNDERS)
    await until(`${name} says what it may not`, STEP_MS, async () => {
      const answer = await pods.fetch(name, '/status').catch(() => null);
      const said = answer === null ? [] : complaints([(await answer.json()) as Status]);
      return said.some((text) => /may not list pods in namespace shop.*403/.test(text));
    });
  pods.api.allowed.add('list');
  return pods;
}

async function findsAgain(pods: KubernetesPods, what: string, by: string): Promise<void> {
  const { count, api } = pods;
  const asked = (): number => api.asked.filter((each) => each === by).length;
  await until(`${count} times ${by} after ${what}`, STEP_MS, () => asked() >= count);
  await until(`all watch again after ${what}`, STEP_MS, () => api.watchers === count);
  assert.deepEqual(complaints(await holding(pods)), [], what);
}

async function changeSpec(pods: KubernetesPods, by: string, change: object): Promise<void> {
  const body = JSON.stringify(change);
  const headers = { 'content-type': 'application/json' };
  const isDone = await until('the spec is changed', STEP_MS, () =>
    pods.fetch(by, '/spec', { method: 'PATCH', headers, body }).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  assert.ok(isDone);
}

/** Its machine dies, and it is listed no more. Yields after how long it was no member, in ms. */
async function dies(pods: KubernetesPods, name: string): Promise<number> {
  assert.equal(await pods.stop(name, 'SIGKILL'), 'SIGKILL');
  const begun = performance.now();
  await holding(pods);
  await labelled(pods);
  return Math.round(performance.now() - begun);
}

test('pods that know a selector alone found a deployment, keep it, are replaced, grow, and die', {
  skip,
}, async (t) => {
  const pods = await begin(t);
  const { api } = pods;
  const founded = await holding(pods);
  const ids = new Set(founded.map(({ deployment }) => deployment));
  assert.equal(ids.size, 1);
  const [other] = await holding(pods, [OTHER]);
  const records = [...ids, other?.deployment].map((deployment) => ({ deployment }));
  const recorded = ['althing', 'billing'].map((name) => api.configMaps.get(`althing.${name}`));
  assert.deepEqual(recorded, records);
  assert.equal(api.asked.filter((each) => each === 'create 201').length, records.length);
  for (const { discovery } of founded) {
    const [api] = discovery.filter(({ source }) => source.startsWith('kubernetes:'));
    const found = (api?.addresses ?? []).map((each) => each.split(':')[0]);
    assert.deepEqual(found.sort(), FOUNDERS.map((name) => pods.addressOf(name)).sort());
  }
  for (const { members } of founded)
    assert.deepEqual(
      members.map(({ address }) => address.split(':')[0]).sort(),
      FOUNDERS.map((name) => pods.addressOf(name)).sort(),
      'clients are told of each pod under its own address',
    );
  await labelled(pods);
  const writer = new Writer(t, [pods.servicePort], 'w');
  writer.start();
  await writer.reaches(100);

  // The file of the token is late, as the kubelet is.
  api.asked.length = 0;
  api.rotateToken('second', { isLate: true });
  api.breakWatches();
  await until('the old token is refused', STEP_MS, () => api.asked.includes('list 401'));
  api.writeToken('second');
  await findsAgain(pods, 'the token was rotated', 'list 200');
  for (const goneAs of IS_FULL ? (['event', 'status'] as const) : (['status'] as const)) {
    Object.assign(api, { goneAs, hasBookmarks: false });
    await sleep(WATCHED_MS);
    api.asked.length = 0;
    api.forget();
    api.endWatches();
    await findsAgain(pods, `a version was forgotten, as ${goneAs}`, 'list 200');
    if (goneAs === 'status') assert.ok(api.asked.includes('watch 410'), `${api.asked}`);
    else assert.ok(api.asked.filter((each) => each === 'watch 200').length >= 2, `${api.asked}`);
    api.hasBookmarks = true;
  }

  for (const [at, wanted] of REPLACED.entries()) {
    const name = wanted === 'primary' ? await labelled(pods) : wanted;
    assert.equal(await pods.stop(name, 'SIGTERM'), 'exit code 0');
    pods.start(`orders-${at + 1}`);
    await holding(pods);
    await labelled(pods);
  }
  pods.start('orders-more');
  await changeSpec(pods, 'orders-more', { replicas: FOUNDERS.length, forgetAfter: '10s' });
  await holding(pods);
  const forgottenMs = await dies(pods, 'orders-more');
  const last = await holding(pods);
  assert.deepEqual(new Set(last.map(({ deployment }) => deployment)), ids);
  await labelled(pods);

  await writer.stop();
  for (const name of pods.named('orders')) {
    const missing = async (): Promise<number | null> => {
      const pid = (await pods.ready(name))?.server.pid ?? null;
      return pid && (await missingAt(socketOf(pid), writer.acknowledged)).length;
    };
    await until(`${name} has all`, STEP_MS, async () => (await missing()) === 0).catch(async () =>
      assert.fail(`${name} lacks ${await missing()} of ${writer.acknowledged.length}`),
    );
  }
  assert.deepEqual(writer.stale, []);
  const [apart] = await holding(pods, [OTHER]);
  assert.equal(apart?.deployment, other?.deployment);
  const around = new Wire(socketOf(apart?.server.pid ?? 0));
  assert.equal(await around.must('DBSIZE'), 0, 'nothing of the others is there');
  around.close();
  const { longestGapMs, acknowledged } = writer;
  assert.ok(longestGapMs < GAP_MS_MAX, `no write for ${longestGapMs} ms`);
  const counts = { replaced: REPLACED.length, acknowledged: acknowledged.length, forgottenMs };
  figures('kubernetes-agents', { longestGapMs, ...counts, unknown: writer.unknown.length });
});
