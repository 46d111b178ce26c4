import { equal, match, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeId } from '../../core/scalars.ts';
import { aMoment, resp, type TrialOptions, TrialRelay, TrialServer } from './trial-server.ts';

const LEADER = nodeId('leader@00000001');
const OTHER = nodeId('other@00000002');

let server: TrialServer;
const opened: TrialRelay[] = [];

before(async () => {
  server = await TrialServer.start();
});
after(() => server.stop());
afterEach(() => {
  for (const trial of opened.splice(0)) trial.close();
});

async function open(options: TrialOptions = {}): Promise<TrialRelay> {
  const trial = await TrialRelay.open(server, options);
  opened.push(trial);
  return trial;
}

/** A follower's relay in front of a leader's. */
async function pair(): Promise<{ leader: TrialRelay; follower: TrialRelay }> {
  const leader = await open();
  leader.relay.setRoute({ kind: 'open', reign: 1 });
  const follower = await open({
    connectLeader: async () => {
      const [ours, theirs] = duplexPair();
      leader.relay.accept(theirs);
      return ours;
    },
  });
  follower.relay.setRoute({ kind: 'leader', node: LEADER });
  return { leader, follower };
}

describe('a session on a follower', () => {
  test('is served by the leader, whose hold alone keeps the replies', async () => {
    const { leader, follower } = await pair();
    leader.hold.isHolding = true;
    const client = await follower.client();
    client.send('SET a 1\r\nGET a\r\n');
    await aMoment();
    equal(client.received, '');
    leader.hold.releaseAll();
    equal(await client.take(12), '+OK\r\n$1\r\n1\r\n');
    equal(follower.hold.tickets.length, 0);
    equal(leader.relay.stats().passedThrough, 1);
  });

  test('has rules, WAIT and MULTI as on the leader', async () => {
    const { follower } = await pair();
    const client = await follower.client();
    await client.expect(
      'MULTI\r\nWAIT 1 0\r\nSET a 1\r\nEXEC\r\n',
      '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+OK\r\n',
    );
    client.send('replicaof no one\r\n');
    match(await client.take((r) => r.includes('\n')), /^-NOPERM REPLICAOF/);
  });

  test('carries large values and 10,000 commands', async () => {
    const { follower } = await pair();
    const client = await follower.client();
    await client.expect(resp('SET', 'big', 'x'.repeat(8_000_000)), '+OK\r\n');
    client.send(resp('GET', 'big'));
    await client.take(8_000_012);
    await client.expect(resp('PING').repeat(10_000), '+PONG\r\n'.repeat(10_000));
  });

  test('outlives the leader’s reign only when it is plain and idle', async () => {
    const { leader, follower } = await pair();
    const [idle, bound, busy] = [
      await follower.client(),
      await follower.client(),
      await follower.client(),
    ];
    await idle.expect('PING\r\n', '+PONG\r\n');
    await bound.expect('WATCH k\r\n', '+OK\r\n');
    busy.send('BLPOP nothing 0\r\n');
    await aMoment();
    leader.relay.endReign('a test');
    equal(leader.relay.stats().sessions, 0);
    equal(await bound.ended(), '');
    equal(await busy.ended(), '');
    leader.relay.setRoute({ kind: 'open', reign: 2 });
    await idle.expect('PING\r\n', '+PONG\r\n');
  });

  test('moves to another leader when it is idle, and is closed when it is not', async () => {
    const { follower } = await pair();
    const [idle, bound] = [await follower.client(), await follower.client()];
    await idle.expect('PING\r\n', '+PONG\r\n');
    await bound.expect('WATCH k\r\n', '+OK\r\n');
    follower.relay.setRoute({ kind: 'none', why: 'an election' });
    await bound.expect('ECHO x\r\n', '$1\r\nx\r\n');
    const upstreams = follower.upstreams;
    follower.relay.setRoute({ kind: 'leader', node: OTHER });
    equal(await bound.ended(), '');
    await idle.expect('PING\r\n', '+PONG\r\n');
    equal(follower.upstreams, upstreams + 1);
  });

  test('a half-closed client gets all its replies', async () => {
    const { follower } = await pair();
    const client = await follower.client();
    client.send(resp('ECHO', 'x').repeat(1_000));
    client.socket.end();
    equal(await client.ended(), '$1\r\nx\r\n'.repeat(1_000));
  });

  test('waits for a leader that cannot be reached yet', async () => {
    let attempts = 0;
    const trial = await open({
      connectLeader: async () => {
        attempts += 1;
        if (attempts < 3) throw new Error('refused');
        return connect(server.path);
      },
    });
    trial.relay.setRoute({ kind: 'leader', node: LEADER });
    await (await trial.client()).expect('PING\r\n', '+PONG\r\n');
    equal(attempts, 3);
  });

  test('a leader that never answers the connection is given up after the bound', async () => {
    let aborted = 0;
    const trial = await open({
      bounds: { waitMs: 100 },
      connectLeader: (_node, signal) =>
        new Promise<Duplex>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted += 1;
            reject(new Error('aborted'));
          });
        }),
    });
    trial.relay.setRoute({ kind: 'leader', node: LEADER });
    const client = await trial.client();
    client.send('GET a\r\n');
    match(await client.take((r) => r.includes('\n')), /^-CLUSTERDOWN/);
    equal(aborted, 1);
  });

  test('is closed when the route leaves its node, even before its first command', async () => {
    const { leader, follower } = await pair();
    const client = await follower.client();
    await client.expect('PING\r\n', '+PONG\r\n');
    const [ours, theirs] = duplexPair();
    leader.relay.accept(theirs);
    leader.relay.setRoute({ kind: 'leader', node: OTHER });
    equal(leader.relay.stats().sessions, 0);
    ours.destroy();
  });

  test('waits at a leader that is not open yet', async () => {
    const { leader, follower } = await pair();
    const idle = await follower.client();
    await idle.expect('PING\r\n', '+PONG\r\n');
    leader.relay.endReign('an election');
    const client = await follower.client();
    client.send('SET early 1\r\n');
    idle.send('ECHO x\r\n');
    await aMoment();
    equal(client.isEnded || idle.isEnded, false);
    leader.relay.setRoute({ kind: 'open', reign: 2 });
    equal(await client.take(5), '+OK\r\n');
    equal(await idle.take(7), '$1\r\nx\r\n');
  });

  test('waits within its bound at a leader that does not open, and is told', async () => {
    const bounds = { waitMs: 100 };
    const leader = await open({ bounds });
    const follower = await open({
      connectLeader: async () => {
        const [ours, theirs] = duplexPair();
        leader.relay.accept(theirs);
        return ours;
      },
    });
    follower.relay.setRoute({ kind: 'leader', node: LEADER });
    const client = await follower.client();
    await client.expect('GET a\r\n', '-CLUSTERDOWN No leader: this node is starting\r\n');
    leader.relay.setRoute({ kind: 'open', reign: 1 });
    await client.expect('PING\r\n', '+PONG\r\n');
  });

  test('is not accepted by a relay that has another leader', async () => {
    const trial = await open();
    trial.relay.setRoute({ kind: 'leader', node: LEADER });
    const [ours, theirs] = duplexPair();
    trial.relay.accept(theirs);
    equal(theirs.destroyed, true);
    ours.destroy();
  });
});

