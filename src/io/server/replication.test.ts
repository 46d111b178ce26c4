/** `core/psync` against real servers: capture, feed and snapshot, without Raft between. */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { AsPrimary, type PrimaryEvent } from '../../core/psync/as-primary.ts';
import { AsReplica, type ReplicaEvent, type ReplicaOptions } from '../../core/psync/as-replica.ts';
import { emptyRdb } from '../../core/psync/empty-rdb.ts';
import { parseRole, type Role } from '../../core/psync/role.ts';
import { UnitCutter } from '../../core/psync/units.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { type ReplOffset, replOffset } from '../../core/scalars.ts';
import { ReadBuffer } from '../read-buffer.ts';
import { type Admin, connectServer } from './admin.ts';
import { AGENT_USER, type Feed } from './conf.ts';
import { versionText } from './flavor.ts';
import type { LocatedServer } from './locate.ts';
import { listen, startTrial, trialServers, until } from './trial.ts';

const HISTORY = 'f'.repeat(40);
const START = replOffset(1_000);
const AUTH = { user: 'feeder', password: 'feed-password' };
const ACK_MS = 100;

/** A feed: what it was asked and told, and its connection. */
interface Fed {
  readonly feed: Feed;
  readonly events: PrimaryEvent[];
  socket: Socket | null;
}

/** Plays primary: `onWanted` writes the decision. */
async function playPrimary(
  t: TestContext,
  onWanted: (machine: AsPrimary, wanted: PrimaryEvent, socket: Socket) => void,
): Promise<Fed> {
  const events: PrimaryEvent[] = [];
  const port = await listen(t, (socket) => {
    fed.socket = socket;
    const machine = new AsPrimary({ auth: AUTH });
    socket.on('data', (chunk: Buffer) => {
      for (const event of machine.push(chunk)) {
        events.push(event);
        if (event.kind === 'send') socket.write(event.bytes);
        if (event.kind === 'wanted') onWanted(machine, event, socket);
        if (event.kind === 'failed') socket.destroy();
      }
    });
  });
  const fed: Fed = { feed: { port, ...AUTH }, events, socket: null };
  return fed;
}

function startFrom(rdb: Uint8Array, offset: ReplOffset) {
  return (machine: AsPrimary, _wanted: PrimaryEvent, socket: Socket): void => {
    socket.write(machine.replace(HISTORY, offset, rdb.length));
    socket.write(rdb);
  };
}

interface Followed {
  readonly events: ReplicaEvent[];
  readonly socket: Socket;
  /** All that came as `stream`. */
  bytes(): Buffer;
  rdb(): Buffer;
  has(kind: ReplicaEvent['kind']): boolean;
}

function follow(t: TestContext, socketPath: string, options: Partial<ReplicaOptions>): Followed {
  const auth = { user: AGENT_USER, password: 'agent-password' };
  const rest = { auth, listeningPort: 1, version: null, rdbOnly: false, after: null };
  const machine = new AsReplica({ ...rest, ...options });
  const socket = connectServer(socketPath, new ReadBuffer());
  const events: ReplicaEvent[] = [];
  let streamed: number = options.after?.offset ?? 0;
  const take = (list: readonly ReplicaEvent[]) => {
    for (const event of list) {
      events.push(event);
      if (event.kind === 'send') socket.write(event.bytes);
      if (event.kind === 'fullResync') streamed = event.offset;
      if (event.kind === 'stream') streamed += event.bytes.length;
    }
  };
  socket.on('connect', () => take(machine.start()));
  socket.on('data', (chunk: Buffer) => take(machine.push(chunk)));
  socket.on('error', () => undefined);
  const isOver = () => events.some(({ kind }) => kind === 'continued' || kind === 'rdbEnd');
  const timer = setInterval(() => {
    if (isOver()) socket.write(machine.acknowledge(replOffset(streamed)));
  }, ACK_MS);
  t.after(() => {
    clearInterval(timer);
    socket.destroy();
  });
  const gather = (kind: 'stream' | 'rdbBytes') =>
    Buffer.concat(events.flatMap((event) => (event.kind === kind ? [event.bytes] : [])));
  return {
    events,
    socket,
    bytes: () => gather('stream'),
    rdb: () => gather('rdbBytes'),
    has: (kind) => events.some((event) => event.kind === kind),
  };
}

