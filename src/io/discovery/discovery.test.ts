import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Discovery } from './discovery.ts';
import { DiscoveryError } from './errors.ts';
import { DISCOVERY_LIMITS } from './limits.ts';
import { parseSources } from './specification.ts';
import { answerOf, jsonAnswer, settle, TrialWorld } from './trial-world.ts';

const DOWN = new DiscoveryError('NO_ANSWER', 'orders: the name server does not answer');

function start(t: TestContext, given: string, { asksPeers = false } = {}) {
  const world = new TrialWorld();
  const parsed = parseSources(given, 7379);
  ok(parsed.ok);
  const told: string[] = [];
  const changes: string[] = [];
  const discovery = new Discovery({
    specs: parsed.specs,
    peers: asksPeers ? { name: 'orders', httpPort: 8379 } : null,
    kubernetes: null,
    ports: world.ports,
    onChange: ({ added, removed }) => {
      const texts = [
        ...added.map(({ text }) => `+${text}`),
        ...removed.map(({ text }) => `-${text}`),
      ];
      changes.push(texts.join(' '));
    },
    log: (level, event, facts) => {
      if (event !== 'discovery.changed') told.push(`${level} ${event} ${JSON.stringify(facts)}`);
    },
    fatal: (error) => {
      throw error;
    },
  });
  t.after(() => discovery.stop());
  const now = () => discovery.candidates().map(({ text }) => text.replace(':7379', ''));
  return { world, discovery, told, changes, now };
}

