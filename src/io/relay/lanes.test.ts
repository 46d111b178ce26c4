import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  aMoment,
  resp,
  TrialClient,
  type TrialOptions,
  TrialRelay,
  TrialServer,
} from './trial-server.ts';

let server: TrialServer;
const opened: TrialRelay[] = [];

before(async () => {
  server = await TrialServer.start('--lua-time-limit', '100');
});
after(() => server.stop());
afterEach(() => {
  for (const trial of opened.splice(0)) trial.close();
});

async function open(options: TrialOptions = {}): Promise<TrialRelay> {
  const trial = await TrialRelay.open(server, options);
  trial.relay.setRoute({ kind: 'open', reign: 1 });
  opened.push(trial);
  return trial;
}

describe('sessions that send plain commands', () => {
  test('share one connection to the server, whose fence comes with their replies', async () => {
    const trial = await open();
    const clients = await Promise.all(Array.from({ length: 20 }, () => trial.client()));
    for (let round = 0; round < 5; round++) {
      await Promise.all(clients.map((client, i) => client.expect(`ECHO ${i}\r\n`, echo(i))));
    }
    deepEqual([trial.upstreams, await server.connections(), trial.relay.stats().lanes], [1, 1, 1]);
    ok(trial.hold.fences.length < 100);
    for (const fence of trial.hold.fences) match(fence ?? '', /^\*3\r\n\$6\r\nmaster\r\n/);
  });

  test('have one lane per user, database and protocol after their greetings', async () => {
    const trial = await open();
    const clients = await Promise.all(Array.from({ length: 24 }, () => trial.client()));
    for (const [i, client] of clients.entries()) {
      client.send(resp('HELLO', 2 + (i % 2)));
      client.send(resp('CLIENT', 'SETNAME', `n${i}`) + resp('SELECT', i % 3));
      await client.take((r) => r.endsWith('+OK\r\n+OK\r\n'));
      await client.expect(resp('SET', 'where', i % 3), '+OK\r\n');
    }
    for (const [i, client] of clients.entries())
      await client.expect(resp('GET', 'where'), `$1\r\n${i % 3}\r\n`);
    equal(await server.connections(), 6);
    await clients[7]?.expect(resp('CLIENT', 'GETNAME'), '$2\r\nn7\r\n');
    clients[7]?.send(resp('HGETALL', 'nothing'));
    equal(await clients[7]?.take((r) => r.endsWith('\n')), '%0\r\n');
  });

  test('leave the lane for a transaction, keep their connection while they need it, and return', async () => {
    const trial = await open();
    const [client, other] = [await trial.client(), await trial.client()];
    await other.expect('PING\r\n', '+PONG\r\n');
    for (let i = 0; i < 10; i++) {
      await client.expect(
        `SET t 1\r\nMULTI\r\nINCR t\r\nEXEC\r\nGET t\r\n`,
        '+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n:2\r\n$1\r\n2\r\n',
      );
    }
    equal(trial.upstreams, 2);
    equal(await server.connections(), 2);
    for (let i = 0; i < 64; i++) await client.expect('PING\r\n', '+PONG\r\n');
    await client.expect('PING\r\n', '+PONG\r\n');
    await aMoment();
    equal(await server.connections(), 1);
  });

  test('see a blocking command of another answered when it is, and not before', async () => {
    const trial = await open();
    const [waiter, other] = [await trial.client(), await trial.client()];
    await other.expect('PING\r\n', '+PONG\r\n');
    waiter.send(`${resp('ECHO', 'a')}${resp('BLPOP', 'q', 0)}${resp('ECHO', 'b')}`);
    await aMoment();
    equal(waiter.received, '$1\r\na\r\n');
    await other.expect(resp('RPUSH', 'q', 'x'), ':1\r\n');
    equal(
      await waiter.take((r) => r.endsWith('b\r\n')),
      '$1\r\na\r\n*2\r\n$1\r\nq\r\n$1\r\nx\r\n$1\r\nb\r\n',
    );
  });

  test('the oldest connections are given back when there are many', async () => {
    const trial = await open({ bounds: { ownConnectionsMax: 3 } });
    const clients = await Promise.all(Array.from({ length: 8 }, () => trial.client()));
    for (const client of clients) await client.expect('MULTI\r\nEXEC\r\n', '+OK\r\n*0\r\n');
    await aMoment();
    equal(await server.connections(), 3);
    for (const client of clients) await client.expect('PING\r\n', '+PONG\r\n');
  });
});

