import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../core/raft/protocol.ts';
import { groupId, logIndex, type NodeId, term } from '../../core/scalars.ts';
import { type Hello, helloNodeId, PROTOCOL, type Refusal } from './hello.ts';
import { Mesh, type MeshOptions, type Refused } from './mesh.ts';

const GROUP = groupId('data0');
const SECRET = Buffer.from('a secret of more than enough bits');
/** Generous: the machine may be busy. */
const WAIT_MS_MAX = 15_000;

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (!isSo()) {
    ok(performance.now() < deadline, `waited in vain: ${what}`);
    await sleep(5);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

interface Peer {
  readonly mesh: Mesh;
  readonly id: NodeId;
  hello: Hello;
  readonly got: { from: NodeId; message: Message }[];
  readonly notes: { from: NodeId; topic: string; body: unknown }[];
  readonly up: Map<NodeId, Hello>;
  readonly downs: NodeId[];
  readonly updates: Hello[];
  readonly relays: { stream: Duplex; hello: Hello }[];
  readonly refused: Refused[];
  /** Names of those that dialled it, `-` before those whose connection is over. */
  readonly calls: string[];
}

function helloFor(index: number, port: number, change: Partial<Hello> = {}): Hello {
  return {
    name: 'orders',
    deployment: '',
    node: `n${index}`,
    directory: index.toString(16).padStart(16, '0'),
    incarnation: 1,
    run: randomBytes(8).toString('hex'),
    phase: 'empty',
    charter: null,
    clientAddress: '',
    httpAddress: '',
    peerAddress: `127.0.0.1:${port}`,
    serverVersion: '7.0.15',
    ...change,
  };
}

async function startPeer(
  t: TestContext,
  index: number,
  ports: readonly number[],
  change: { hello?: Partial<Hello>; options?: Partial<MeshOptions> } = {},
): Promise<Peer> {
  const port = ports[index] ?? 0;
  const hello = helloFor(index, port, change.hello);
  const up = new Map<NodeId, Hello>();
  const peer: Omit<Peer, 'mesh'> = {
    id: helloNodeId(hello),
    hello,
    got: [],
    notes: [],
    up,
    downs: [],
    updates: [],
    relays: [],
    refused: [],
    calls: [],
  };
  const mesh = new Mesh({
    hello: () => peer.hello,
    listen: { host: '127.0.0.1', port },
    secret: null,
    admit: (_hello, done) => done(null),
    onMessage: (group, from, message) => {
      equal(group, GROUP);
      peer.got.push({ from, message });
    },
    onTransfer: () => undefined,
    onNote: (from, topic, body) => peer.notes.push({ from, topic, body }),
    onPeerUp: (theirs) => up.set(helloNodeId(theirs), theirs),
    onPeerDown: (id) => {
      up.delete(id);
      peer.downs.push(id);
    },
    onPeerUpdate: (theirs) => peer.updates.push(theirs),
    onRelay: (stream, theirs) => peer.relays.push({ stream, hello: theirs }),
    onRefused: (refused) => peer.refused.push(refused),
    onCall: ({ node }, isOver) => peer.calls.push(`${isOver ? '-' : ''}${node}`),
    log: () => undefined,
    ...change.options,
  });
  t.after(() => mesh.stop());
  await mesh.start();
  mesh.dial(ports.map(addressOf));
  return Object.assign(peer, { mesh });
}

function addressOf(port: number): string {
  return `127.0.0.1:${port}`;
}

const both = (...peers: readonly Peer[]) =>
  until('all peers are up', () => peers.every((peer) => peer.up.size === peers.length - 1));

function append(round: number, payload?: Uint8Array): Message {
  const after = { index: logIndex(round), term: term(1) };
  const entries =
    payload === undefined ? [] : [{ index: logIndex(round + 1), term: term(1), payload }];
  return { kind: 'append', term: term(1), after, entries, commit: logIndex(0), round };
}

const roundOf = (message: Message | undefined) => (message?.kind === 'append' ? message.round : -1);
const bytesOf = (message: Message | undefined) =>
  message?.kind === 'append' ? (message.entries[0]?.payload.length ?? 0) : 0;

for (const secret of [null, SECRET]) {
  const how = secret === null ? 'in the clear' : 'encrypted';
  const options = { secret };

  test(`Mesh, ${how}: three nodes find one another, and messages arrive in order`, async (t) => {
    const ports = await freePorts(3);
    const [a, b, c] = await Promise.all([0, 1, 2].map((i) => startPeer(t, i, ports, { options })));
    ok(a && b && c);
    await both(a, b, c);
    await until('the own address is known', () => a.mesh.peers()[0]?.state === 'self');
    for (let round = 1; round <= 500; round++) {
      a.mesh.send(GROUP, b.id, append(round, Buffer.alloc(round % 7 === 0 ? 2000 : 20)));
      c.mesh.send(GROUP, b.id, append(round));
    }
    await until('all arrived', () => b.got.length === 1000);
    for (const from of [a.id, c.id]) {
      const rounds: number[] = b.got
        .filter((it) => it.from === from)
        .map((it) => roundOf(it.message));
      deepEqual(
        rounds,
        Array.from({ length: 500 }, (_, i) => i + 1),
      );
    }
    b.mesh.note(a.id, 'greeting', { text: 'hello' });
    await until('the note arrived', () => a.notes.length === 1);
    deepEqual(a.notes, [{ from: b.id, topic: 'greeting', body: { text: 'hello' } }]);
    deepEqual([...a.refused, ...b.refused, ...c.refused], []);
  });

  test(`Mesh, ${how}: a heartbeat does not wait behind 64 MiB`, async (t) => {
    const ports = await freePorts(2);
    const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
    ok(a && b);
    await both(a, b);
    const payload = randomBytes(64 * 1024 * 1024);
    a.mesh.send(GROUP, b.id, append(1, payload));
    await new Promise(setImmediate);
    ok((a.mesh.peers()[1]?.queuedBytes ?? 0) > payload.length / 2, 'it is under way');
    const beganMs = performance.now();
    a.mesh.send(GROUP, b.id, append(2));
    await until('the heartbeat arrived', () => b.got.length > 0);
    t.diagnostic(`heartbeat after ${Math.round(performance.now() - beganMs)} ms`);
    await until('both arrived', () => b.got.length === 2);
    t.diagnostic(`64 MiB after ${Math.round(performance.now() - beganMs)} ms`);
    deepEqual(
      b.got.map((it) => roundOf(it.message)),
      [2, 1],
    );
    const [, large] = b.got;
    ok(large?.message.kind === 'append');
    ok(payload.equals(large.message.entries[0]?.payload ?? Buffer.alloc(0)));
  });

  test(`Mesh, ${how}: a relay carries bytes both ways, with back-pressure and half-close`, async (t) => {
    const ports = await freePorts(2);
    const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
    ok(a && b);
    await both(a, b);
    const near = await a.mesh.openRelay(b.id, new AbortController().signal);
    await until('the other side has it', () => b.relays.length === 1);
    const far = b.relays[0]?.stream;
    ok(far);
    equal(b.relays[0]?.hello.node, 'n0');

    const chunk = Buffer.alloc(64 * 1024, 1);
    let written = 0;
    while (near.write(chunk) || near.writableLength < 2 ** 20) {
      written += chunk.length;
      await sleep(1);
      if (near.writableNeedDrain) break;
      ok(written < 512 * 2 ** 20, 'somebody swallows what nobody reads');
    }
    const total = near.writableLength;
    ok(total > 0, 'the sender is held back while nobody reads');
    const heard = (async () => {
      let bytes = 0;
      for await (const got of far) bytes += (got as Buffer).length;
      return bytes;
    })();
    near.end(Buffer.from('last'));
    const before = await heard;
    ok(before >= written + 4);
    far.end(Buffer.from('the answer after your end'));
    let answer = '';
    for await (const got of near) answer += String(got);
    equal(answer, 'the answer after your end');
  });

  test(`Mesh, ${how}: a peer that ends is down at once, and up again when it returns`, async (t) => {
    const ports = await freePorts(2);
    const a = await startPeer(t, 0, ports, { options });
    const first = await startPeer(t, 1, ports, { options });
    await both(a, first);
    const endedMs = performance.now();
    await first.mesh.stop();
    await until('it is down', () => a.up.size === 0);
    ok(performance.now() - endedMs < 1000, 'without waiting for a time limit');
    deepEqual(a.downs, [first.id]);
    await rejects(a.mesh.openRelay(first.id, new AbortController().signal), /NO_RELAY/);
    const second = await startPeer(t, 1, ports, { options, hello: { incarnation: 2 } });
    await both(a, second);
    a.mesh.send(GROUP, second.id, append(1));
    await until('it gets messages', () => second.got.length === 1);
  });

  test(`Mesh, ${how}: announce tells every peer what is new`, async (t) => {
    const ports = await freePorts(2);
    const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
    ok(a && b);
    await both(a, b);
    a.hello = { ...a.hello, clientAddress: '127.0.0.1:6379' };
    a.mesh.announce();
    await until('the news came', () => b.updates.length > 0);
    await sleep(50);
    deepEqual(
      b.updates.map((hello) => hello.clientAddress),
      ['127.0.0.1:6379'],
    );
    equal(b.mesh.helloOf(a.id)?.clientAddress, '127.0.0.1:6379');
  });
}

const D1 = 'a1'.repeat(16);
const D2 = 'b2'.repeat(16);
const refusals: [code: string, first: Partial<Hello>, second: Partial<Hello>][] = [
  ['WRONG_NAME', { name: 'orders' }, { name: 'other' }],
  ['WRONG_DEPLOYMENT', { deployment: D1 }, { deployment: D2 }],
];
for (const [code, first, second] of refusals) {
  test(`Mesh: ${code} is told on both sides, and neither counts as up`, async (t) => {
    const ports = await freePorts(2);
    const a = await startPeer(t, 0, ports, { hello: first });
    const b = await startPeer(t, 1, ports, { hello: second });
    for (const peer of [a, b]) {
      await until(`${code} is known`, () => peer.refused.some((it) => it.code === code));
      equal(peer.up.size, 0);
      await until('each link knows why', () =>
        peer.mesh.peers().some((view) => view.refusal?.code === code),
      );
    }
  });
}

test('Mesh: a node that becomes part of another deployment is refused on live connections', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports, { hello: { deployment: D1 } });
  const b = await startPeer(t, 1, ports);
  await both(a, b);
  b.hello = { ...b.hello, deployment: D2 };
  b.mesh.announce();
  await until('both are down', () => a.up.size === 0 && b.up.size === 0);
  for (const peer of [a, b])
    await until('the code is known', () =>
      peer.refused.some((it) => it.code === 'WRONG_DEPLOYMENT'),
    );
});

