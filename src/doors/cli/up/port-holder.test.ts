import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { findBusyPort, holderOf, isPortFree, listeningInodes } from './port-holder.ts';

test('a taken port is named with its use and its holder, and a free one is not', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  assert.equal(holderOf(port)?.pid, process.pid);
  const addresses = [
    {
      ...{ node: 'node1', clients: port, peers: port, http: port },
      ...{ local: null, sentinel: null, bus: null },
    },
  ];
  const sentence = (await findBusyPort(addresses, '/nowhere')) ?? '';
  assert.match(sentence, new RegExp(`^port ${port} \\(clients of node1\\) is taken by .*node`));
  assert.match(sentence, new RegExp(`pid ${process.pid}`));
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await isPortFree(port), true);
  assert.equal(await findBusyPort(addresses, '/nowhere'), null);
});

test('only listening sockets of exactly this port count', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  inode',
    '   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 111 1',
    '   1: 0100007F:18EB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  0  0 222 1',
    '   2: 0100007F:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 333 1',
  ].join('\n');
  assert.deepEqual(listeningInodes(table, 6379), ['111']);
});