/** Replies depend on the connection, on the data, and on nothing else. */
const SCRIPT: readonly (readonly (string | number)[])[] = [
  ...[['FLUSHALL'], ['SET', 'a', 1], ['INCR', 'a'], ['GET', 'a'], ['LPUSH', 'a', 'x'], ['EXEC']],
  ...[['SELECT', 4], ['SET', 'a', 'four'], ['MULTI'], ['GET', 'a'], ['INCR', 'a'], ['EXEC']],
  ...[['GET', 'a'], ['WATCH', 'a'], ['SET', 'a', 'changed'], ['MULTI'], ['PING'], ['EXEC']],
  ...[['CLIENT', 'SETNAME', 'me'], ['CLIENT', 'GETNAME'], ['MULTI'], ['SET', 'b', 1], ['DISCARD']],
  ...[
    ['EXISTS', 'b'],
    ['RPUSH', 'l', 1, 2, 3],
    ['BLPOP', 'l', 0],
    ['LRANGE', 'l', 0, -1],
  ],
  ...[['HELLO'], ['NOPE', 'x'], ['EVAL', 'return {1, ARGV[1]}', 0, 'y'], ['SELECT', 'x']],
  ...[
    ['GET', 'a', 'b'],
    ['XADD', 's', '1-1', 'f', 'v'],
    ['XREAD', 'STREAMS', 's', 0],
  ],
  ...[
    ['XREAD', 'BLOCK', 1, 'STREAMS', 's', '5-0'],
    ['HSET', 'h', 'f', 1],
    ['HGETALL', 'h'],
  ],
  ...[['CLIENT', 'SETINFO', 'lib-name', 'x'], ['ECHO', 'end'], ['RESET'], ['GET', 'a']],
];

async function bytesOf(client: TrialClient, commands: readonly string[]): Promise<string> {
  client.send(`${commands.join('')}${resp('ECHO', 'over')}`);
  return await client.take((r) => r.endsWith('$4\r\nover\r\n'));
}

function withoutIds(text: string): string {
  return text.replace(/(\$2\r\nid\r\n):[0-9]+/g, '$1:N');
}

describe('a lane is never told by one what changes it for others', () => {
  test('by a name that only the server takes for a known one', async () => {
    const trial = await open();
    const [bad, good] = [await trial.client(), await trial.client()];
    await good.expect(resp('SET', 'n', 'mine'), '+OK\r\n');
    // The server finds a command in one of some hundred buckets, and compares up to the NUL byte.
    let isFound = false;
    for (let i = 0; i < 8_000 && !isFound; i += 50) {
      const names = Array.from({ length: 50 }, (_, k) => resp(`MULTI\0${i + k}`));
      bad.send(names.join(''));
      const replies = await bad.take((r) => r.split('\r\n').length > 50);
      isFound = /^\+/m.test(replies);
    }
    ok(isFound);
    await good.expect(resp('GET', 'n'), '$4\r\nmine\r\n');
  });
});

