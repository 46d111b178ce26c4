/** Reads that the own server answers while another node leads: from which server, and from when. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadsMode } from '../../core/reads-mode.ts';
import { nodeId } from '../../core/scalars.ts';
import type { RelayBounds } from './options.ts';
import { resp, type TrialClient, TrialRelay, TrialServer } from './trial-server.ts';

const LEADER = nodeId('leader@00000001');
const REFUSED = '-CLUSTERDOWN No leader: nobody\r\n';
const READS = ['get', 'mget'].map((name) => ({ name, flags: new Set(['readonly', 'fast']) }));

let own: TrialServer;
let leader: TrialServer;
before(async () => {
  own = await TrialServer.start();
  leader = await TrialServer.start();
});
after(async () => {
  await own.stop();
  await leader.stop();
});

/** Both servers say who they are under `who`, in each database. */
async function open(t: TestContext, reads: ReadsMode, bounds: Partial<RelayBounds> = {}) {
  const relay = await TrialRelay.open(own, {
    bounds: { waitMs: 5_000, ...bounds },
    connectLeader: () => Promise.resolve(connect(leader.path)),
  });
  t.after(() => relay.close());
  for (const [server, name] of [[own, 'own'] as const, [leader, 'leader'] as const]) {
    const direct = connect(server.path);
    direct.end(`SET who ${name}\r\nSELECT 1\r\nSET who ${name}1\r\n`);
    direct.resume();
    await new Promise((resolve) => direct.once('close', () => resolve(null)));
  }
  relay.relay.learn(READS);
  relay.relay.setReads(reads);
  relay.relay.setRoute({ kind: 'leader', node: LEADER });
  relay.relay.setSpell(1);
  return relay;
}

/** Waits until a point is asked for, and has it reached. */
async function reach({ points }: TrialRelay): Promise<void> {
  for (let looks = 0; points.length === 0 && looks < 600; looks++) await sleep(5);
  equal(points.length, 1);
  points.shift()?.();
}

/** A command that is too long to be gathered, cut in two. */
function inParts(...words: string[]): [string, string] {
  const text = resp(...words, 'x'.repeat(40_000));
  return [text.slice(0, 30_000), text.slice(30_000)];
}

/** One reply: a line, or a line and a value. */
function ask(client: TrialClient, line: string): Promise<string> {
  client.send(`${line}\r\n`);
  return client.take((text) => /^([+:-].*\r\n|\$\d+\r\n.*\r\n)$/.test(text));
}