test('Mesh: a wrong secret has no effect but WRONG_SECRET on both sides', async (t) => {
  const ports = await freePorts(2);
  const other = Buffer.from('another secret of as many bits!!');
  const a = await startPeer(t, 0, ports, { options: { secret: SECRET } });
  const b = await startPeer(t, 1, ports, { options: { secret: other } });
  for (const peer of [a, b]) {
    await until('it is known', () => peer.refused.some((it) => it.code === 'WRONG_SECRET'));
    deepEqual([peer.up.size, peer.got.length], [0, 0]);
  }
});

test('Mesh: a peer without a secret meets one that has one: both say so', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports, { options: { secret: SECRET } });
  const b = await startPeer(t, 1, ports);
  for (const peer of [a, b]) {
    await until('it is known', () => peer.refused.some((it) => it.code === 'WRONG_SECRET'));
    equal(peer.up.size, 0);
  }
});

test('H9: an older incarnation is refused while the newer one runs, and after it', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports);
  const newer = await startPeer(t, 1, ports, { hello: { incarnation: 7 } });
  await both(a, newer);
  await newer.mesh.stop();
  const older = await startPeer(t, 1, ports, { hello: { incarnation: 6 } });
  await until('refused here', () => a.refused.some((it) => it.code === 'OLD_INCARNATION'));
  await until('told there', () => older.refused.some((it) => it.code === 'OLD_INCARNATION'));
  deepEqual([a.up.size, older.up.size], [0, 0]);
});