describe('a session that moves', () => {
  test('is told the same as on a connection of its own, wherever it is made to move', async () => {
    const trial = await open();
    const commands = SCRIPT.map((words) => resp(...words));
    const bare = new TrialClient(connect(server.path));
    const expected = withoutIds(await bytesOf(bare, commands));
    const mover = resp('CLIENT', 'GETREDIR');
    for (let at = 0; at <= commands.length; at++) {
      const moved = [...commands.slice(0, at), mover, ...commands.slice(at)];
      const bare = new TrialClient(connect(server.path));
      const alone = withoutIds(await bytesOf(bare, moved));
      bare.socket.destroy();
      const client = await trial.client();
      equal(withoutIds(await bytesOf(client, moved)), alone, `moved at ${at}`);
      client.socket.destroy();
      // One by one it changes its way in between, as often as it may.
      if (at % 8 !== 0) continue;
      const slow = await trial.client();
      let told = '';
      for (const command of moved) told += await slow.send(command).take((r) => r.length > 0);
      told += await bytesOf(slow, []);
      equal(withoutIds(told), alone, `moved at ${at}, one by one`);
      slow.socket.destroy();
    }
    const still = await trial.client();
    equal(withoutIds(await bytesOf(still, commands)), expected);
    bare.socket.destroy();
  });

  test('by what a browser says hurts nobody else', async () => {
    const trial = await open();
    const other = await trial.client();
    for (let i = 0; i < 20; i++) {
      const browser = await trial.client();
      other.send('PING\r\n');
      browser.send('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
      other.send('PING\r\n');
      await browser.ended();
      equal(await other.take(14), '+PONG\r\n+PONG\r\n');
    }
  });
});

describe('a session that holds up its lane', () => {
  test('by large replies leaves it, and others are served meanwhile', async () => {
    const trial = await open({ bounds: { replyBytesMax: 100_000 } });
    const [deaf, other] = [await trial.client(), await trial.client()];
    await other.expect(resp('SET', 'm', 'y'.repeat(50_000)), '+OK\r\n');
    deaf.socket.pause();
    deaf.send(resp('GET', 'm').repeat(300));
    other.send('ECHO x\r\n');
    for (let tick = 0; tick < 20 && other.received === ''; tick++) {
      trial.relay.tick();
      await sleep(25);
    }
    equal(await other.take(7), '$1\r\nx\r\n');
    deaf.socket.resume();
    equal((await deaf.take(300 * 50_010)).length, 300 * 50_010);
    for (const client of [deaf, other]) await client.expect('PING\r\n', '+PONG\r\n');
    equal(trial.relay.stats().lanes, 1);
  });

  test('beyond its bound is closed when others wait behind it', async () => {
    const trial = await open({ bounds: { replyBytesMax: 10_000, laneReplyBytesMax: 4_000_000 } });
    const [deaf, other] = [await trial.client(), await trial.client()];
    await other.expect(resp('SET', 'm', 'y'.repeat(1_000_000)), '+OK\r\n');
    // Another session's command is behind its own on the same lane.
    const third = await trial.client();
    await third.expect('PING\r\n', '+PONG\r\n');
    deaf.socket.pause();
    third.send('ECHO before\r\n');
    deaf.send(resp('GET', 'm').repeat(100));
    third.send('ECHO after\r\n');
    const sessions = trial.relay.stats().sessions;
    for (let tick = 0; tick < 60 && !third.received.includes('after'); tick++) {
      trial.relay.tick();
      await sleep(25);
    }
    match(third.received, /before\r\n.*after/s);
    ok(trial.relay.stats().sessions <= sessions);
    ok(trial.relay.stats().replyBytes < 8_000_000);
  });

  test('by a script is not waited for: others are told -BUSY, and it can be killed', async () => {
    const trial = await open();
    const [busy, other, killer] = [
      await trial.client(),
      await trial.client(),
      await trial.client(),
    ];
    await other.expect('PING\r\n', '+PONG\r\n');
    busy.send(resp('EVAL', 'while true do end', 0));
    for (let tick = 0; tick < 25; tick++) {
      trial.relay.tick();
      await sleep(20);
    }
    other.send('PING\r\n');
    match(await other.take((r) => r.endsWith('\n')), /^-BUSY /);
    await killer.expect('SCRIPT KILL\r\n', '+OK\r\n');
    match(await busy.take((r) => r.endsWith('\n')), /^-ERR .*[Ss]cript killed/);
    await other.expect('PING\r\n', '+PONG\r\n');
  });
});

describe('a session that must have its own connection while a script runs', () => {
  test('is not closed because the server is busy, and goes on where it was', async () => {
    const trial = await open();
    const [busy, session] = [await trial.client(), await trial.client()];
    await session.expect(resp('SELECT', 3), '+OK\r\n');
    await session.expect(resp('SET', 'here', 3), '+OK\r\n');
    busy.send(resp('EVAL', 'while true do end', 0));
    await sleep(400);
    session.send(resp('CLIENT', 'GETNAME') + resp('GET', 'here'));
    await sleep(200);
    const killer = await trial.client();
    await killer.expect('SCRIPT KILL\r\n', '+OK\r\n');
    equal(await session.take(12), '$-1\r\n$1\r\n3\r\n');
  });
});

describe('a client that does not read', () => {
  test('keeps no more in memory than its own replies', async () => {
    const trial = await open();
    const other = await trial.client();
    await other.expect(resp('SET', 'large', 'x'.repeat(20_000)), '+OK\r\n');
    const kept = new Set<ArrayBufferLike>();
    const client = new Duplex({ read: () => undefined, write: () => undefined });
    const { write } = client;
    client.write = (...given: unknown[]) => {
      kept.add((given[0] as Buffer).buffer);
      return Reflect.apply(write, client, given);
    };
    trial.relay.admit(client);
    for (let i = 0; i < 100; i++) {
      client.push(Buffer.from('PING\r\n'));
      await other.send(resp('GET', 'large').repeat(3)).take(60_000);
    }
    await aMoment();
    equal(client.writableLength, 700);
    const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
    ok(bytes < 200_000, `${bytes}`);
    client.destroy();
  });
});

describe('a lane', () => {
  test('that is killed closes who is owed a reply, and nobody else notices', async () => {
    const trial = await open();
    const [idle, owed] = [await trial.client(), await trial.client()];
    await idle.expect('PING\r\n', '+PONG\r\n');
    const killer = new TrialClient(connect(server.path));
    await killer.expect('CLIENT PAUSE 60000 WRITE\r\n', '+OK\r\n');
    owed.send('SET a 1\r\n');
    await aMoment();
    await killer.expect('CLIENT KILL TYPE normal\r\n', ':1\r\n');
    await killer.expect('CLIENT UNPAUSE\r\n', '+OK\r\n');
    equal(await owed.ended(), '');
    await idle.expect('PING\r\n', '+PONG\r\n');
    killer.socket.destroy();
  });

  test('ends with its last session', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('PING\r\n', '+PONG\r\n');
    equal(await server.connections(), 1);
    client.socket.end();
    await client.ended();
    await aMoment();
    equal(await server.connections(), 0);
  });

  test('ends with the reign; who is idle lives on in the next, as what he was', async () => {
    const trial = await open();
    const [idle, owed] = [await trial.client(), await trial.client()];
    await idle.expect('SELECT 2\r\n', '+OK\r\n');
    await idle.expect('SET a two\r\n', '+OK\r\n');
    trial.hold.isHolding = true;
    owed.send('GET a\r\n');
    await aMoment();
    trial.hold.drop();
    trial.relay.endReign('a test');
    equal(await owed.ended(), '');
    await aMoment();
    equal(await server.connections(), 0);
    trial.hold.isHolding = false;
    trial.relay.setRoute({ kind: 'open', reign: 2 });
    await idle.expect('GET a\r\n', '$3\r\ntwo\r\n');
  });

  test('is not outlived by a session that the server owes a reply', async () => {
    const trial = await open();
    const [owed, pauser] = [await trial.client(), new TrialClient(connect(server.path))];
    await pauser.expect('CLIENT PAUSE 60000 WRITE\r\n', '+OK\r\n');
    owed.send(resp('SET', 'a', 1));
    await aMoment();
    trial.relay.endReign('a test');
    equal(await owed.ended(), '');
    await pauser.expect('CLIENT UNPAUSE\r\n', '+OK\r\n');
    pauser.socket.destroy();
  });

  test('gives away what has no fence when writes are paused', async () => {
    const trial = await open();
    const [client, pauser] = [await trial.client(), new TrialClient(connect(server.path))];
    await client.expect('PING\r\n', '+PONG\r\n');
    pauser.send('CLIENT PAUSE 60000 WRITE\r\n');
    await pauser.take(5);
    client.send(`${resp('ECHO', 'x')}${resp('SET', 'a', 1)}`);
    await aMoment();
    equal(client.received, '', 'the fence stands behind the write');
    trial.relay.pauseReads();
    equal(await client.take(7), '$1\r\nx\r\n');
    equal(trial.hold.fences.at(-1), null);
    pauser.send('CLIENT UNPAUSE\r\n');
    equal(await client.take(5), '+OK\r\n');
    pauser.socket.destroy();
  });

  test('whose user may not ask for the fence does without', async () => {
    const trial = await open();
    const admin = new TrialClient(connect(server.path));
    await admin.expect('ACL SETUSER narrow on >pw ~* +@all -role\r\n', '+OK\r\n');
    const client = await trial.client();
    await client.expect('AUTH narrow pw\r\n', '+OK\r\n');
    for (let i = 0; i < 5; i++) await client.expect('ECHO x\r\n', '$1\r\nx\r\n');
    deepEqual(new Set(trial.hold.fences), new Set([null]));
    await admin.expect('ACL DELUSER narrow\r\n', ':1\r\n');
    admin.socket.destroy();
  });
});

function echo(i: number): string {
  return `$${String(i).length}\r\n${i}\r\n`;
}
