/** The driver of an eventual deployment's server, over real ones. */
import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ErrorReply } from '../core/resp/reply-reader.ts';
import { versionText } from '../io/server/flavor.ts';
import { trialServers, until } from '../io/server/trial.ts';
import { monotonicMs } from './monotonic.ts';
import { TrialServer } from './trial-eventual-server.ts';

const LEASE_MS = 60_000;

/** What a client is told that says this at the server's own port. */
function said(server: TrialServer, line: string): Promise<string> {
  const port = Number(server.address.split(':')[1]);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\n`));
    socket.setEncoding('utf8').once('data', (text) => {
      socket.destroy();
      resolve(String(text).trim());
    });
    socket.once('error', reject).once('close', () => resolve('closed'));
  });
}

async function opened(t: TestContext, server: TrialServer): Promise<string> {
  ok(await server.take({ kind: 'promote' }));
  const { history } = await server.seen();
  ok(await server.take({ kind: 'open', untilMs: monotonicMs() + LEASE_MS, minReplicas: 0 }));
  t.after(() => server.server.disarm(server.life));
  return history;
}

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name} starts shut, a replica of nobody, and is opened and shut`, async (t) => {
    const server = await TrialServer.make(t, located);
    const { role, upstream, isLinkUp, isShut } = await server.seen();
    deepEqual(
      { role, upstream, isLinkUp, isShut },
      {
        role: 'replica',
        upstream: null,
        isLinkUp: false,
        isShut: true,
      },
    );
    match(await said(server, 'SET k 1'), /^-READONLY/);
    ok(await server.take({ kind: 'promote' }));
    equal((await server.seen()).role, 'primary');
    match(await said(server, 'SET k 1'), /^-NOREPLICAS/);
    ok(await server.take({ kind: 'open', untilMs: monotonicMs() + LEASE_MS, minReplicas: 0 }));
    equal(await said(server, 'SET k 1'), '+OK');
    ok(await server.take({ kind: 'shut' }));
    match(await said(server, 'SET k 2'), /^-NOREPLICAS/);
    const untilMs = monotonicMs() + LEASE_MS;
    ok(await server.take({ kind: 'open', untilMs, minReplicas: 1 }));
    match(await said(server, 'SET k 2'), /^-NOREPLICAS/, 'nobody follows');
    const { minReplicas, ...open } = await server.seen();
    deepEqual([minReplicas, open.isShut], [1, false]);
    ok(await server.take({ kind: 'shut' }));
    ok((await server.seen()).isShut);
    match(await said(server, "EVAL \"return redis.call('SET','k','2')\" 0"), /NOREPLICAS/);
    equal(await server.call('GET', 'k'), '1');
  });

  test(`${name} keeps its history when the first replica comes`, async (t) => {
    const primary = await TrialServer.make(t, located);
    const replica = await TrialServer.make(t, located);
    const history = await opened(t, primary);
    equal(await said(primary, 'SET k 1'), '+OK');
    ok(await replica.take({ kind: 'follow', address: primary.address }));
    const seen = await replica.seen(({ isLinkUp, isOnDisk }) => isLinkUp && isOnDisk);
    equal(seen.history, history);
    equal(seen.upstream, primary.address);
    equal(replica.beforeFollowing, 1);
    equal((await primary.seen()).history, history);
    const { replicas, offset } = await primary.seen(({ replicas }) => replicas.length === 1);
    deepEqual(
      replicas.map(({ address }) => address),
      [replica.address],
    );
    ok(offset > 0);
    equal(await replica.call('GET', 'k'), '1');
  });

  test(`${name} detaches: its clients are closed, and nothing is taken twice`, async (t) => {
    const primary = await TrialServer.make(t, located);
    const replica = await TrialServer.make(t, located);
    const history = await opened(t, primary);
    ok(await replica.take({ kind: 'follow', address: primary.address }));
    await replica.seen(({ isLinkUp }) => isLinkUp);
    ok(await primary.take({ kind: 'pause', forMs: 60_000 }));
    const waiting = said(primary, 'SET paused 1');
    const { offset } = await primary.seen();
    await replica.seen((seen) => seen.offset >= offset);
    ok(await primary.take({ kind: 'detach' }));
    const told = await waiting;
    ok(told === 'closed' || told.startsWith('-READONLY'), told);
    equal((await primary.seen()).role, 'replica');
    ok(await replica.take({ kind: 'promote' }));
    const seen = await replica.seen();
    notEqual(seen.history, history);
    equal(seen.leftAt, (await primary.seen()).offset);
    ok(await primary.take({ kind: 'follow', address: replica.address }));
    await primary.seen(({ isLinkUp }) => isLinkUp);
    const stats = String(await replica.call('INFO', 'stats'));
    match(stats, /sync_partial_ok:1\r/, 'without taking all of it again');
    equal(await replica.call('EXISTS', 'paused'), 0);
  });

  test(`${name} has its data after it was killed, and another history`, async (t) => {
    const server = await TrialServer.make(t, located);
    const history = await opened(t, server);
    for (let i = 0; i < 20; i++) equal(await said(server, `SET k${i} ${i}`), '+OK');
    await server.seen(({ isOnDisk }) => isOnDisk);
    await server.kill();
    await server.start();
    const seen = await server.seen();
    equal(seen.role, 'replica');
    ok(seen.isShut);
    notEqual(seen.history, history);
    equal(await server.call('DBSIZE'), 20);
    equal(server.emptyStarts, 1, 'the first');
    await server.kill();
    await rm(`${server.directory}/data`, { recursive: true });
    await server.start();
    equal(server.emptyStarts, 2);
  });

  test(`${name} ends by itself when it is told to, its file synced`, async (t) => {
    const server = await TrialServer.make(t, located);
    ok(await server.take({ kind: 'promote' }));
    ok(await server.take({ kind: 'open', untilMs: monotonicMs() + LEASE_MS, minReplicas: 0 }));
    equal(await said(server, 'SET k 1'), '+OK');
    await server.server.end();
    match(server.server.lastDown ?? '', /exited with 0/);
    match(server.server.lastDown ?? '', /Calling fsync\(\) on the AOF file/);
  });

  test(`${name} is killed by its warden when nobody renews its lease`, async (t) => {
    const server = await TrialServer.make(t, located);
    ok(await server.take({ kind: 'promote' }));
    ok(await server.take({ kind: 'open', untilMs: monotonicMs() + 300, minReplicas: 0 }));
    server.server.extend(server.life, monotonicMs() + 600);
    await until('it is gone', () => !server.isUp);
    match(server.downs[0] ?? '', /SIGKILL/);
  });

  test(`${name} that runs a script is busy, and is not opened by a lease that is over`, async (t) => {
    const server = await TrialServer.make(t, located);
    const script = said(server, 'EVAL "while true do end" 0').catch(() => undefined);
    await until('it says so', () => {
      server.server.look(server.life);
      return server.busyTimes > 0;
    });
    equal(await said(server, 'SCRIPT KILL'), '+OK');
    await script;
    await server.seen();
    ok(await server.take({ kind: 'promote' }));
    equal(await server.take({ kind: 'open', untilMs: monotonicMs() - 1, minReplicas: 0 }), false);
    ok((await server.seen()).isShut);
  });

  test(`${name}: clients cannot take it out of the agent's hands`, async (t) => {
    const server = await TrialServer.make(t, located);
    const commands = ['CONFIG GET masterauth', 'CONFIG SET min-replicas-to-write 0'];
    const others = ['REPLICAOF NO ONE', 'FAILOVER', 'SHUTDOWN', 'CLIENT KILL TYPE replica', 'SAVE'];
    for (const command of [...commands, ...others, 'PSYNC ? -1', 'CLIENT UNPAUSE'])
      match(await said(server, command), /^-NOPERM/, command);
    ok(!((await server.call('PING')) instanceof ErrorReply));
  });
}