test('H9: a second process on a copy of the directory is refused while the first runs', async (t) => {
  const ports = await freePorts(3);
  const [portA, portB, portC] = ports as [number, number, number];
  const a = await startPeer(t, 0, [portA, portB]);
  const b = await startPeer(t, 1, [portA, portB]);
  await both(a, b);
  const twin = await startPeer(t, 1, [portA, portC], { hello: { directory: b.hello.directory } });
  await until('told there', () => twin.refused.some((it) => it.code === 'OLD_INCARNATION'));
  ok(a.up.has(b.id));
  equal(a.downs.length, 0);
});

test('Mesh: the agent may refuse a peer, and later', async (t) => {
  const ports = await freePorts(2);
  const refusal: Refusal = { code: 'OLD_INCARNATION', text: 'the record says 9' };
  const admit: MeshOptions['admit'] = (_hello, done) => void setTimeout(() => done(refusal), 20);
  const a = await startPeer(t, 0, ports, { options: { admit } });
  const b = await startPeer(t, 1, ports);
  await until('told there', () => b.refused.some((it) => it.text === 'the record says 9'));
  await until('known here', () => a.refused.some((it) => it.by === 'us'));
  deepEqual([a.up.size, b.up.size], [0, 0]);
});

test('Mesh: who is expelled is told why, whoever dialled whom, and others are left alone', async (t) => {
  const refusal: Refusal = { code: 'REMOVED', text: 'n1 was removed while it was cut off' };
  const removed = new Set<string>();
  const admit: MeshOptions['admit'] = ({ node }, done) => done(removed.has(node) ? refusal : null);
  const ports = await freePorts(3);
  const [portA = 0, portB = 0, portC = 0] = ports;
  const a = await startPeer(t, 0, ports, { options: { admit } });
  const b = await startPeer(t, 1, [portA, portB]);
  const c = await startPeer(t, 2, [portA, portB, portC]);
  await until('all are up', () => a.up.size === 2 && b.up.size === 1 && c.up.size === 2);
  removed.add('n1');
  a.mesh.expel(b.id, refusal);
  await until('it is down here', () => a.downs.includes(b.id));
  await until('it knows why', () => b.refused.some((it) => it.text === refusal.text));
  await until('and is down there', () => b.downs.includes(a.id));
  deepEqual([a.up.has(c.id), c.downs], [true, []]);
});

