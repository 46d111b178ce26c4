/**
 * Discovery over a stand-in for the Kubernetes API that behaves as the real one does, through the
 * real TLS, files and sockets.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Discovery } from '../../src/io/discovery/discovery.ts';
import type { DiscoveryLimits } from '../../src/io/discovery/limits.ts';
import { parseSources } from '../../src/io/discovery/specification.ts';
import { systemPorts } from '../../src/io/discovery/system.ts';
import { KubernetesStandIn, makeCertificates, whyNoStandIn } from './kubernetes-stand-in.ts';
import { until } from './processes.ts';

const PATIENCE_MS = 10_000;
/** The real one takes whole seconds, which these tests do not have. */
const SHORT_WATCH = { watchSeconds: 0.3, watchShortMs: 100 };
const LIMITS = { pollEveryMs: 100, backoffMsMin: 50, backoffMsMax: 100, listPageItems: 2 };

const skip = whyNoStandIn() ?? false;

async function open(t: TestContext, limits: Partial<DiscoveryLimits> = {}) {
  const api = await KubernetesStandIn.start();
  const parsed = parseSources('kubernetes:app.kubernetes.io/name=orders,app=orders', 7379);
  assert.ok(parsed.ok);
  const discovery = new Discovery({
    specs: parsed.specs,
    peers: null,
    kubernetes: api.place,
    ports: systemPorts(),
    onChange: () => undefined,
    log: () => undefined,
    fatal: (error) => {
      throw error;
    },
    limits: { ...LIMITS, ...limits },
  });
  t.after(async () => {
    await discovery.stop();
    await api.stop();
  });
  const now = () => discovery.candidates().map(({ text }) => text.replace(':7379', ''));
  const error = () => discovery.status()[0]?.lastError?.text ?? '';
  const shows = (what: string, ...hosts: string[]) =>
    until(what, PATIENCE_MS, () => now().join() === hosts.join()).catch((failure: Error) => {
      throw new Error(`${failure.message}; seen: ${now()} ${error()} ${api.asked}`);
    });
  const says = (words: RegExp) => until(`${words}`, PATIENCE_MS, () => words.test(error()));
  return { api, discovery, shows, says, now };
}

test('pods of a selector are followed as they come, change and go', {
  skip,
}, async (t) => {
  const { api, discovery, shows } = await open(t);
  for (const n of [1, 2, 3]) api.put(`orders-${n}`, `10.1.0.${n}`);
  api.put('other', '10.1.0.9', { app: 'other' });
  api.put('done', '10.1.0.8', { phase: 'Succeeded' });
  discovery.start();
  await shows('the list, over two pages', '10.1.0.1', '10.1.0.2', '10.1.0.3');
  await until('the watch', PATIENCE_MS, () => api.watchers === 1);
  const { length } = api.asked;

  api.put('orders-4', null, { phase: 'Pending' });
  api.put('orders-4', '10.1.0.4');
  await shows('one that got its address', '10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4');
  api.put('orders-1', '10.1.0.1', { phase: 'Failed' });
  api.remove('orders-2');
  await shows('one has ended and one is gone', '10.1.0.3', '10.1.0.4');
  api.put('orders-2', '10.1.0.3');
  api.remove('orders-3');
  api.put('orders-4', '10.1.0.5');
  await shows('an address that another pod has got', '10.1.0.3', '10.1.0.5');
  assert.equal(api.asked.length, length, 'the watch told it all');
});

for (const goneAs of ['event', 'status'] as const)
  test(`a forgotten version, said as ${goneAs}, leads to a new list`, { skip }, async (t) => {
    const { api, discovery, shows } = await open(t, { ...SHORT_WATCH });
    api.goneAs = goneAs;
    api.hasBookmarks = false;
    discovery.start();
    await until('the watch', PATIENCE_MS, () => api.watchers === 1);
    api.forget();
    const lists = () => api.asked.filter((each) => each === 'list 200').length;
    await until('a second list', PATIENCE_MS, () => lists() === 2);
    const gone = goneAs === 'event' ? 'watch 200' : 'watch 410';
    assert.deepEqual(api.asked, ['list 200', 'watch 200', gone, 'list 200']);
    api.put('orders-1', '10.1.0.1');
    await shows('a pod', '10.1.0.1');
  });

test('a watch that ends at its time goes on from its last bookmark', { skip }, async (t) => {
  const { api, discovery, shows } = await open(t, { ...SHORT_WATCH });
  discovery.start();
  await until('the watch', PATIENCE_MS, () => api.watchers === 1);
  api.forget();
  await until('its end', PATIENCE_MS, () => api.asked.includes('watch 200'));
  api.put('orders-1', '10.1.0.1');
  await shows('a pod', '10.1.0.1');
  assert.deepEqual(api.asked, ['list 200', 'watch 200']);
});

test('403 names the permission; once it is given, pods are found', {
  skip,
}, async (t) => {
  const { api, discovery, shows, says } = await open(t, { watchAgainMs: 300 });
  api.allowed.clear();
  api.put('orders-1', '10.1.0.1');
  discovery.start();
  await says(
    /may not list pods in namespace shop.*verbs get, list and watch on pods.*403: pods is/,
  );
  api.allowed.add('list');
  await shows('by the list', '10.1.0.1');
  await says(/may not watch pods in namespace shop.*asking every 0\.1 s instead/);
  api.put('orders-2', '10.1.0.2');
  await shows('by polling', '10.1.0.1', '10.1.0.2');
  api.allowed.add('watch');
  await until('a watch after all', PATIENCE_MS, () => api.watchers === 1);
  await says(/^$/);
});

test('a rotated token is read again; while its file is late, 401 is told', {
  skip,
}, async (t) => {
  const { api, discovery, shows, says, now } = await open(t);
  api.put('orders-1', '10.1.0.1');
  discovery.start();
  await shows('the first', '10.1.0.1');
  api.rotateToken('second', { isLate: true });
  api.breakWatches();
  await says(/does not accept the service account's token \(401: Unauthorized\)/);
  assert.deepEqual(now(), ['10.1.0.1'], 'what it said stays');
  api.put('orders-2', '10.1.0.2');
  api.writeToken('second');
  await shows('with the new token', '10.1.0.1', '10.1.0.2');
});

test('an API server with another authority is not believed', {
  skip,
}, async (t) => {
  const { api, discovery, shows, says, now } = await open(t);
  const other = mkdtempSync(join(tmpdir(), 'ca-'));
  t.after(() => rmSync(other, { recursive: true }));
  makeCertificates(other);
  const path = join(api.accountDir, 'ca.crt');
  copyFileSync(path, join(other, 'right.crt'));
  copyFileSync(join(other, 'ca.crt'), path);
  api.put('orders-1', '10.1.0.1');
  discovery.start();
  await says(/its certificate is not signed by who may vouch for it/);
  assert.deepEqual(now(), []);
  assert.deepEqual(api.asked, [], 'no token was shown to it');
  copyFileSync(join(other, 'right.crt'), path);
  await shows('with the right authority', '10.1.0.1');
});
