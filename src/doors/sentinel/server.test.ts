import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorReply, type Reply, ReplyReader } from '../../core/resp/reply-reader.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { EXAMPLE_TOPOLOGY, ExampleOrders, ExampleView } from '../example-view.ts';
import type { DataNode, Topology } from '../topology.ts';
import { SUBSCRIPTIONS_MAX } from './caller.ts';
import { SentinelDoor, type SentinelDoorOptions } from './server.ts';
import { OUTPUT_BYTES_MAX, REQUEST_BYTES_MAX } from './session.ts';

const silent = { info() {}, warn() {} };
const [b, c] = EXAMPLE_TOPOLOGY.replicas as [DataNode, DataNode];
const a = EXAMPLE_TOPOLOGY.primary as DataNode;

async function open(t: TestContext, changes: Partial<SentinelDoorOptions> = {}) {
  const view = new ExampleView();
  const orders = new ExampleOrders();
  const door = new SentinelDoor({
    view,
    orders,
    host: '127.0.0.1',
    port: 0,
    alias: 'mymaster',
    password: null,
    nowMs: () => performance.now(),
    journal: silent,
    ...changes,
  });
  await door.start();
  t.after(() => door.stop());
  const client = () => Client.to(t, door.port);
  return { view, orders, door, client };
}

class Client {
  readonly socket: Socket;
  readonly pushes: Reply[] = [];
  readonly #reader = new ReplyReader(1024 * 1024);
  readonly #waiting: ((reply: Reply) => void)[] = [];
  readonly #replies: Reply[] = [];
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (chunk) =>
      this.#reader.push(
        chunk,
        (reply) => {
          const next = this.#waiting.shift();
          if (next === undefined) this.#replies.push(reply);
          else next(reply);
        },
        (push) => this.pushes.push(push),
      ),
    );
  }

  static async to(t: TestContext, port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    t.after(() => socket.destroy());
    return new Client(socket);
  }

  next(): Promise<Reply> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(line: string): Promise<Reply> {
    this.socket.write(encodeCommand(line.split(' ')));
    return this.next();
  }

  async refusal(line: string): Promise<string> {
    const reply = await this.ask(line);
    ok(reply instanceof ErrorReply, `${line} is refused`);
    return reply.text;
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i++) await sleep(5);
  ok(holds(), what);
}

function switched(): Topology {
  return { ...EXAMPLE_TOPOLOGY, epoch: 8, primary: b, replicas: [a, c] };
}

test('the primary is found by the name of the deployment and by the alias', async (t) => {
  const { client, view } = await open(t);
  const one = await client();
  for (const name of ['shop', 'mymaster'])
    deepEqual(await one.ask(`SENTINEL get-master-addr-by-name ${name}`), ['10.0.0.1', '6379']);
  equal(await one.ask('SENTINEL get-master-addr-by-name nope'), null);
  deepEqual(await one.ask('ROLE'), ['sentinel', ['shop', 'mymaster']]);
  view.currentTopology = switched();
  deepEqual(await one.ask('sentinel GET-PRIMARY-ADDR-BY-NAME shop'), ['10.0.0.1', '6380']);
  view.currentTopology = { ...switched(), epoch: 9, primary: null };
  equal(await one.ask('SENTINEL get-master-addr-by-name shop'), null);
  deepEqual(await one.ask('SENTINEL masters'), []);
  match(await one.refusal('SENTINEL master shop'), /^ERR No such master with that name$/);
});

test('without an alias the deployment has one name', async (t) => {
  const { client } = await open(t, { alias: null });
  const one = await client();
  equal(await one.ask('SENTINEL get-master-addr-by-name mymaster'), null);
  deepEqual(await one.ask('ROLE'), ['sentinel', ['shop']]);
});

test('flags tell who is away, and the quorum who could agree on it', async (t) => {
  const { client, view } = await open(t);
  const one = await client();
  const flags = async () => {
    const fields = (await one.ask('SENTINEL master shop')) as string[];
    return fields[fields.indexOf('flags') + 1];
  };
  equal(await flags(), 'master');
  const away = { ...EXAMPLE_TOPOLOGY, primary: { ...a, isUp: false } };
  view.currentTopology = { ...away, votersUp: 2 };
  equal(await flags(), 's_down,o_down,master,disconnected');
  deepEqual(await one.ask('SENTINEL is-master-down-by-addr 10.0.0.1 6379 0 *'), [1, '*', 0]);
  deepEqual(await one.ask('SENTINEL is-master-down-by-addr 10.0.0.1 6380 0 *'), [0, '*', 0]);
  view.currentTopology = { ...away, votersUp: 1 };
  equal(await flags(), 's_down,master,disconnected');
  match(await one.refusal('SENTINEL ckquorum shop'), /^NOQUORUM 1 usable.*quorum.*majority/);
});