test('Mesh: what cannot be sent is dropped at a bound, and the peer is dialled anew', async (t) => {
  const ports = await freePorts(2);
  const limits = { bulkBytesMax: 2 ** 20, beatMs: 50, unansweredMax: 5 };
  const a = await startPeer(t, 0, ports, { options: { limits } });
  // Says hello and then never reads again, as a stopped process does.
  const deaf: Socket[] = [];
  const hello = JSON.stringify({
    protocol: PROTOCOL,
    purpose: 'raft',
    revision: 1,
    ...helloFor(1, ports[1] ?? 0),
  });
  const server = createServer((socket) => {
    deaf.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const header = Buffer.from([0, 0, 0, 0, 1]);
      header.writeUInt32BE(Buffer.byteLength(hello), 0);
      socket.write(Buffer.concat([header, Buffer.from(hello)]));
      socket.pause();
    });
  }).listen(ports[1], '127.0.0.1');
  t.after(() => {
    for (const socket of deaf) socket.destroy();
    server.close();
  });
  await until('it is up', () => a.up.size === 1);
  const [id] = a.up.keys();
  ok(id);
  for (let i = 0; i < 300; i++) a.mesh.send(GROUP, id, append(i, Buffer.alloc(100_000)));
  const view = a.mesh.peers()[1];
  ok(view && view.queuedBytes < 4 * 2 ** 20, `${view?.queuedBytes} bytes queued`);
  ok(view.droppedFrames > 0);
  await until('it is dialled anew', () => a.downs.length > 0 && deaf.length > 1);
});

test('Mesh: random bytes and absurd lengths on the port disturb nobody', async (t) => {
  for (const secret of [null, SECRET]) {
    const ports = await freePorts(2);
    const options = { secret, limits: { greetingMsMax: 1000, strangersMax: 8 } };
    const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
    ok(a && b);
    await both(a, b);
    const knocks = [
      randomBytes(20_000),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(5, 255),
      Buffer.from([0, 0, 0, 2, 1, 0x7b, 0x7d]),
      Buffer.from([0, 0, 0, 0, 5]),
      Buffer.alloc(0),
      Buffer.from([0x16, 3, 1]),
    ];
    const sockets: Socket[] = [];
    for (const bytes of [...knocks, ...knocks, ...knocks]) {
      const socket = connect({ host: '127.0.0.1', port: ports[0] ?? 0 });
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      if (bytes.length > 0) socket.write(bytes);
      sockets.push(socket);
    }
    a.mesh.send(GROUP, b.id, append(1));
    b.mesh.send(GROUP, a.id, append(1));
    await until('peers still speak', () => a.got.length === 1 && b.got.length === 1);
    await until('strangers are sent away', () => sockets.every((socket) => socket.destroyed));
    deepEqual([a.downs, b.downs], [[], []]);
    await Promise.all([a.mesh.stop(), b.mesh.stop()]);
  }
});

test('Mesh: a malformed frame of a known peer closes its connection, and is told', async (t) => {
  const ports = await freePorts(1);
  const a = await startPeer(t, 0, ports);
  const socket = connect({ host: '127.0.0.1', port: ports[0] ?? 0 });
  const hello = { protocol: PROTOCOL, purpose: 'raft', revision: 1, ...helloFor(5, 1) };
  const body = Buffer.from(JSON.stringify(hello));
  const header = Buffer.from([0, 0, 0, 0, 1]);
  header.writeUInt32BE(body.length, 0);
  socket.write(Buffer.concat([header, body, Buffer.from([0, 0, 0, 3, 5, 9, 9, 9])]));
  let heard = '';
  for await (const chunk of socket) heard += String(chunk);
  ok(heard.includes('MALFORMED'));
  deepEqual(a.got, []);
});

