import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { httpToken } from '../access.ts';
import { EXAMPLE_STATUS, ExampleOrders, ExampleView } from '../example-view.ts';
import { mayChange } from './gate.ts';
import { HttpDoor } from './server.ts';

const TOKEN = httpToken(Buffer.from('0123456789abcdefghij'));
const silent = { info() {}, warn() {} };

async function open(t: TestContext, token: string | null = TOKEN) {
  const view = new ExampleView();
  const orders = new ExampleOrders();
  const options = { view, orders, host: '127.0.0.1', port: 0, token, journal: silent };
  const door = new HttpDoor(options);
  await door.start();
  t.after(() => door.stop());
  const url = `http://127.0.0.1:${door.port}`;
  const statusOf = async (path: string, init?: RequestInit) => {
    const response = await fetch(url + path, init);
    await response.arrayBuffer();
    return response.status;
  };
  return { view, orders, door, url, statusOf, options };
}

const post = (body?: unknown, headers: Record<string, string> = {}): RequestInit =>
  body === undefined
    ? { method: 'POST', headers }
    : {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      };

test('GET /status is exactly the Status, /peers the peers, and /limits the limits', async (t) => {
  const { url, view } = await open(t);
  deepEqual(await (await fetch(`${url}/status`)).json(), EXAMPLE_STATUS);
  deepEqual(await (await fetch(`${url}/peers`)).json(), view.peers());
  deepEqual(await (await fetch(`${url}/limits`)).json(), view.limits());
});

test('role checks answer 200 or 503 by role, with the status as body', async (t) => {
  const { view, url, statusOf } = await open(t);
  const leader = ['/', '/primary', '/leader', '/read-write'];
  const ready = ['/ready', '/readiness'];
  const all = [...leader, '/replica', '/read-only', '/health', ...ready, '/liveness'];
  const yes = async () => {
    const answers = await Promise.all(all.map((path) => statusOf(path)));
    ok(answers.every((code) => code === 200 || code === 503));
    return all.filter((_, i) => answers[i] === 200);
  };
  deepEqual(await yes(), [...leader, '/read-only', '/health', ...ready, '/liveness']);

  Object.assign(view, { open: false });
  view.current = { ...EXAMPLE_STATUS, role: 'follower', leader: 'b' };
  deepEqual(await yes(), ['/replica', '/read-only', '/health', ...ready, '/liveness']);
  const response = await fetch(`${url}/primary`);
  equal(response.status, 503);
  deepEqual(await response.json(), view.current);

  Object.assign(view, { healthy: false, ready: false });
  deepEqual(await yes(), ['/liveness']);
});

test('/replica?lag= bounds the lag, an unknown lag is over every bound', async (t) => {
  const { view, statusOf } = await open(t);
  view.open = false;
  view.current = { ...EXAMPLE_STATUS, node: 'b', role: 'follower' };
  const members = [{ node: 'b', role: 'follower', address: '', lagBytes: null } as const];
  equal(await statusOf('/replica?lag=120'), 200);
  equal(await statusOf('/replica?lag=119'), 503);
  equal(await statusOf('/replica?lag=1kb'), 200);
  equal(await statusOf('/replica?lag=lots'), 400);
  equal(await statusOf('/replica?lag=1&lag=2'), 400);
  view.current = { ...view.current, members, leader: null };
  equal(await statusOf('/replica'), 200);
  equal(await statusOf('/replica?lag=10gb'), 503);
});

test('HEAD and OPTIONS answer the role checks like GET', async (t) => {
  const { view, statusOf } = await open(t);
  for (const method of ['HEAD', 'OPTIONS']) {
    view.open = true;
    equal(await statusOf('/primary', { method }), 200);
    view.open = false;
    equal(await statusOf('/primary', { method }), 503);
    equal(await statusOf('/status', { method }), 200);
  }
});

test('errors are problem+json and name the paths and methods there are', async (t) => {
  const { url } = await open(t);
  const lost = await fetch(`${url}/nothing`);
  equal(lost.status, 404);
  match(lost.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const { status, paths } = (await lost.json()) as { status: number; paths: string[] };
  equal(status, 404);
  ok(paths.some((line) => line.startsWith('POST /switchover')));
  const wrong = await fetch(`${url}/switchover`);
  equal(wrong.status, 405);
  equal(wrong.headers.get('allow'), 'POST');
});

test('POST /switchover passes the order on and gives its answer', async (t) => {
  const { url, orders, statusOf } = await open(t);
  const done = await fetch(`${url}/switchover`, post({ to: 'b' }));
  equal(done.status, 200);
  deepEqual(await done.json(), { ok: true, text: 'b leads now' });
  equal(await statusOf('/switchover', post()), 200);
  deepEqual(orders.asked, ['b', null]);

  orders.answer = { ok: false, code: 'NOT_LEVEL', text: 'c is 4 MB behind' };
  const refused = await fetch(`${url}/switchover`, post({ to: 'c' }));
  equal(refused.status, 409);
  const body = (await refused.json()) as Record<string, unknown>;
  deepEqual([body['code'], body['detail']], ['NOT_LEVEL', 'c is 4 MB behind']);
  orders.answer = { ok: false, code: 'NO_LEADER', text: 'no leader is known' };
  equal(await statusOf('/switchover', post({})), 503);
});

test('POST /switchover refuses bodies that are not an order, and orders nothing', async (t) => {
  const { orders, statusOf } = await open(t);
  const cases: [name: string, init: RequestInit, want: number][] = [
    ['no JSON', post('{"to":'), 400],
    ['an unknown key', post({ node: 'b' }), 400],
    ['a number', post({ to: 7 }), 400],
    ['an empty name', post({ to: '' }), 400],
    ['a list', post([]), 400],
    ['too large', post({ to: 'b'.repeat(20_000) }), 413],
    ['text', post('b', { 'content-type': 'text/plain' }), 415],
    ['a page in a browser', post({}, { origin: 'http://evil.example' }), 401],
    ['another token', post({}, { authorization: `Bearer ${TOKEN.slice(1)}` }), 401],
  ];
  for (const [name, init, want] of cases) equal(await statusOf('/switchover', init), want, name);
  deepEqual(orders.asked, []);
});

const patch = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  ...post(body, headers),
  method: 'PATCH',
});