describe('reads of the own server while another node leads', () => {
  test('after any word of the leader a read waits for a point that begins later', async (t) => {
    const relay = await open(t, 'local');
    const client = await relay.client();
    equal(await ask(client, 'GET who'), '$3\r\nown\r\n');
    equal(relay.points.length, 0, 'who has seen nothing waits for nothing');
    equal(await ask(client, 'SET other 1'), '+OK\r\n');
    const read = ask(client, 'GET who');
    await reach(relay);
    equal(await read, '$3\r\nown\r\n');
    equal(await ask(client, 'GET who'), '$3\r\nown\r\n');
    equal(relay.points.length, 0, 'it is far enough for good');
    deepEqual(relay.relay.stats().readsHereTotal, 3);
  });

  test('linearizable reads wait for a point each, and together for one', async (t) => {
    const relay = await open(t, 'linearizable');
    const clients = [await relay.client(), await relay.client(), await relay.client()];
    const [first, ...others] = clients.map((client) => ask(client, 'GET who'));
    await reach(relay);
    equal(await first, '$3\r\nown\r\n');
    let isDone = false;
    const all = Promise.all(others).finally(() => {
      isDone = true;
    });
    let more = 0;
    for (; !isDone; await sleep(5))
      if (relay.points.length > 0) await reach(relay).then(() => more++);
    ok(more <= 2, 'who asked before it began waits for one');
    deepEqual(await all, ['$3\r\nown\r\n', '$3\r\nown\r\n']);
    equal(await ask(clients[0] as TrialClient, 'SET other 1'), '+OK\r\n');
  });

  test('a read goes to the database that the session has selected at the leader', async (t) => {
    const relay = await open(t, 'local');
    const client = await relay.client();
    equal(await ask(client, 'GET who'), '$3\r\nown\r\n');
    equal(await ask(client, 'SELECT 1'), '+OK\r\n');
    equal(await ask(client, 'GET who'), '$4\r\nown1\r\n');
    equal(relay.points.length, 0, 'that has shown it nothing');
  });

  test('what the server was asked while it followed is not answered any more', async (t) => {
    const relay = await open(t, 'local');
    const [idle, waiting, owed] = [
      await relay.client(),
      await relay.client(),
      await relay.client(),
    ];
    equal(await ask(idle, 'GET who'), '$3\r\nown\r\n');
    equal(await ask(waiting, 'SET other 1'), '+OK\r\n');
    const late = ask(waiting, 'GET who');
    await sleep(50);
    owed.send('GET who\r\n');
    await sleep(0);
    await new Promise((resolve) => setImmediate(resolve));
    relay.relay.setSpell(null);
    equal(await late, '$6\r\nleader\r\n', 'what it was not asked yet goes to the leader');
    equal(await ask(idle, 'GET who'), '$6\r\nleader\r\n');
    relay.relay.setSpell(2);
    equal(await ask(await relay.client(), 'GET who'), '$3\r\nown\r\n');
  });

  test('reads are the leader’s again once the spec says so, on open connections too', async (t) => {
    const relay = await open(t, 'local');
    const client = await relay.client();
    equal(await ask(client, 'GET who'), '$3\r\nown\r\n');
    relay.relay.setReads('leader');
    equal(await ask(client, 'GET who'), '$6\r\nleader\r\n');
    equal(await ask(client, 'READONLY'), '+OK\r\n');
    const read = ask(client, 'GET who');
    await reach(relay);
    equal(await read, '$3\r\nown\r\n', 'it has said so itself');
  });

  test('a read that waited for a leader is as fresh as the spec has demanded since', async (t) => {
    const relay = await open(t, 'local');
    relay.relay.setReads('leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody' });
    const read = ask(await relay.client(), 'GET who');
    await sleep(50);
    relay.relay.setReads('linearizable');
    relay.relay.setRoute({ kind: 'leader', node: LEADER });
    await reach(relay);
    equal(await read, '$3\r\nown\r\n');
  });

  test('what was begun on the own server ends where the spec says so', async (t) => {
    const relay = await open(t, 'local');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const client = await relay.client();
    equal(await ask(client, 'MULTI'), '+OK\r\n');
    relay.relay.setReads('leader');
    await client.ended();
  });

  test('without a leader for long: reads here, all else by the own server, or refused at once', async (t) => {
    const relay = await open(t, 'local');
    const [reader, writer] = [await relay.client(), await relay.client()];
    equal(await ask(writer, 'SET other 1'), '+OK\r\n');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    equal(await ask(reader, 'GET who'), '$3\r\nown\r\n');
    equal(await ask(reader, 'SELECT 1'), '+OK\r\n');
    equal(await ask(reader, 'GET who'), '$4\r\nown1\r\n');
    // What it wrote may be missing here, and nobody can say.
    for (const line of ['GET who', 'PING']) equal(await ask(writer, line), REFUSED);
    relay.relay.setReads('linearizable');
    equal(await ask(await relay.client(), 'GET who'), REFUSED);
  });

  test('without a leader READONLY is enough, wherever in a greeting it comes', async (t) => {
    const relay = await open(t, 'leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const greeting = ['HELLO 2', 'CLIENT SETNAME me', 'SELECT 1', 'READONLY'];
    for (let turns = 0; turns < greeting.length; turns++) {
      greeting.push(greeting.shift() as string);
      const client = await relay.client();
      client.send(`${greeting.join('\r\n')}\r\nGET who\r\nCLIENT GETNAME\r\n`);
      const all = await client.take((text) => text.endsWith('$2\r\nme\r\n'));
      match(all, /\$4\r\nown1\r\n\$2\r\nme\r\n$/);
      equal(all.includes('CLUSTERDOWN'), false, all);
    }
  });

  test('without a leader who has not asked for it is greeted, and shown nothing', async (t) => {
    const relay = await open(t, 'leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const client = await relay.client();
    for (const line of ['GET who', 'SET who me', 'CLIENT INFO', 'PING']) {
      equal(await ask(client, line), REFUSED);
      equal(await ask(client, 'SELECT 1'), '+OK\r\n', 'and is greeted again');
    }
    equal(await ask(client, 'MULTI'), REFUSED);
    await client.ended();
    // As well as what comes too early, and whoever could not say who he is.
    const early = await relay.client();
    early.send('SELECT 1\r\nGET who\r\nREADONLY\r\n');
    equal(await early.ended(), `+OK\r\n${REFUSED}${REFUSED}`);
    const stranger = await relay.client();
    stranger.send('HELLO 2 AUTH nobody wrong\r\n');
    match(await stranger.ended(), /^-WRONGPASS .*\r\n$/);
  });

  test('what it was greeted with keeps no read from the own server when the leader is lost', async (t) => {
    const relay = await open(t, 'leader');
    const [greeted, told] = [await relay.client(), await relay.client()];
    for (const client of [greeted, told]) equal(await ask(client, 'READONLY'), '+OK\r\n');
    equal(await ask(told, 'SET other 1'), '+OK\r\n');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    equal(await ask(greeted, 'GET who'), '$3\r\nown\r\n');
    equal(await ask(told, 'GET who'), REFUSED);
  });

  test('READWRITE ends what was begun at the own server, which nobody leads', async (t) => {
    const relay = await open(t, 'leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const client = await relay.client();
    for (const line of ['READONLY', 'WATCH who']) equal(await ask(client, line), '+OK\r\n');
    client.send('READWRITE\r\nGET who\r\n');
    equal(await client.ended(), '+OK\r\n');
  });

  test('READWRITE and RESET end also what is bound there, answered or not', async (t) => {
    const relay = await open(t, 'leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const binding = ['CLIENT NO-EVICT OFF', 'SUBSCRIBE x\r\nUNSUBSCRIBE x', 'CLIENT REPLY OFF'];
    for (const bound of [...binding, 'HELLO 3 AUTH nobody wrong', 'MULTI'])
      for (const word of bound === 'MULTI' ? ['READWRITE'] : ['READWRITE', 'RESET'])
        for (const parts of [[`${bound}\r\n${word}\r\nGET who`], [bound, word, 'GET who']]) {
          const client = await relay.client();
          equal(await ask(client, 'READONLY'), '+OK\r\n');
          for (const part of parts) {
            client.send(`${part}\r\n`);
            await sleep(20);
          }
          const all = await client.ended();
          equal(all.includes('own'), false, `${word} behind ${bound}: ${all}`);
        }
  });

  test('who is greeted in parts there is closed', async (t) => {
    const relay = await open(t, 'leader');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const client = await relay.client();
    client.send(inParts('RESET')[0]);
    equal(await client.ended(), '', 'nothing of it was carried out');
  });

  test('with a leader RESET may come in parts', async (t) => {
    const client = await (await open(t, 'leader')).client();
    const [begin, end] = inParts('RESET');
    client.send(begin);
    await sleep(20);
    client.send(`${end}GET who\r\n`);
    match(await client.take((text) => text.endsWith('r\r\n')), /^-ERR .*\r\n\$6\r\nleader\r\n$/);
  });

  test('what waits there, or for its rest, ends when the spec says the leader reads', async (t) => {
    const relay = await open(t, 'local');
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    for (const begun of [inParts('SET', 'k')[0], 'XREAD BLOCK 0 STREAMS s $\r\n']) {
      relay.relay.setReads('local');
      const client = await relay.client();
      client.send(begun);
      await sleep(50);
      relay.relay.setReads('leader');
      equal(await client.ended(), '');
    }
  });

  test('who is greeted there and asks no more gives the connection up for others', async (t) => {
    const relay = await open(t, 'leader', { ownConnectionsMax: 3 });
    const before = await own.connections();
    relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
    const clients = await Promise.all(Array.from({ length: 8 }, () => relay.client()));
    for (const client of clients) equal(await ask(client, 'CLIENT SETNAME me'), '+OK\r\n');
    await sleep(50);
    equal((await own.connections()) - before, 3);
    for (const client of clients) {
      equal(await ask(client, 'READONLY'), '+OK\r\n');
      equal(await ask(client, 'CLIENT GETNAME'), '$2\r\nme\r\n');
    }
  });

  test('READWRITE and RESET hold for what is pipelined behind them, also without a leader', async (t) => {
    const relay = await open(t, 'leader');
    const replies = { READWRITE: '+OK\r\n', RESET: '+RESET\r\n' };
    for (const [line, reply] of Object.entries(replies)) {
      relay.relay.setRoute({ kind: 'leader', node: LEADER });
      const client = await relay.client();
      equal(await ask(client, 'READONLY'), '+OK\r\n');
      const read = ask(client, 'GET who');
      await sleep(50);
      relay.points.shift()?.();
      equal(await read, '$3\r\nown\r\n');
      relay.relay.setRoute({ kind: 'none', why: 'nobody', isLost: true });
      equal(await ask(client, 'PING'), '+PONG\r\n', 'by the own server');
      client.send(`${line}\r\nGET who\r\nPING\r\n`);
      const all = await client.take((text) => text.split('\r\n').length > 3);
      equal(all, `${reply}${REFUSED}${REFUSED}`);
    }
  });
});