test('sources run side by side; one that fails neither stops the others nor itself', async (t) => {
  const { world, discovery, told, changes, now } = start(t, '10.0.0.1, orders, srv:s');
  world.hosts.set('orders', DOWN);
  world.services.set('s', [{ host: '10.0.0.2', port: 7379 }]);
  discovery.start();
  await settle();
  deepEqual(now(), ['10.0.0.1', '10.0.0.2']);
  const fails = `warn discovery.failed {"source":"dns:orders:7379","text":"${DOWN.message}"}`;
  deepEqual(told, [fails]);
  world.hosts.set('orders', ['10.0.0.3', '10.0.0.2']);
  await world.clock.advance(DISCOVERY_LIMITS.backoffMsMin);
  deepEqual(now(), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  deepEqual(told, [fails, 'info discovery.answered {"source":"dns:orders:7379"}']);
  deepEqual(changes, ['+10.0.0.1:7379', '+10.0.0.2:7379', '+10.0.0.3:7379']);
});

test('a source that fails is asked again ever more rarely, up to the bound, for ever', async (t) => {
  const { world, discovery, told } = start(t, 'orders');
  world.hosts.set('orders', DOWN);
  discovery.start();
  await settle();
  const gaps: number[] = [];
  for (let n = 0; n < 7; n++) {
    const [status] = discovery.status();
    gaps.push(status?.nextTryInMs ?? -1);
    await world.clock.advance(status?.nextTryInMs ?? 0);
  }
  deepEqual(gaps, [500, 1000, 2000, 4000, 5000, 5000, 5000]);
  equal(world.asked.length, 8);
  equal(told.length, 1, 'the same failure is told once');
  await world.clock.advance(600_000);
  equal(world.asked.length, 8 + 120);
});

test('answers of a round-robin name add up, and those that are gone are forgotten', async (t) => {
  const { world, discovery, changes, now } = start(t, 'orders');
  const { lookEveryMs, dnsKeepMs } = DISCOVERY_LIMITS;
  world.hosts.set('orders', ['10.0.0.1', '10.0.0.2']);
  discovery.start();
  await settle();
  world.hosts.set('orders', ['10.0.0.3']);
  await world.clock.advance(lookEveryMs);
  deepEqual(now(), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  await world.clock.advance(dnsKeepMs);
  deepEqual(now(), ['10.0.0.3']);
  deepEqual(changes, [
    '+10.0.0.1:7379 +10.0.0.2:7379',
    '+10.0.0.3:7379',
    '-10.0.0.1:7379 -10.0.0.2:7379',
  ]);
});

test('peers of peers: learned ones are asked in turn, and forgotten when nobody names them', async (t) => {
  const { world, discovery, now } = start(t, '10.0.0.1', { asksPeers: true });
  const peersOf = new Map([
    ['10.0.0.1', ['10.0.0.1', '10.0.0.2']],
    ['10.0.0.2', ['10.0.0.2', '10.0.0.3']],
    ['10.0.0.3', ['10.0.0.3']],
  ]);
  world.respond = ({ url }) => {
    const peers = (peersOf.get(new URL(url).hostname) ?? []).map((host) => ({
      peerAddress: `${host}:7379`,
      httpAddress: `${host}:8379`,
    }));
    return jsonAnswer(200, { name: 'orders', peers });
  };
  discovery.start();
  await world.clock.advance(3 * DISCOVERY_LIMITS.lookEveryMs);
  deepEqual(now(), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  peersOf.set('10.0.0.1', ['10.0.0.1']).delete('10.0.0.2');
  peersOf.delete('10.0.0.3');
  await world.clock.advance(DISCOVERY_LIMITS.learnedKeepMs + 2 * DISCOVERY_LIMITS.lookEveryMs);
  deepEqual(now(), ['10.0.0.1']);
});

test('what hellos tell is remembered like what peers tell', async (t) => {
  const { discovery, changes, now } = start(t, '10.0.0.1');
  discovery.start();
  await settle();
  await discovery.learn({ peerAddress: '10.0.0.2:7379', httpAddress: '10.0.0.2:81' });
  await discovery.learn({ peerAddress: '', httpAddress: '' });
  deepEqual(now(), ['10.0.0.1', '10.0.0.2']);
  const [, learned] = discovery.candidates();
  deepEqual(learned, {
    text: '10.0.0.2:7379',
    address: { host: '10.0.0.2', port: 7379 },
    http: { host: '10.0.0.2', port: 81 },
    sources: ['peers'],
  });
  equal(changes.length, 2);
});

test('firstHeard waits until every written source has spoken, or for as long as it is told', async (t) => {
  const { world, discovery } = start(t, '10.0.0.1, orders');
  let answer: (() => void) | undefined;
  world.ports.names.addresses = () =>
    new Promise((resolve) => {
      answer = () => resolve(['10.0.0.2']);
    });
  let heard = 0;
  discovery.start();
  void discovery.firstHeard(2_000).then(() => (heard += 1));
  await world.clock.advance(1_999);
  equal(heard, 0);
  await world.clock.advance(1);
  equal(heard, 1);
  void discovery.firstHeard(2_000).then(() => (heard += 1));
  await settle();
  equal(heard, 1);
  answer?.();
  await settle();
  equal(heard, 2);
  await discovery.firstHeard(2_000);
});

test('after stop nothing is asked, nothing is told, and whoever waits is released', async (t) => {
  const { world, discovery, changes, told } = start(t, 'orders', { asksPeers: true });
  let heard = false;
  world.ports.names.addresses = () => new Promise(() => undefined);
  discovery.start();
  void discovery.firstHeard(60_000).then(() => (heard = true));
  await settle();
  await discovery.stop();
  await settle();
  ok(heard);
  const { length } = world.requests;
  await discovery.learn({ peerAddress: '10.0.0.2:7379', httpAddress: '' });
  await world.clock.advance(60_000);
  deepEqual([changes, told, world.requests.length], [[], [], length]);
});

test('a Kubernetes source outside of a pod says so in the status, and harms nobody', async (t) => {
  const { discovery, told, now } = start(t, '10.0.0.1; kubernetes:app=orders');
  discovery.start();
  await settle();
  deepEqual(now(), ['10.0.0.1']);
  match(told[0] ?? '', /kubernetes:app=orders:7379.*this is no pod/);
  match(discovery.status()[1]?.lastError?.text ?? '', /this is no pod/);
});

test('peers are asked at once when a written source finds a new address', async (t) => {
  const { world, discovery } = start(t, 'orders', { asksPeers: true });
  world.hosts.set('orders', DOWN);
  world.respond = () => jsonAnswer(200, { name: 'orders', peers: [] });
  discovery.start();
  await settle();
  equal(world.requests.length, 0);
  world.hosts.set('orders', ['10.0.0.1']);
  await world.clock.advance(DISCOVERY_LIMITS.backoffMsMin);
  equal(world.requests.length, 1);
});

test('an answer of nonsense is told, and the look after it counts', async (t) => {
  const { world, discovery, told, now } = start(t, '10.0.0.1', { asksPeers: true });
  world.respond = () => answerOf(200, '\0');
  discovery.start();
  await settle();
  match(told[0] ?? '', /no agent answers there/);
  world.respond = () =>
    jsonAnswer(200, { name: 'orders', peers: [{ peerAddress: '10.0.0.2:1', httpAddress: '' }] });
  await world.clock.advance(10_000);
  deepEqual(now(), ['10.0.0.1', '10.0.0.2:1']);
});
