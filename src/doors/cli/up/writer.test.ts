import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { parseReply, RespError } from './resp-client.ts';
import { verdict } from './trials.ts';
import { Writer } from './writer.ts';

/** A server of one hash that may forget what it acknowledged, or close instead of answering. */
class FakeServer {
  readonly fields = new Map<string, string>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  closesEvery = 0;
  #calls = 0;

  constructor(t: TestContext) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (bytes) => this.#answer(socket, bytes.toString()));
    });
    t.after(() => {
      for (const socket of this.#sockets) socket.destroy();
      this.#server.close();
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  #answer(socket: Socket, text: string): void {
    this.#calls += 1;
    const words = text.split('\r\n').filter((_, i) => i % 2 === 0 && i > 0);
    const [command, , ...rest] = words;
    if (command === 'HSET') {
      this.fields.set(rest[0] ?? '', rest[1] ?? '');
      if (this.closesEvery > 0 && this.#calls % this.closesEvery === 0) socket.destroy();
      else socket.write(':1\r\n');
    } else if (command === 'HMGET') {
      const values = rest.filter((word) => word !== '').map((field) => this.fields.get(field));
      const bulks = values.map((v) => (v === undefined ? '$-1\r\n' : `$${v.length}\r\n${v}\r\n`));
      socket.write(`*${bulks.length}\r\n${bulks.join('')}`);
    } else socket.write('+OK\r\n');
  }
}

async function write(writer: Writer, atLeast: number): Promise<void> {
  writer.start();
  while (writer.tally().acknowledged < atLeast) await new Promise((r) => setTimeout(r, 5));
}

test('what was acknowledged and is there is not lost, over broken connections', async (t) => {
  const server = new FakeServer(t);
  server.closesEvery = 7;
  const port = await server.listen();
  const writer = new Writer([port, port], null, 'run');
  await write(writer, 40);
  const tally = await writer.stop();
  assert.equal(tally.lost, 0);
  assert.ok(tally.acknowledged >= 40);
  assert.match(verdict(tally), /acknowledged, 0 lost/);
});

test('an acknowledged value that is gone is counted as lost', async (t) => {
  const server = new FakeServer(t);
  const writer = new Writer([await server.listen()], null, 'run');
  await write(writer, 20);
  server.fields.delete('3');
  server.fields.set('4', 'another value');
  assert.equal((await writer.stop()).lost, 2);
});

test('the gap grows while nothing is acknowledged', async (t) => {
  const server = new FakeServer(t);
  const writer = new Writer([await server.listen()], null, 'run');
  await write(writer, 5);
  server.closesEvery = 1;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(writer.tally().longestGapMs >= 150);
  writer.abandon();
});

test('a reply cut anywhere is waited for, and read whole', () => {
  const whole = Buffer.from('*5\r\n$5\r\nhello\r\n$-1\r\n:7\r\n+OK\r\n-ERR no\r\n');
  for (let cut = 0; cut < whole.length; cut++)
    assert.equal(parseReply(whole.subarray(0, cut), 0), null);
  const parsed = parseReply(whole, 0);
  assert.equal(parsed?.next, whole.length);
  assert.deepEqual(parsed?.reply, ['hello', null, 7, 'OK', new RespError('ERR no')]);
});