async function roleOf(admin: Admin): Promise<Role> {
  return parseRole(await admin.call(['ROLE']));
}

async function untilApplied(admin: Admin, offset: number): Promise<void> {
  await until(`offset ${offset} is applied`, async () => {
    const role = await roleOf(admin);
    return role.kind === 'replica' && role.link === 'connected' && role.offset === offset;
  });
}

async function primaryOffset(admin: Admin): Promise<number> {
  const role = await roleOf(admin);
  ok(role.kind === 'primary');
  return role.offset;
}

/** A server fed with an empty RDB at `START`, then promoted, with a capture attached. */
async function startReign(t: TestContext, located: LocatedServer) {
  const fed = await playPrimary(t, startFrom(emptyRdb(), START));
  const { server } = await startTrial(t, located, { feed: fed.feed });
  const admin = await server.admin();
  t.after(() => admin.close());
  await untilApplied(admin, START);
  await admin.promote();
  const capture = follow(t, server.socketPath, { after: { replid: HISTORY, offset: START } });
  await until('the capture continues', () => capture.has('continued'));
  return { fed, server, admin, capture };
}

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name} takes the feed's id and offset, RDB and stream`, async (t) => {
    const stream = Buffer.concat([
      encodeCommand(['SELECT', '2']),
      encodeCommand(['SET', 'k', 'v']),
    ]);
    const fed = await playPrimary(t, (machine, wanted, socket) => {
      startFrom(emptyRdb(), START)(machine, wanted, socket);
      socket.write(stream);
    });
    const { server } = await startTrial(t, located, { feed: fed.feed });
    const admin = await server.admin();
    await untilApplied(admin, START + stream.length);
    const info = await admin.info('replication');
    equal(info.replid, HISTORY);
    equal(info.isLinkUp, true);
    await admin.must(['SELECT', '2']);
    equal(await admin.call(['GET', 'k']), 'v');
    fed.socket?.write(encodeCommand(['REPLCONF', 'GETACK', '*']));
    await until('it acknowledges', () =>
      fed.events.some((e) => e.kind === 'acknowledged' && e.offset === START + stream.length),
    );
    equal(
      fed.events.some((event) => event.kind === 'failed'),
      false,
    );
    admin.close();
  });

  test(`${name} cut from its feed asks for what it lacks, and continues there`, async (t) => {
    const wants: PrimaryEvent[] = [];
    const first = encodeCommand(['SET', 'k', '1']);
    const second = encodeCommand(['SET', 'k', '2']);
    const fed = await playPrimary(t, (machine, wanted, socket) => {
      wants.push(wanted);
      if (wants.length === 1) {
        startFrom(emptyRdb(), START)(machine, wanted, socket);
        socket.write(first);
      } else {
        socket.write(machine.proceed(HISTORY));
        socket.write(second);
      }
    });
    const { server } = await startTrial(t, located, { feed: fed.feed });
    const admin = await server.admin();
    await untilApplied(admin, START + first.length);
    fed.socket?.destroy();
    await untilApplied(admin, START + first.length + second.length);
    deepEqual(wants[1], { kind: 'wanted', replid: HISTORY, offset: START + first.length });
    equal(await admin.call(['GET', 'k']), '2');
    admin.close();
  });

  test(`${name} promoted: the capture continues the feed's history, byte for byte`, async (t) => {
    const { server, admin, capture } = await startReign(t, located);
    const [continued] = capture.events.filter((event) => event.kind === 'continued');
    const info = await admin.info('replication');
    ok(continued?.kind === 'continued');
    equal(continued.replid, info.replid);
    notEqual(info.replid, HISTORY);
    equal(info.replid2, HISTORY);
    await until('it is listed', async () => {
      const role = await roleOf(admin);
      return role.kind === 'primary' && role.replicas.length === 1;
    });

    const large = 'x'.repeat(3_000_000);
    await admin.must(['SET', 'large', large]);
    await admin.must(['MSET', 'a', '1', 'b', '2']);
    const end = await primaryOffset(admin);
    await until('all bytes came', () => START + capture.bytes().length >= end);
    equal(START + capture.bytes().length, end);

    // What was captured, given to another server, makes the same data at the same offset.
    const other = await playPrimary(t, (machine, wanted, socket) => {
      startFrom(emptyRdb(), START)(machine, wanted, socket);
      socket.write(capture.bytes());
    });
    const follower = await startTrial(t, located, { feed: other.feed });
    const followerAdmin = await follower.server.admin();
    await untilApplied(followerAdmin, end);
    equal(await followerAdmin.call(['GET', 'large']), large);
    equal((await followerAdmin.info('stats')).unexpectedErrorReplies, 0);
    followerAdmin.close();

    // The capture breaks and comes back with the reign's own id.
    capture.socket.destroy();
    await admin.must(['SET', 'meanwhile', '1']);
    const again = follow(t, server.socketPath, {
      after: { replid: continued.replid, offset: replOffset(end) },
    });
    await until('it came', () => again.bytes().includes('meanwhile'));
    deepEqual(again.events.find((event) => event.kind === 'continued')?.kind, 'continued');
    equal(again.has('fullResync'), false);
  });

  test(`${name}: every offset that ROLE tells is a unit boundary of the stream`, async (t) => {
    const { server, admin, capture } = await startReign(t, located);
    // ROLE goes over another connection: in MULTI it would only be queued.
    const client = await server.admin();
    t.after(() => client.close());
    const told: number[] = [];
    const scripts = [
      "return redis.call('SET', KEYS[1], '1')",
      "redis.call('SET', 'k', '1') redis.call('SELECT', '4') return redis.call('INCR', 'k')",
      "redis.call('SET', KEYS[1], '1') return redis.call('NOSUCH')",
    ];
    const steps: string[][] = [
      ['SADD', 's', '1', '2', '3', '4'],
      ['SPOP', 's'],
      ['SPOP', 's', '9'],
      ['XADD', 'x', '*', 'f', 'v'],
      ['XGROUP', 'CREATE', 'x', 'g', '0'],
      ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'x', '>'],
      ['SELECT', '3'],
      ...scripts.map((script) => ['EVAL', script, '1', 'k']),
      ['MULTI'],
      ['SET', 'a', '1'],
      ['SELECT', '5'],
      ['SET', 'b', '1'],
      ['EXEC'],
      ['SET', 'multi', 'exec'],
      ['SET', 'gone', '1', 'PX', '1'],
      ['PUBLISH', 'c', 'MULTI'],
      ['FLUSHALL'],
    ];
    for (const step of steps) {
      await client.call(step);
      told.push(await primaryOffset(admin));
    }
    const end = told.at(-1) ?? 0;
    await until('all bytes came', () => START + capture.bytes().length >= end);
    const cutter = new UnitCutter(1 << 20);
    const boundaries = new Set<number>([START]);
    const bytes = capture.bytes();
    let at: number = START;
    for (let i = 0; i < bytes.length; i++) {
      const cut = cutter.push(bytes.subarray(i, i + 1));
      ok(cut.kind === 'cut');
      at += cut.byteCount;
      boundaries.add(at);
    }
    for (const offset of told) ok(boundaries.has(offset), `${offset}`);
    ok(bytes.includes('EXEC'));
  });

  test(`${name}: an RDB taken from a fed server carries the feed's id and offset`, async (t) => {
    const first = encodeCommand(['SET', 'k', 'v']);
    const fed = await playPrimary(t, (machine, wanted, socket) => {
      startFrom(emptyRdb(), START)(machine, wanted, socket);
      socket.write(first);
      // Half a transaction: the snapshot stands at the boundary before it.
      socket.write(Buffer.concat([encodeCommand(['MULTI']), encodeCommand(['SET', 'half', '1'])]));
    });
    const { server } = await startTrial(t, located, { feed: fed.feed });
    const admin = await server.admin();
    await untilApplied(admin, START + first.length);
    const snapshot = follow(t, server.socketPath, { rdbOnly: true });
    await until('the RDB is whole', () => snapshot.has('rdbEnd'));
    deepEqual(
      snapshot.events.find((event) => event.kind === 'fullResync'),
      { kind: 'fullResync', replid: HISTORY, offset: START + first.length },
    );
    const role = await roleOf(admin);
    equal(role.kind, 'replica');
    snapshot.socket.destroy();
    admin.close();

    const rdb = snapshot.rdb();
    const offset = replOffset(START + first.length);
    const rest = Buffer.concat([
      encodeCommand(['MULTI']),
      encodeCommand(['SET', 'half', '1']),
      encodeCommand(['EXEC']),
    ]);
    const other = await playPrimary(t, (machine, wanted, socket) => {
      startFrom(rdb, offset)(machine, wanted, socket);
      socket.write(rest);
    });
    const restored = await startTrial(t, located, { feed: other.feed });
    const restoredAdmin = await restored.server.admin();
    await untilApplied(restoredAdmin, offset + rest.length);
    deepEqual(await restoredAdmin.call(['MGET', 'k', 'half']), ['v', '1']);
    restoredAdmin.close();
  });

  test(`${name}: an RDB-only connection is no replica to min-replicas-to-write`, async (t) => {
    const { server, admin, capture } = await startReign(t, located);
    await admin.must(['CONFIG', 'SET', 'min-replicas-to-write', '1']);
    await until('writes are taken', async () => (await admin.call(['SET', 'k', 'v'])) === 'OK');
    const snapshot = follow(t, server.socketPath, { rdbOnly: true });
    await until('the RDB is whole', () => snapshot.has('rdbEnd'));
    capture.socket.destroy();
    await until('writes are refused', async () => (await admin.call(['SET', 'k', 'v'])) !== 'OK');
  });

  test(`${name}: a full sync as a replica brings the RDB and then the stream`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    await admin.must(['SET', 'before', '1']);
    const whole = follow(t, server.socketPath, {});
    await until('the RDB is whole', () => whole.has('rdbEnd'));
    await admin.must(['SET', 'after', '1']);
    await until('the stream came', () => whole.bytes().includes('after'));
    equal(whole.rdb().subarray(0, 5).toString(), 'REDIS');
    ok(whole.rdb().includes('before'));
    admin.close();
  });

  test(`${name} ends itself when a command of the feed fails: it has diverged`, async (t) => {
    const fed = await playPrimary(t, startFrom(emptyRdb(), START));
    const { server, exits } = await startTrial(t, located, { feed: fed.feed });
    const admin = await server.admin();
    t.after(() => admin.close());
    await untilApplied(admin, START);
    fed.socket?.write(encodeCommand(['SET', 'k', 'v']));
    fed.socket?.write(encodeCommand(['LPUSH', 'k', 'v']));
    await until('it is gone', () => exits.length > 0);
    equal(exits[0]?.isWanted, false);
  });

  test(`${name} gives a value of 64 MiB to the capture, as one unit`, async (t) => {
    const { admin, capture } = await startReign(t, located);
    const value = Buffer.alloc(64 << 20, 'x');
    await admin.must(['SET', 'large', value], 20_000);
    const end = await primaryOffset(admin);
    const cutter = new UnitCutter(128 << 20);
    let whole = 0;
    let taken = 0;
    await until('all bytes came and are one unit more', () => {
      for (const event of capture.events.slice(taken)) {
        if (event.kind !== 'stream') continue;
        const cut = cutter.push(event.bytes);
        whole += cut.kind === 'cut' ? cut.byteCount : 0;
      }
      taken = capture.events.length;
      return START + whole === end;
    });
    equal(cutter.pendingBytes, 0);
  });

  test(`${name}: a wrong password is refused on both sides`, async (t) => {
    const { server } = await startTrial(t, located);
    const auth = { user: AGENT_USER, password: 'wrong' };
    const refused = follow(t, server.socketPath, { auth });
    await until('we are refused', () => refused.has('refused'));
    const told = refused.events.find((event) => event.kind === 'refused');
    ok(told?.kind === 'refused' && !told.isTransient && told.text.startsWith('auth'));

    const fed = await playPrimary(t, () => undefined);
    await startTrial(t, located, { feed: { ...fed.feed, password: 'wrong' } });
    await until('the server is refused', () => fed.events.some(({ kind }) => kind === 'failed'));
    equal(
      fed.events.some(({ kind }) => kind === 'wanted'),
      false,
    );
  });
}
