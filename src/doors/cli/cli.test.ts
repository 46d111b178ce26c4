import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { httpToken } from '../access.ts';
import { EXAMPLE_STATUS, ExampleOrders, ExampleView } from '../example-view.ts';
import { HttpDoor } from '../http/server.ts';
import { clientFor } from './client.ts';
import { EXIT } from './exit-codes.ts';
import { membersCommand, readsCommand, removeCommand, scaleCommand } from './members.ts';
import { settingsCommand } from './settings.ts';
import { specCommand } from './spec.ts';
import { statusCommand } from './status.ts';
import { statusScreen } from './status-screen.ts';
import { switchoverCommand } from './switchover.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

class RecordedTerminal implements Terminal {
  readonly colour = false;
  readonly isScreen = false;
  outText = '';
  errText = '';
  out = (text: string): void => {
    this.outText += text;
  };
  err = (text: string): void => {
    this.errText += text;
  };
}

async function open(t: TestContext) {
  const view = new ExampleView();
  const orders = new ExampleOrders();
  const journal = { info() {}, warn() {} };
  const place = { host: '127.0.0.1', port: 0, token: null, journal };
  const door = new HttpDoor({ view, orders, ...place });
  await door.start();
  t.after(() => door.stop());
  return { view, orders, url: `127.0.0.1:${door.port}`, terminal: new RecordedTerminal() };
}

const PROBLEM = { code: 'NODE_DOWN', text: 'c is not reachable', todo: 'start it again' };

test('status shows who leads, each member with its lag, and what to do', async (t) => {
  const { view, url, terminal } = await open(t);
  view.current = { ...EXAMPLE_STATUS, problems: [PROBLEM] };
  equal(await statusCommand({ url }, terminal), EXIT.failed);
  match(terminal.outText, /^shop {2}a leads, term 7/);
  match(terminal.outText, /^NODE +ROLE +ADDRESS +LAG$/m);
  match(terminal.outText, /^a \* +leader +127\.0\.0\.1:6379 +0 B$/m);
  match(terminal.outText, /^b +follower +127\.0\.0\.1:6380 +120 B$/m);
  match(terminal.outText, /^c +unreachable +127\.0\.0\.1:6381 +unknown$/m);
  match(terminal.outText, /^NODE_DOWN {2}c is not reachable\n {2}start it again$/m);
  equal(terminal.errText, '');
});

test('status: exit code 0 when healthy, 1 without a leader', async (t) => {
  const { view, url, terminal } = await open(t);
  equal(await statusCommand({ url }, terminal), EXIT.done);
  match(terminal.outText, /No problems\.\n$/);
  view.current = { ...EXAMPLE_STATUS, leader: null, role: 'candidate' };
  equal(await statusCommand({ url }, terminal), EXIT.failed);
});

test('status --json prints exactly what the door answers', async (t) => {
  const { url, terminal } = await open(t);
  equal(await statusCommand({ url, json: true }, terminal), EXIT.done);
  deepEqual(JSON.parse(terminal.outText), EXAMPLE_STATUS);
});

test('status --limits prints every limit with its reason', async (t) => {
  const { url, terminal } = await open(t);
  equal(await statusCommand({ url, limits: true }, terminal), EXIT.done);
  match(terminal.outText, /^peersMax +64 +every node holds/m);
});

test('status --watch goes on until it is told to stop', async (t) => {
  const { url, terminal } = await open(t);
  const stop = new AbortController();
  const out = (text: string) => {
    terminal.outText += text;
    stop.abort();
  };
  equal(await statusCommand({ url, watch: true }, { ...terminal, out }, stop.signal), EXIT.done);
});