test('FAILOVER is the switchover, answered when it is done, and one at a time', async (t) => {
  const { client, orders, view } = await open(t);
  const [one, other] = [await client(), await client()];
  const { promise, resolve } = Promise.withResolvers<{ ok: true; text: string }>();
  orders.answer = () => promise;
  const both = ['SENTINEL FAILOVER shop', 'PING'].map((line) => encodeCommand(line.split(' ')));
  one.socket.write(Buffer.concat(both));
  await until('it was ordered', () => orders.asked.length === 1);
  match(await other.refusal('SENTINEL FAILOVER shop'), /^INPROG /);
  resolve({ ok: true, text: 'b leads now' });
  deepEqual([await one.next(), await one.next()], ['OK', 'PONG']);
  orders.answer = { ok: false, code: 'NO_LEADER', text: 'nobody leads' };
  match(await one.refusal('SENTINEL FAILOVER mymaster'), /^ERR NO_LEADER: nobody leads/);
  match(await one.refusal('SENTINEL FAILOVER shop SOON'), /^ERR syntax error/);
  match(await one.refusal('SENTINEL FAILOVER nope'), /^ERR No such master/);
  view.currentTopology = { ...EXAMPLE_TOPOLOGY, replicas: [{ ...b, isUp: false }] };
  match(await one.refusal('SENTINEL FAILOVER shop'), /^NOGOODSLAVE /);
  equal(orders.asked.length, 2);
});

test('with a password whoever orders something must give it, and reading is open', async (t) => {
  const { client, orders } = await open(t, { password: 'open sesame' });
  const one = await client();
  ok(Array.isArray(await one.ask('SENTINEL master shop')));
  const orderings = ['FAILOVER shop', 'RESET *', 'SET shop quorum 1', 'MONITOR x 1.1.1.1 1 1'];
  for (const each of [...orderings, 'CONFIG SET announce-ip x'])
    match(await one.refusal(`SENTINEL ${each}`), /^NOAUTH /);
  match(await one.refusal('AUTH wrong'), /^WRONGPASS /);
  match(await one.refusal('HELLO 3 AUTH default wrong'), /^WRONGPASS /);
  match(await one.refusal('AUTH somebody wrong'), /^WRONGPASS /);
  deepEqual(orders.asked, []);
  one.socket.write(encodeCommand(['AUTH', 'open sesame']));
  equal(await one.next(), 'OK');
  equal(await one.ask('SENTINEL FAILOVER shop'), 'OK');
});

test('what a Sentinel could be told and makes no sense here is refused with the reason', async (t) => {
  const { client } = await open(t);
  const one = await client();
  const refused = [
    'MONITOR x 1.1.1.1 1 1',
    'REMOVE shop',
    'RESET *',
    'SET shop quorum 1',
    'FLUSHCONFIG',
    'DEBUG',
    'INFO-CACHE shop',
    'SIMULATE-FAILURE crash-after-election',
    'CONFIG SET announce-ip x',
  ];
  for (const each of refused)
    match(await one.refusal(`SENTINEL ${each}`), /^ERR SENTINEL [A-Z -]+ is refused: .{10,}/);
  match(await one.refusal('SHUTDOWN'), /^ERR SHUTDOWN is refused/);
});

