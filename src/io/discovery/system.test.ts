import { equal, match, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { textOf } from './body.ts';
import type { WebRequest } from './ports.ts';
import { systemPorts } from './system.ts';

const ports = systemPorts();

function request(url: string, more: Partial<WebRequest> = {}): WebRequest {
  const { signal } = new AbortController();
  return { url, headers: {}, ca: null, msMax: 5_000, signal, ...more };
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const is = (code: string, message: RegExp) => (error: Error & { code?: string }) => {
  equal(error.name, 'DiscoveryError');
  equal(error.code, code);
  match(error.message, message);
  return true;
};

test('get: headers there, status and body back; a redirect is an answer like others', async (t) => {
  const url = await serve(t, ({ headers }, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(headers.accept);
  });
  const { status, body } = await ports.web.get(request(url, { headers: { accept: 'a/b' } }));
  equal(status, 302);
  equal(await textOf(body, 100), 'a/b');
});

test('get: who does not listen, does not answer, stops in the middle, is told apart', async (t) => {
  const silent = await serve(t, () => undefined);
  await rejects(
    ports.web.get(request(silent, { msMax: 50 })),
    is('NO_ANSWER', /^no answer within 0\.05 s$/),
  );
  const slow = await serve(t, (_, response) => void response.write('begun'));
  const { body } = await ports.web.get(request(slow, { msMax: 100 }));
  await rejects(textOf(body, 100), is('NO_ANSWER', /^no answer within 0\.1 s$/));
  const broken = await serve(t, (_, response) => {
    response.write('begun', () => response.destroy());
  });
  const half = await ports.web.get(request(broken));
  await rejects(textOf(half.body, 100), is('NO_ANSWER', /the connection broke \(ECONNRESET\)/));
  await rejects(
    ports.web.get(request('http://127.0.0.1:1/')),
    is('NO_ANSWER', /^127\.0\.0\.1:1: nobody listens there \(ECONNREFUSED\)$/),
  );
});

test('get: an abort ends the exchange at once, before and within the answer', async (t) => {
  const ending = new AbortController();
  const url = await serve(t, (_, response) => void response.write('begun'));
  const { body } = await ports.web.get(request(url, { signal: ending.signal }));
  const reading = rejects(textOf(body, 100), { name: 'DiscoveryError' });
  ending.abort();
  await reading;
  await rejects(ports.web.get(request(url, { signal: ending.signal })), { name: 'DiscoveryError' });
});

test('get: a certificate that is none is an error of the world', async () => {
  const ca = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
  const { web } = ports;
  await rejects(web.get(request('https://127.0.0.1:1/', { ca })), { name: 'DiscoveryError' });
});

test('files: what cannot be read, or is too large, is told with its path', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'files-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'token');
  const reading = () => ports.files.read(path);
  await rejects(reading(), is('NOT_HERE', /token: there is no such file \(ENOENT\)$/));
  writeFileSync(path, 'text');
  equal(await reading(), 'text');
  writeFileSync(path, Buffer.alloc(1024 * 1024 + 1));
  await rejects(reading(), is('NOT_UNDERSTOOD', /token is larger than 1048576 bytes/));
  await rejects(ports.files.read(dir), is('NOT_HERE', /EISDIR/));
});

test('names: an address and localhost need no name server', async () => {
  equal((await ports.names.addresses('127.0.0.1')).join(), '127.0.0.1');
  match((await ports.names.addresses('localhost')).join(), /127\.0\.0\.1|::1/);
});

test('clock: a sleep ends early, and normally, when it is called off', async () => {
  const ending = new AbortController();
  const begunMs = ports.clock.nowMs();
  const sleeping = ports.clock.sleep(60_000, ending.signal);
  ending.abort();
  await sleeping;
  await ports.clock.sleep(60_000, ending.signal);
  equal(ports.clock.nowMs() - begunMs < 10_000, true);
});
