/** What does not belong here is refused by its name, and the rest keeps serving. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { residentBytes, until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';
import { missingAt, Writer } from './writer.ts';

const RANDOM_TRIES = IS_FULL ? 500 : 15;
const AT_ONCE = 40;
const AGENT_MIB_MAX = 400;
const NAMED_MS = 15_000;

let deployment: Deployment;
const scope = fileScope();

before(async () => {
  deployment = await Deployment.agents(scope);
});

/** Sends, takes whatever comes, and hangs up after a moment or with the other side. */
function throwAt(port: number, bytes: Buffer | string, holdMs = 150): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const timer = setTimeout(() => socket.destroy(), holdMs);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
    socket.write(bytes);
  });
}

function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
}

const CLIENT_BYTES = [
  '*2147483648\r\n',
  '*-9999999999999999999\r\n',
  '*1\r\n$2147483647\r\n',
  '*1\r\n$-2\r\n',
  `*1\r\n$${'9'.repeat(200)}\r\n`,
  '\r\n'.repeat(10_000),
  'A'.repeat(2_000_000),
  `${'*1\r\n'.repeat(1_000)}`,
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /switchover HTTP/1.1\r\n\r\n',
];
const PEER_BYTES = [
  Buffer.concat([u32(0xffffffff), Buffer.from([1])]),
  Buffer.concat([u32(16 * 1024 + 1), Buffer.from([1]), Buffer.alloc(20_000)]),
  Buffer.concat([u32(2), Buffer.from([1]), Buffer.from('{}')]),
  Buffer.concat([u32(0), Buffer.from([250])]),
  Buffer.from('160301ffff01', 'hex'),
  Buffer.from('PING\r\n'),
];
const ORDER = 'POST /switchover HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
const HTTP_BYTES = [
  `GET /${'a'.repeat(1_000_000)} HTTP/1.1\r\n\r\n`,
  `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(100_000)}\r\n`,
  'GET / HTTP/9.9\r\n\r\n',
  `${ORDER}content-length: 999999999999\r\n\r\n{`,
  `${ORDER}content-length: 5\r\n\r\n{"to"`,
  'POST /switchover HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n',
];

test('random bytes and absurd lengths on every port hurt nobody', async (t) => {
  const pids = await Promise.all(deployment.indices.map((i) => deployment.agentPid(i)));
  const writer = new Writer(t, deployment.ports, 'w');
  writer.start(1);
  for (const i of deployment.indices) {
    const random = Array.from({ length: RANDOM_TRIES }, (_, n) => randomBytes(1 + n * 97));
    const throws: [number, readonly (Buffer | string)[]][] = [
      [deployment.port(i), [...CLIENT_BYTES, ...random]],
      [deployment.peerPort(i), [...PEER_BYTES, ...random]],
      [deployment.httpPort(i), [...HTTP_BYTES, ...random]],
    ];
    for (const [port, all] of throws)
      for (let at = 0; at < all.length; at += AT_ONCE)
        await Promise.all(all.slice(at, at + AT_ONCE).map((bytes) => throwAt(port, bytes)));
  }
  await writer.reaches(50);
  await writer.stop();
  await deployment.ready();
  assert.equal(writer.unknown.length + writer.refused.length, 0, 'a client was disturbed');
  await deployment.assertIdentical();
  for (const i of deployment.indices) {
    assert.equal(await deployment.agentPid(i), pids[i], `node${i + 1} was started again`);
    assert.deepEqual(await missingAt(await deployment.serverSocket(i), writer.acknowledged), []);
  }
  const memory = pids.map((pid) => Math.round(residentBytes(pid) / 1024 / 1024));
  assert.ok(Math.max(...memory) < AGENT_MIB_MAX, `${memory} MiB`);
  figures('bad-input-ports', {
    tries: RANDOM_TRIES * 9,
    agentMiB: Math.max(...memory),
    writerGapMs: writer.longestGapMs,
  });
});

function directory(name: string): string {
  const path = join(deployment.dir, name);
  mkdirSync(path);
  return path;
}

