import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { grpcMessage } from './frames.ts';
import { callOnce, GrpcConnection } from './grpc-connection.ts';

/** Node's own HTTP/2 checks every frame that it is sent. */
async function serve(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, path: string, body: Buffer) => void,
  initialWindowSize = 65_535,
): Promise<number> {
  const server: Http2Server = createServer({ settings: { initialWindowSize } });
  server.on('stream', (stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('error', () => {});
    stream.on('end', () => answer(stream, headers[':path'] ?? '', Buffer.concat(pieces)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function succeed(stream: ServerHttp2Stream, message: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(grpcMessage(message));
}

const echo = (stream: ServerHttp2Stream, _path: string, body: Buffer): void =>
  succeed(stream, body.subarray(5));

test('a message larger than the windows goes through, there and back', async (t) => {
  const port = await serve(t, echo, 10_000);
  const message = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  assert.deepEqual(await callOnce(port, '/a', message, 5_000), message);
});

test('calls of one batch are answered each with its own, in whatever order', async (t) => {
  const waiting: (() => void)[] = [];
  const port = await serve(t, (stream, path, body) => {
    waiting.push(() => echo(stream, path, body));
    if (waiting.length === 20) for (const tell of waiting.reverse()) tell();
  });
  const connection = new GrpcConnection(port, (error) => assert.fail(error));
  t.after(() => connection.close());
  const answers = await new Promise<Map<number, string>>((resolve) => {
    const found = new Map<number, string>();
    connection.cork();
    for (let i = 0; i < 20; i++)
      connection.call('/a', Buffer.from(`message ${i}`), true, (answer, bytes) => {
        assert.equal(bytes, answer?.length);
        found.set(i, answer?.toString() ?? 'failed');
        if (found.size === 20) resolve(found);
      });
    connection.uncork();
  });
  for (const [i, answer] of answers) assert.equal(answer, `message ${i}`);
});

test('many large messages in one connection do not run out of window', async (t) => {
  const port = await serve(t, echo);
  const connection = new GrpcConnection(port, (error) => assert.fail(error), 65_535);
  t.after(() => connection.close());
  const message = Buffer.alloc(60_000, 'x');
  const send = (): Promise<number> =>
    new Promise((resolve) => {
      connection.call('/a', message, false, (_answer, bytes) => resolve(bytes));
    });
  for (let i = 0; i < 20; i++) assert.equal(await send(), message.length);
});

test('a call that is refused or reset is told from one with an empty answer', async (t) => {
  const port = await serve(t, (stream, path) => {
    if (path === '/refused') {
      stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true });
    } else if (path === '/reset') stream.close(8);
    else succeed(stream, Buffer.alloc(0));
  });
  await assert.rejects(callOnce(port, '/refused', Buffer.alloc(0), 5_000), /refused/);
  await assert.rejects(callOnce(port, '/reset', Buffer.alloc(0), 5_000), /refused/);
  assert.equal((await callOnce(port, '/empty', Buffer.alloc(0), 5_000)).length, 0);
});

test('a server that goes away fails the connection, not the process', async (t) => {
  const port = await serve(t, (stream) => stream.session?.destroy());
  await assert.rejects(callOnce(port, '/a', Buffer.alloc(0), 5_000), /closed|ECONNRESET|ends/);
});