test('GET /spec has its version as ETag, PATCH takes it as If-Match', async (t) => {
  const { url, view, orders, statusOf } = await open(t);
  const got = await fetch(`${url}/spec`);
  equal(got.headers.get('etag'), '"2"');
  deepEqual(await got.json(), EXAMPLE_STATUS.spec);
  equal(await statusOf('/spec', patch({ replicas: 4 }, { 'if-match': '"2"' })), 200);
  equal(await statusOf('/spec', patch({ forgetAfter: 'never' }, { 'if-match': '*' })), 200);
  equal(await statusOf('/spec', patch({ replicas: 0, forgetAfter: '90s' })), 200);
  equal(await statusOf('/spec', patch({ maxLostBytes: '1mb', minReplicasToWrite: 1 })), 200);
  equal(await statusOf('/spec', patch({ maxLostBytes: null })), 200);
  const server = { Maxmemory: '1gb', hz: 20, 'lazyfree-lazy-expire': true, save: null };
  equal(await statusOf('/spec', patch({ server })), 200);
  equal(await statusOf('/spec', patch({ reads: 'local' })), 200);
  deepEqual(orders.asked, [
    '{"replicas":4} 2',
    '{"forgetAfterMs":null} null',
    '{"replicas":0,"forgetAfterMs":90000} null',
    '{"maxLostBytes":1048576,"minReplicasToWrite":1} null',
    '{"maxLostBytes":null} null',
    '{"server":{"maxmemory":"1gb","hz":"20","lazyfree-lazy-expire":"yes","save":null}} null',
    '{"reads":"local"} null',
  ]);
  orders.answer = { ok: false, code: 'OTHER_VERSION', text: 'the spec is at version 3' };
  equal(await statusOf('/spec', patch({ replicas: 4 }, { 'if-match': '2' })), 412);
  view.current = { ...EXAMPLE_STATUS, spec: null };
  equal(await statusOf('/spec'), 503);
});

test('PATCH /spec refuses what is no change, and orders nothing', async (t) => {
  const { orders, statusOf } = await open(t);
  const cases: [name: string, init: RequestInit, want: number][] = [
    ['nothing', patch({}), 400],
    ['no JSON', patch('{"replicas":'), 400],
    ['an unknown key', patch({ pieces: 2 }), 400],
    ['a negative number', patch({ replicas: -1 }), 400],
    ['half a replica', patch({ replicas: 1.5 }), 400],
    ['more than there may be', patch({ replicas: 64 }), 400],
    ['a number as text', patch({ replicas: '2' }), 400],
    ['a list of settings', patch({ server: ['hz 20'] }), 400],
    ['a setting of two lines', patch({ server: { hz: '20\nport 1' } }), 400],
    ['no name of a setting', patch({ server: { 'h z': '20' } }), 400],
    ['a setting that is no text', patch({ server: { hz: {} } }), 400],
    ['a time that is none', patch({ forgetAfter: 'soon' }), 400],
    ['a way to read that is none', patch({ reads: 'fast' }), 400],
    ['a size that is none', patch({ maxLostBytes: 'much' }), 400],
    ['a number that is none', patch({ minReplicasToWrite: -1 }), 400],
    ['a time too short', patch({ forgetAfter: '1s' }), 400],
    ['a version that is none', patch({ replicas: 1 }, { 'if-match': 'W/"a"' }), 400],
    ['a page in a browser', patch({ replicas: 1 }, { origin: 'http://evil.example' }), 401],
  ];
  for (const [name, init, want] of cases) equal(await statusOf('/spec', init), want, name);
  deepEqual(orders.asked, []);
});