/** Another life of node3: the others name what is wrong with it and serve on. */
async function impostor(t: TestContext, flags: readonly string[], code: string): Promise<void> {
  const i = 2;
  await deployment.stopNode(i);
  const before = deployment.indices.map((each) => deployment.log(each).length);
  deployment.startNode(i, flags);
  t.after(async () => {
    await deployment.stopNode(i);
    deployment.startNode(i);
    await deployment.ready();
    await deployment.assertIdentical();
  });
  const since = (each: number): string => deployment.log(each).slice(before[each]);
  await until(`${code} in a log of a member`, NAMED_MS, () =>
    [0, 1].some((each) => since(each).includes(code)),
  );
  await until(`${code} in its own log`, NAMED_MS, () => since(i).includes(code));
  const wire = new Wire(deployment.port(await deployment.leader()));
  assert.equal(await wire.must('SET', code, 'served'), 'OK');
  wire.close();
}

test('a peer with another secret is refused by name', async (t) => {
  const secret = join(deployment.dir, 'other-secret');
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const dir = directory('stranger');
  await impostor(t, ['--secret-file', secret, '--dir', dir], 'WRONG_SECRET');
});

test('a peer with another name is refused by name', async (t) => {
  const dir = directory('renamed');
  await impostor(t, ['--name', 'another', '--dir', dir], 'WRONG_NAME');
});

test('a peer of another deployment of the same name is refused by name', async (t) => {
  const dir = directory('elsewhere');
  await deployment.stopNode(2);
  // Founded alone, under our name and secret.
  deployment.startNode(2, ['--dir', dir, '--peers', `127.0.0.1:${deployment.peerPort(2)}`]);
  await until('another deployment founded', 20_000, async () => (await deployment.ask(2)).ready);
  const { deployment: other } = await deployment.status(2);
  assert.notEqual(other, (await deployment.status(0)).deployment);
  await impostor(t, ['--dir', dir], 'WRONG_DEPLOYMENT');
});

test('a directory of one node started as another is refused', async (t) => {
  await deployment.stopNode(2);
  const from = deployment.log(2).length;
  t.after(async () => {
    await deployment.stopNode(2);
    deployment.startNode(2);
    await deployment.ready();
  });
  deployment.startNode(2, ['--node', 'node9']);
  const exit = await until('its end', NAMED_MS, () => deployment.exitOf(2));
  assert.notEqual(exit, 0);
  deployment.assertLogged(2, /node9.*node3|node3.*node9/s, from);
});

test('a server program that is missing, too old or none at all is named', async (t) => {
  await deployment.stopNode(2);
  t.after(async () => {
    await deployment.stopNode(2);
    deployment.startNode(2);
    await deployment.ready();
    await deployment.assertIdentical();
  });
  const fake = (name: string, line: string): string => {
    const path = join(deployment.dir, name);
    writeFileSync(path, `#!/bin/sh\necho "${line}"\n`, { mode: 0o755 });
    return path;
  };
  const cases = [
    [join(deployment.dir, 'nowhere'), 'SERVER_MISSING'],
    [
      fake('old', 'Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1'),
      'SERVER_TOO_OLD',
    ],
    [fake('other', 'PostgreSQL 17'), 'SERVER_MISSING'],
  ] as const;
  for (const [path, code] of cases) {
    const from = deployment.log(2).length;
    deployment.startNode(2, ['--server', path]);
    assert.notEqual(await until('its end', NAMED_MS, () => deployment.exitOf(2)), 0);
    for (const word of [code, path]) deployment.assertLogged(2, new RegExp(word), from);
    const wire = new Wire(deployment.port(0));
    assert.equal(await wire.must('SET', 'server', code), 'OK');
    wire.close();
  }
});

test('settings that cannot be are refused with their key before anything starts', async (t) => {
  await deployment.stopNode(2);
  t.after(async () => {
    await deployment.stopNode(2);
    deployment.startNode(2);
    await deployment.ready();
  });
  const short = join(deployment.dir, 'short-secret');
  writeFileSync(short, 'password123', { mode: 0o600 });
  const yaml = join(deployment.dir, 'bad.yaml');
  writeFileSync(yaml, 'nam: x\nserver:\n  port: 1\n');
  const cases: [string[], RegExp][] = [
    [['--secret-file', short], /128 bits|repeats/],
    [['--port', '99999'], /port.*not a port/],
    [['--config', yaml], /nam\b.*name|server\.port/s],
  ];
  for (const [flags, words] of cases) {
    const from = deployment.log(2).length;
    deployment.startNode(2, flags);
    assert.equal(await until('its end', NAMED_MS, () => deployment.exitOf(2)), 2);
    deployment.assertLogged(2, words, from);
  }
});