for (const protocol of [2, 3])
  test(`subscribers are told of a switch in RESP${protocol}, each what it asked for`, async (t) => {
    const { client, view } = await open(t);
    const [exact, pattern, wrong] = [await client(), await client(), await client()];
    const arrived = (of: Client) => of.pushes as Reply[][];
    const take = async (of: Client): Promise<Reply> => {
      if (protocol === 2) return await of.next();
      await until('a message came', () => of.pushes.length > 0);
      return of.pushes.shift() ?? null;
    };
    const all = [exact, pattern, wrong];
    if (protocol === 3) await Promise.all(all.map((each) => each.ask('HELLO 3')));
    exact.socket.write(encodeCommand(['SUBSCRIBE', '+switch-master']));
    pattern.socket.write(encodeCommand(['PSUBSCRIBE', '[-+]switch-*']));
    // What node-redis asks for: no channel has this name.
    wrong.socket.write(encodeCommand(['PSUBSCRIBE', 'switch-master']));
    deepEqual(await take(exact), ['subscribe', '+switch-master', 1]);
    deepEqual(await take(pattern), ['psubscribe', '[-+]switch-*', 1]);
    deepEqual(await take(wrong), ['psubscribe', 'switch-master', 1]);
    view.currentTopology = switched();
    for (const name of ['shop', 'mymaster']) {
      const message = `${name} 10.0.0.1 6379 10.0.0.1 6380`;
      deepEqual(await take(exact), ['message', '+switch-master', message]);
      deepEqual(await take(pattern), ['pmessage', '[-+]switch-*', '+switch-master', message]);
    }
    deepEqual(arrived(wrong), []);
    const pong = protocol === 2 ? ['pong', ''] : 'PONG';
    deepEqual(await exact.ask('PING'), pong);
    if (protocol === 2) match(await exact.refusal('ROLE'), /^ERR Can't execute 'role': only /);
  });

test('what is older than what was told is not told', async (t) => {
  const { client, view } = await open(t);
  const one = await client();
  await one.ask('SUBSCRIBE +switch-master');
  view.currentTopology = switched();
  await one.next();
  await one.next();
  view.currentTopology = EXAMPLE_TOPOLOGY;
  await sleep(120);
  deepEqual(await one.ask('PING x'), ['pong', 'x']);
});

test('a subscriber that does not read is cut off, and others hear on', async (t) => {
  const warned: string[] = [];
  const journal = { info() {}, warn: (event: string) => void warned.push(event) };
  const { client, view, door } = await open(t, { journal });
  const [slow, fast] = [await client(), await client()];
  // Long patterns make long messages.
  const patterns = Array.from({ length: 200 }, (_, i) => `${'*'.repeat(60)}${'?'.repeat(i % 5)}*`);
  for (const each of [slow, fast]) for (const p of patterns) await each.ask(`PSUBSCRIBE ${p}`);
  slow.socket.pause();
  let epoch = 8;
  await until('it was cut off', () => {
    const { primary } = view.currentTopology;
    const isA = primary?.id === a.id;
    view.currentTopology = { ...(isA ? switched() : EXAMPLE_TOPOLOGY), epoch: epoch++ };
    door.look();
    return door.stats().clients === 1;
  });
  deepEqual(warned, ['sentinel.subscriberTooSlow']);
  ok(OUTPUT_BYTES_MAX >= 1024 * 1024);
  equal(fast.closed, false);
});

test('bounds: long commands end the connection, subscriptions are counted', async (t) => {
  const { client } = await open(t);
  const one = await client();
  const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`).join(' ');
  match(await one.refusal(`SUBSCRIBE ${names(SUBSCRIPTIONS_MAX + 1)}`), /subscriptions at most/);
  const long = await client();
  match(await long.refusal(`PING ${'x'.repeat(REQUEST_BYTES_MAX + 1)}`), /invalid bulk length/);
  await until('it is closed', () => long.closed);
  const many = await client();
  match(await many.refusal(`PING ${'x '.repeat(REQUEST_BYTES_MAX / 8)}`), /more than \d+ bytes/);
  await until('it is closed', () => many.closed);
});

test('commands cut anywhere and in one piece are the same commands', async (t) => {
  const { client } = await open(t);
  const stream = Buffer.concat(
    ['PING', 'SENTINEL myid', 'CLIENT SETNAME x', 'CLIENT GETNAME'].map((line) =>
      encodeCommand(line.split(' ')),
    ),
  );
  const one = await client();
  for (const byte of stream) one.socket.write(Buffer.of(byte));
  const slowly = [await one.next(), await one.next(), await one.next(), await one.next()];
  const other = await client();
  other.socket.write(stream);
  const atOnce = [await other.next(), await other.next(), await other.next(), await other.next()];
  deepEqual(slowly, atOnce);
  equal(slowly[3], 'x');
});

test('a browser that is made to send HTTP is not obeyed', async (t) => {
  const { client, orders } = await open(t);
  const one = await client();
  one.socket.write('POST / HTTP/1.1\r\nHost: x\r\n\r\nSENTINEL FAILOVER shop\r\n');
  await until('it is closed', () => one.closed);
  deepEqual(orders.asked, []);
});

test('a port that is taken is named', async (t) => {
  const { door } = await open(t);
  const again = new SentinelDoor({
    view: new ExampleView(),
    orders: new ExampleOrders(),
    host: '127.0.0.1',
    port: door.port,
    alias: null,
    password: null,
    nowMs: () => 0,
    journal: silent,
  });
  await rejects(again.start(), /PORT_BUSY: Sentinel port 127\.0\.0\.1:\d+ is taken/);
});