test('no agent, or another program, at the URL is exit code 3; no URL at all is 2', async () => {
  const terminal = new RecordedTerminal();
  const stranger = createServer((_, response) => response.end('{"hello":1}'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const { port } = stranger.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  equal(await statusCommand({ url }, terminal), EXIT.unreachable);
  match(terminal.errText, /is not an agent/);
  stranger.closeAllConnections();
  await new Promise((resolve) => stranger.close(resolve));
  equal(await statusCommand({ url }, terminal), EXIT.unreachable);
  equal(await switchoverCommand({ url }, terminal), EXIT.unreachable);
  match(terminal.errText, /no agent answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  equal(await statusCommand({ url: 'ftp://x' }, terminal), EXIT.usage);
  equal(await statusCommand({ url, secretFile: '/nowhere' }, terminal), EXIT.usage);
});

test('switchover says who led, orders, and waits until the new leader serves', async (t) => {
  const { view, orders, url, terminal } = await open(t);
  orders.answer = () => {
    view.current = { ...EXAMPLE_STATUS, leader: null };
    view.ready = false;
    setTimeout(() => {
      view.current = { ...EXAMPLE_STATUS, leader: 'b' };
    }, 50);
    setTimeout(() => {
      view.ready = true;
    }, 150);
    return Promise.resolve({ ok: true, text: 'a hands over to b' });
  };
  equal(await switchoverCommand({ url, to: 'b' }, terminal), EXIT.done);
  deepEqual(orders.asked, ['b']);
  equal(terminal.outText, 'a leads shop\na hands over to b\nb leads now\n');
  ok(view.ready);
});

test('switchover: a refusal, and a leader that never serves, are exit code 1', async (t) => {
  const { orders, url, terminal } = await open(t);
  equal(await switchoverCommand({ url, openMsMax: 150 }, terminal), EXIT.failed);
  match(terminal.errText, /does not serve yet/);
  orders.answer = { ok: false, code: 'NOT_LEVEL', text: 'c is 4 MB behind' };
  equal(await switchoverCommand({ url, to: 'c' }, terminal), EXIT.failed);
  match(terminal.errText, /^c is 4 MB behind$/m);
});

test('members shows every node, and the decisions with what became of them', async (t) => {
  const { url, view, terminal } = await open(t);
  equal(await membersCommand({ url }, terminal), EXIT.done);
  match(terminal.outText, /^NODE +ROLE +CONTROL +ZONE +PEERS AT +SERVER +ID +LEAVES$/m);
  match(terminal.outText, /^a +leader +voter +east +10\.0\.0\.0:7379 +7\.0\.15 +a@00000000 +-$/m);
  match(terminal.outText, /^b +spare +voter +- .* somebody asked for it$/m);
  match(terminal.outText, /^ +9 {2}2026-01-02 03:04:05 {2}b leaves: .* \[under way\]$/m);
  const json = new RecordedTerminal();
  equal(await membersCommand({ url, json: true }, json), EXIT.done);
  deepEqual(JSON.parse(json.outText), view.assembly());
});

test('remove and scale order, and tell what came of it', async (t) => {
  const { url, orders, terminal } = await open(t);
  orders.answer = { ok: true, text: 'b leaves' };
  equal(await removeCommand('b', { url }, terminal), EXIT.done);
  equal(await scaleCommand({ url, replicas: '4' }, terminal), EXIT.done);
  match(terminal.outText, /^b leaves\nit is carried out step by step/);
  equal(await scaleCommand({ url, replicas: 'four' }, terminal), EXIT.usage);
  equal(await readsCommand('local', { url }, terminal), EXIT.done);
  equal(await readsCommand('fast', { url }, terminal), EXIT.usage);
  orders.answer = { ok: false, code: 'LAST_NODE', text: 'b is the last node' };
  equal(await removeCommand('b', { url }, terminal), EXIT.failed);
  match(terminal.errText, /^b is the last node$/m);
  deepEqual(orders.asked, [
    'remove b',
    '{"replicas":4} null',
    '{"reads":"local"} null',
    'remove b',
  ]);
});

test('settings are shown with what waits for a restart, set and taken out', async (t) => {
  const { view, orders, url, terminal } = await open(t);
  equal(await settingsCommand([], { url }, terminal), EXIT.done);
  match(terminal.outText, /^SETTING +VALUE +PENDING$/m);
  match(terminal.outText, /^hz +20 +-$/m);
  match(terminal.outText, /^io-threads +4 +the server must start again for it$/m);
  const screen = statusScreen(view.current, { colour: false });
  match(screen, /^pending {4}io-threads: the server must start again for it$/m);
  match(screen, /, 2 settings of the server \(version 2\)$/m);
  const words = ['maxmemory=1gb', 'notify-keyspace-events=', 'x=a=b'];
  equal(await settingsCommand(words, { url, unset: ['hz'] }, terminal), EXIT.done);
  const server = { maxmemory: '1gb', 'notify-keyspace-events': '', x: 'a=b', hz: null };
  deepEqual(orders.asked, [`${JSON.stringify({ server })} null`]);
  for (const bad of ['maxmemory', '=1'])
    equal(await settingsCommand([bad], { url }, terminal), EXIT.usage, bad);
  orders.answer = { ok: false, code: 'SETTING_REFUSED', text: 'server.port is set by the agent' };
  equal(await settingsCommand(['port=1'], { url }, terminal), EXIT.failed);
  match(terminal.errText, /server\.port is set by the agent/);
  view.current = { ...EXAMPLE_STATUS, settings: [] };
  const none = new RecordedTerminal();
  equal(await settingsCommand([], { url, json: true }, none), EXIT.done);
  equal(none.outText, '[]\n');
});

test('the spec is shown with what changes it, and changed in the words of its settings', async (t) => {
  const { view, orders, url, terminal } = await open(t);
  equal(await specCommand({ url }, terminal), EXIT.done);
  match(terminal.outText, /^replicas +2 +althing scale --replicas N$/m);
  ok(!terminal.outText.includes('lost'), 'a strong deployment has no word on it');
  const { spec } = EXAMPLE_STATUS;
  ok(spec);
  const eventual = { ...spec, maxLostBytes: null, minReplicasToWrite: 1 };
  view.current = { ...EXAMPLE_STATUS, spec: eventual };
  equal(await specCommand({ url }, terminal), EXIT.done);
  match(terminal.outText, /^bytes that may be lost +any +althing spec --max-lost-bytes BYTES$/m);
  match(terminal.outText, /^replicas that writes need +1 +althing spec --min-repl.* N$/m);
  const lost = { url, maxLostBytes: '1mb', minReplicasToWrite: '2', forgetAfter: '1h' };
  equal(await specCommand(lost, terminal), EXIT.done);
  equal(await specCommand({ url, maxLostBytes: 'any' }, terminal), EXIT.done);
  const all = { forgetAfterMs: 3_600_000, maxLostBytes: 1_048_576, minReplicasToWrite: 2 };
  deepEqual(
    orders.asked.map((asked) => JSON.parse((asked ?? '').replace(/ null$/, '')) as unknown),
    [all, { maxLostBytes: null }],
  );
  for (const bad of [{ maxLostBytes: 'much' }, { minReplicasToWrite: '-1' }, { forgetAfter: 'x' }])
    equal(await specCommand({ url, ...bad }, terminal), EXIT.usage);
  view.current = { ...EXAMPLE_STATUS, spec: null };
  equal(await specCommand({ url, json: true }, terminal), EXIT.failed);
  match(terminal.errText, /^nothing is agreed on yet$/m);
});

test('the token made of the secret goes out with orders, and with nothing else', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'althing-cli-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const secretFile = join(dir, 'secret');
  writeFileSync(secretFile, 'some secret of the deployment\n');
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end(JSON.stringify({ ...EXAMPLE_STATUS, text: 'done' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const made = clientFor({ url: `127.0.0.1:${port}`, secretFile });
  ok(made.ok);
  await made.client.status();
  await made.client.switchover(null);
  const token = httpToken(Buffer.from('some secret of the deployment'));
  deepEqual(seen, [undefined, `Bearer ${token}`]);
});

test('a screen is plain when piped, and never carries control bytes of others', () => {
  const evil = { ...PROBLEM, text: 'c\x1b[2J is gone' };
  const status = { ...EXAMPLE_STATUS, problems: [evil] };
  ok(!statusScreen(status, { colour: false }).includes('\x1b'));
  const coloured = statusScreen(status, { colour: true });
  ok(coloured.includes('\x1b[') && !coloured.includes('\x1b[2J'));
});

test('table aligns its columns, numbers to the right, nothing behind the last', () => {
  const columns = [{ title: 'A' }, { title: 'N', align: 'right' }, { title: 'B' }] as const;
  const rows = [
    ['long', '7', 'x'].map((text) => ({ text })),
    ['s', '1234', 'yy'].map((text) => ({ text })),
  ];
  deepEqual(table(columns, rows), ['A         N   B', 'long      7   x', 's      1234   yy']);
});
