import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { RespWire } from './resp-wire.ts';
import { keyOf, patchDigits } from './wire.ts';

test('keys are those of redis-benchmark', () => {
  assert.equal(keyOf(1_234).toString(), 'key:000000001234');
  const bytes = Buffer.from('key:000000099999..');
  patchDigits(bytes, 16, 807);
  assert.equal(bytes.toString(), 'key:000000000807..');
});

test('a batch is one run of commands, and answers come with their places', async (t) => {
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write('+OK\r\n$2\r\nxx\r\n$-1\r\n');
    });
  });
  let received = '';
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const answers: string[] = [];
  let done = Promise.withResolvers<void>();
  const wire = new RespWire(
    { port: (server.address() as AddressInfo).port, pipeline: 4, valueBytes: 2 },
    {
      answered: (place, kind) => {
        answers.push(`${place} ${kind}`);
        if (place === 2) done.resolve();
      },
      failed: (error) => done.reject(error),
    },
  );
  await wire.open();
  const batch = { keys: Uint32Array.of(7, 8, 9, 0), isRead: Uint8Array.of(0, 1, 1, 0), count: 3 };
  wire.send(batch);
  await done.promise;
  done = Promise.withResolvers<void>();
  wire.send(batch);
  await done.promise;
  wire.close();
  const each = ['0 ok', '1 ok', '2 missing'];
  assert.deepEqual(answers, [...each, ...each]);
  const get = (key: string): string => `*2\r\n$3\r\nGET\r\n$16\r\nkey:${key}\r\n`;
  const set = '*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$2\r\nxx\r\n';
  const sent = set + get('000000000008') + get('000000000009');
  assert.equal(received, sent + sent);
});
