import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ReadBuffer } from './read-buffer.ts';

/** A dialled socket and both forms of the accepted one. */
async function pair(t: TestContext) {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const reads = new ReadBuffer();
  const clients: Promise<{ accepted: Socket; client: Socket }> = new Promise((resolve) => {
    server.once('connection', (accepted: Socket) =>
      resolve({ accepted, client: reads.adopt(accepted) }),
    );
  });
  const dialled = connect(port, '127.0.0.1');
  const { accepted, client } = await clients;
  t.after(() => {
    dialled.destroy();
    client.destroy();
    server.close();
  });
  return { dialled, accepted, client };
}

function heard(client: Socket): { chunks: Buffer[]; more: () => Promise<unknown> } {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { chunks, more: () => once(client, 'data') };
}

test('this version of Node lets the sockets of a listener share a buffer', async (t) => {
  const { accepted, client } = await pair(t);
  notEqual(client, accepted);
});

test('what was read stays what it was when more is read', async (t) => {
  const { dialled, client } = await pair(t);
  const { chunks, more } = heard(client);
  for (const word of ['first', 'other', 'third']) {
    const next = more();
    dialled.write(word);
    await next;
  }
  deepEqual(chunks.map(String), ['first', 'other', 'third']);
});

test('a paused client is not read, and goes on where it was', async (t) => {
  const { dialled, client } = await pair(t);
  const { chunks } = heard(client);
  client.pause();
  const total = 8 * 1024 * 1024;
  dialled.end(Buffer.alloc(total, 'x'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  equal(chunks.length, 0);
  client.resume();
  await once(client, 'end');
  equal(
    chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    total,
  );
});

test('a client that has sent its last command still gets the replies', async (t) => {
  const { dialled, client } = await pair(t);
  heard(client);
  dialled.end('last');
  await once(client, 'end');
  client.end('reply');
  const [reply] = (await once(dialled, 'data')) as [Buffer];
  equal(String(reply), 'reply');
});

test('a client that breaks off closes the socket', async (t) => {
  const { dialled, client } = await pair(t);
  heard(client);
  client.on('error', () => undefined);
  const closed = new Promise((resolve) => client.once('close', resolve));
  dialled.resetAndDestroy();
  await closed;
});

test('who asks for views gets the bytes where they lie, and nothing twice', async (t) => {
  const { dialled, client } = await pair(t);
  const views: Buffer[] = [];
  const { chunks } = heard(client);
  client.on('view', (view: Buffer) => views.push(view));
  for (const word of ['first', 'other']) {
    const next = once(client, 'view');
    dialled.write(word);
    equal(String((await next)[0]), word);
  }
  deepEqual(chunks, []);
  equal(views[0]?.buffer, views[1]?.buffer);
});

test('what came before anybody reads waits, and comes before what is read later', async (t) => {
  const { dialled, client } = await pair(t);
  client.on('readable', () => undefined);
  dialled.write('early ');
  await once(client, 'readable');
  const first = client.read() as Buffer;
  client.unshift(first.subarray(2));
  client.removeAllListeners('readable');
  const { chunks } = heard(client);
  client.on('view', (view: Buffer) => chunks.push(Buffer.from(view)));
  client.resume();
  dialled.end('late');
  await once(client, 'end');
  equal(String(first.subarray(0, 2)) + chunks.map(String).join(''), 'early late');
});

test('a dialled socket shares the buffer too', async (t) => {
  const server = createServer((socket) => socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const socket = new ReadBuffer().dial({ port, host: '127.0.0.1' });
  const { chunks } = heard(socket);
  await once(socket, 'close');
  deepEqual(chunks.map(String), ['hello']);
});