describe('a lost upstream', () => {
  /** A server that swallows commands, and hangs up when told. */
  async function mute(): Promise<{ path: string; sockets: Socket[]; close: () => void }> {
    const sockets: Socket[] = [];
    const path = `\0relay-test-${process.pid}-${performance.now()}`;
    const listener = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.resume();
    }).listen(path);
    await once(listener, 'listening');
    return { path, sockets, close: () => listener.close() };
  }

  test('closes a session whose command was forwarded, without an error reply', async () => {
    const { path, sockets, close } = await mute();
    const trial = await open({ connectServer: () => connect(path) });
    trial.relay.setRoute({ kind: 'open', reign: 1 });
    const client = await trial.client();
    client.send('SET a 1\r\n');
    await aMoment();
    sockets[0]?.destroy();
    equal(await client.ended(), '');
    close();
  });

  test('or a stuck one stops the reading of requests, which stay with the client', async () => {
    const { path, sockets, close } = await mute();
    const trial = await open({ connectServer: () => connect(path) });
    trial.relay.setRoute({ kind: 'open', reign: 1 });
    const client = await trial.client();
    client.send('MULTI\r\n');
    await aMoment();
    sockets[0]?.pause();
    client.send(resp('SET', 'a', 'x'.repeat(50_000_000)));
    await sleep(300);
    ok(client.socket.writableLength > 30_000_000, `${client.socket.writableLength}`);
    sockets[0]?.resume();
    for (let n = 0; n < 1_000 && client.socket.writableLength > 0; n++) await sleep(10);
    close();
    equal(client.socket.writableLength, 0);
  });

  test('leaves a plain idle session as it is, which reconnects with the next command', async () => {
    const trial = await open();
    trial.relay.setRoute({ kind: 'open', reign: 1 });
    const [client, other] = [await trial.client(), await trial.client()];
    await client.expect('PING\r\n', '+PONG\r\n');
    await other.expect('CLIENT KILL TYPE normal SKIPME yes\r\n', ':1\r\n');
    await aMoment();
    await client.expect('PING\r\n', '+PONG\r\n');
    equal(trial.upstreams, 3);
  });

  test('at connecting is tried again, then given up after the bound', async () => {
    const trial = await open({
      bounds: { waitMs: 150 },
      connectServer: () => connect('/nowhere/at/all'),
    });
    trial.relay.setRoute({ kind: 'open', reign: 1 });
    const client = await trial.client();
    await client.expect('GET a\r\n', '-CLUSTERDOWN No leader: the server cannot be reached\r\n');
    ok(trial.upstreams >= 2 && trial.upstreams <= 5, `${trial.upstreams}`);
    await sleep(120);
    const attempts = trial.upstreams;
    await sleep(120);
    equal(trial.upstreams, attempts);
  });
});