test('Mesh: without a secret it refuses to listen beyond loopback', async (t) => {
  const listen = { host: '0.0.0.0', port: 0 };
  await rejects(startPeer(t, 0, [], { options: { listen } }), /SECRET_NEEDED.*loopback/);
});

test('Mesh: a port that is taken is named', async (t) => {
  const ports = await freePorts(1);
  await startPeer(t, 0, ports);
  await rejects(startPeer(t, 0, ports), /LISTEN_FAILED.*EADDRINUSE/);
});

test('Mesh: many relays open at once, and an aborted one is given up', async (t) => {
  const ports = await freePorts(2);
  const options = { secret: SECRET };
  const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
  ok(a && b);
  await both(a, b);
  const { signal } = new AbortController();
  const late = new AbortController();
  const opening = Array.from({ length: 100 }, () => a.mesh.openRelay(b.id, signal));
  const given = rejects(a.mesh.openRelay(b.id, late.signal), /changed my mind/);
  late.abort(new Error('changed my mind'));
  const streams = await Promise.all(opening);
  await given;
  await until('all are there', () => b.relays.length === 100);
  for (const [i, stream] of streams.entries()) stream.write(`client ${i}`);
  await b.mesh.stop();
  for (const stream of streams) stream.on('error', () => undefined).resume();
  await until('none outlives the peer', () => streams.every((stream) => stream.destroyed));
});

test('Mesh: nothing is left after stop', async (t) => {
  const ports = await freePorts(3);
  const handles = () =>
    process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|Immediate/.test(name))
      .length;
  await sleep(300);
  const before = handles();
  const options = { secret: SECRET };
  const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
  ok(a && b);
  await until('they are up', () => a.up.size === 1 && b.up.size === 1);
  await a.mesh.openRelay(b.id, new AbortController().signal);
  a.mesh.send(GROUP, b.id, append(1, Buffer.alloc(2 ** 20)));
  await Promise.all([a.mesh.stop(), b.mesh.stop()]);
  await a.mesh.stop();
  await until('no handle is left', () => handles() <= before);
});

test('Mesh: a payload arrives whole whatever its size', async (t) => {
  const ports = await freePorts(2);
  const options = { secret: SECRET };
  const [a, b] = await Promise.all([0, 1].map((i) => startPeer(t, i, ports, { options })));
  ok(a && b);
  await both(a, b);
  const sizes = [0, 1, 255, 256, 16_000, 17_000, 262_000, 262_144, 263_000, 3_000_000, 5];
  for (const [i, size] of sizes.entries())
    a.mesh.send(GROUP, b.id, append(i, Buffer.alloc(size, i)));
  await until('all arrived', () => b.got.length === sizes.length);
  deepEqual(
    b.got.map((it) => bytesOf(it.message)),
    sizes,
    'in order',
  );
});

test('an address that is given later is dialled, and who dials is told of', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports.slice(0, 1));
  const b = await startPeer(t, 1, ports);
  await until('b has called', () => a.calls.includes('n1'));
  equal(a.up.size, 0, 'nobody told a where b is');
  a.mesh.dial([b.hello.peerAddress, 'no address']);
  await both(a, b);
  deepEqual(
    a.mesh.peers().map(({ address }) => address),
    [b.hello.peerAddress],
  );
});

test('a connection outlasts its address, and is not dialled again', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports);
  const b = await startPeer(t, 1, ports);
  await both(a, b);
  a.mesh.dial([]);
  a.mesh.note(b.id, 'still', 1);
  await until('it still speaks', () => b.notes.length === 1);
  await b.mesh.stop();
  await until('it is over', () => a.downs.length === 1 && a.calls.includes('-n1'));
  deepEqual(a.mesh.peers(), []);
});

test('an address that is wanted again while its connection stands is dialled when that ends', async (t) => {
  const ports = await freePorts(2);
  const a = await startPeer(t, 0, ports);
  const b = await startPeer(t, 1, ports);
  await both(a, b);
  a.mesh.dial([]);
  a.mesh.dial([b.hello.peerAddress]);
  await b.mesh.stop();
  await until('it is over', () => a.downs.length === 1);
  equal(a.mesh.peers().length, 1);
  const again = await startPeer(t, 1, ports, { hello: { incarnation: 2 } });
  await until('it is there again', () => a.up.size === 1);
  equal(a.up.get(again.id)?.incarnation, 2);
});
