import { equal, match } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Endpoint } from '../doors/topology.ts';
import { PrimaryPort } from './primary-port.ts';

async function said(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  const [text] = (await once(socket, 'data')) as [Buffer];
  return text.toString();
}

/** One that answers what it is told with its name. */
async function answering(t: TestContext, name: string): Promise<Endpoint> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (word) => socket.write(`${name}:${word}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

test('PrimaryPort: connections land on the primary, and end when it is another', async (t) => {
  const [a, b] = [await answering(t, 'a'), await answering(t, 'b')];
  let primary: Endpoint | null = null;
  const free = await answering(t, 'none');
  const own = { host: '127.0.0.2', port: free.port };
  const port = new PrimaryPort({
    ...own,
    primary: () => primary,
    connectionsMax: 10,
    fatal: (error) => {
      throw error;
    },
  });
  await port.start();
  const early = connect(own);
  match(String(((await once(early, 'data')) as [Buffer])[0]), /^-CLUSTERDOWN/);
  primary = a;
  port.tick();
  const client = connect(own);
  equal(await said(client, 'x'), 'a:x');
  port.tick();
  equal(await said(client, 'y'), 'a:y', 'it stays for as long as the primary does');
  const closed = once(client, 'close');
  primary = b;
  port.tick();
  await closed;
  const next = connect(own);
  equal(await said(next, 'z'), 'b:z');
  await port.stop();
});