test('POST /remove takes one name, and GET /members says who there is', async (t) => {
  const { url, view, orders, statusOf } = await open(t);
  deepEqual(await (await fetch(`${url}/members`)).json(), view.assembly());
  equal(await statusOf('/remove', post({ node: 'b' })), 200);
  for (const bad of [{}, { node: '' }, { node: 'b', force: true }, []])
    equal(await statusOf('/remove', post(bad)), 400);
  orders.answer = { ok: false, code: 'LAST_NODE', text: 'b is the last node' };
  equal(await statusOf('/remove', post({ node: 'b' })), 409);
  orders.answer = { ok: false, code: 'UNKNOWN', text: 'leadership was lost' };
  equal(await statusOf('/remove', post({ node: 'b' })), 503);
  deepEqual(orders.asked, ['remove b', 'remove b', 'remove b']);
  equal(
    (await fetch(`${url}/spec`, { method: 'OPTIONS' })).headers.get('allow'),
    'GET, HEAD, OPTIONS, PATCH',
  );
});

test('mayChange: loopback may, others need the token, and without a secret nobody else may', () => {
  const far = { remoteAddress: '10.0.0.9', headers: { host: 'a:8379' } };
  const bearing = (token: string) => ({
    ...far,
    headers: { ...far.headers, authorization: `Bearer ${token}` },
  });
  const near = (headers: Record<string, string>) => ({
    remoteAddress: '::ffff:127.0.0.1',
    headers,
  });
  const codeOf = (...args: Parameters<typeof mayChange>) => {
    const verdict = mayChange(...args);
    return verdict.ok ? 200 : verdict.status;
  };
  equal(codeOf(near({ host: '127.0.0.1:8379' }), null), 200);
  equal(codeOf({ remoteAddress: '::1', headers: { host: '[::1]:8379' } }, null), 200);
  equal(codeOf(near({ host: 'rebound.example:8379' }), TOKEN), 401);
  equal(codeOf(near({ host: '127.0.0.1', 'x-forwarded-for': '10.0.0.9' }), TOKEN), 401);
  equal(codeOf(far, TOKEN), 401);
  equal(codeOf(bearing('wrong'), TOKEN), 401);
  equal(codeOf(bearing(TOKEN), TOKEN), 200);
  equal(codeOf(far, null), 403);
  equal(codeOf(bearing(TOKEN), null), 403);
});

test('/metrics has our names and those of redis_exporter', async (t) => {
  const { url, view } = await open(t);
  view.info = [
    '# Server',
    'redis_version:7.0.15',
    'uptime_in_seconds:12',
    'used_memory:1234',
    'maxmemory:0',
    'total_commands_processed:99',
    'keyspace_hits:3',
    'role:master',
    'db0:keys=5,expires=2,avg_ttl=0',
    'cmdstat_get:calls=3,usec=2000000,usec_per_call=0.67',
    '',
  ].join('\r\n');
  view.extraSamples = [
    { name: 'relay_bytes_total', help: 'Bytes.', type: 'counter', value: 9, labels: { to: 'a' } },
  ];
  const response = await fetch(`${url}/metrics`);
  match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = new Set((await response.text()).split('\n'));
  for (const line of [
    'althing_info{name="shop",version="0.1.0",' +
      'deployment="d1f0c2",node="a",server_version="7.0.15"} 1',
    'althing_role{state="leader"} 1',
    'althing_role{state="follower"} 0',
    'althing_term 7',
    'althing_offset_bytes{stage="committed"} 4900',
    'althing_member_lag_bytes{node="b"} 120',
    '# TYPE althing_relay_bytes_total counter',
    'althing_relay_bytes_total{to="a"} 9',
    'redis_up 1',
    'redis_uptime_in_seconds 12',
    'redis_memory_used_bytes 1234',
    'redis_memory_max_bytes 0',
    '# TYPE redis_commands_processed_total counter',
    'redis_commands_processed_total 99',
    'redis_keyspace_hits_total 3',
    'redis_db_keys{db="db0"} 5',
    'redis_db_keys_expiring{db="db0"} 2',
    'redis_commands_total{cmd="get"} 3',
    'redis_commands_duration_seconds_total{cmd="get"} 2',
  ])
    ok(lines.has(line), line);
  view.info = null;
  match(await (await fetch(`${url}/metrics`)).text(), /^redis_up 0$/m);
});

test('random bytes get an end of the connection, and the door goes on serving', async (t) => {
  const { door, statusOf } = await open(t);
  const nonsense = [randomBytes(4096), '*1\r\n$4\r\nPING\r\n', `GET /${'x'.repeat(20_000)}\r\n`];
  for (const bytes of nonsense) {
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
  }
  equal(await statusOf('/status'), 200);
});

test('a busy port is an error that names it', async (t) => {
  const { door, options } = await open(t);
  const second = new HttpDoor({ ...options, port: door.port });
  await rejects(second.start(), (error: Error) => {
    equal((error as Error & { code?: string }).code, 'PORT_BUSY');
    match(error.message, new RegExp(`127\\.0\\.0\\.1:${door.port} is taken`));
    return true;
  });
  await second.stop();
});

test('stop closes open connections at once, and may be called twice', async (t) => {
  const { door } = await open(t);
  const socket = connect(door.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  await door.stop();
  await closed;
  await door.stop();
});
