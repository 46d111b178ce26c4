import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { replOffset } from '../core/scalars.ts';
import type { RelayThreads } from './relay-threads.ts';
import { freePort, type Said, startThreads, TrialClient, TrialServer } from './trial-threads.ts';

/** So many that each thread has some. */
const CLIENTS = 16;
const PATIENCE_MS = 5_000;

let server: TrialServer;
let port: number;
const open: { stop(): unknown }[] = [];

before(async () => {
  server = new TrialServer();
  port = await freePort();
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
  server.replicas = 1;
});
after(() => server.close());

async function start(sessionsMax?: number): Promise<{ threads: RelayThreads; said: Said }> {
  const started = await startThreads(server, port, sessionsMax);
  open.push(started.threads);
  return started;
}

function clients(count = CLIENTS): TrialClient[] {
  const all = Array.from({ length: count }, () => new TrialClient(port));
  open.push({ stop: () => all.map(({ socket }) => socket.destroy()) });
  return all;
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await sleep(5);
  }
}

/** Long enough for anything that would happen by mistake to happen. */
const aMoment = (): Promise<unknown> => sleep(80);

function lead(threads: RelayThreads, reign: number): void {
  threads.watch.began(1);
  threads.watch.committed(replOffset(server.offset));
  threads.setRoute({ kind: 'open', reign });
}

/** Raft as far as rounds go: each that is wanted begins, and is confirmed. */
function confirm(threads: RelayThreads, said: Said): void {
  const highest = Math.max(...said.rounds);
  threads.watch.began(highest + 1);
  threads.watch.confirmed(highest);
}

test('clients of every thread are answered when it is committed and confirmed, not before', async () => {
  const { threads, said } = await start();
  const all = clients();
  for (const client of all) client.send('SET', 'k', 'v');
  lead(threads, 1);
  await until('all executed', () => threads.counters().commandsTotal === CLIENTS);
  await aMoment();
  deepEqual(new Set(all.map(({ received }) => received)), new Set(['']));
  threads.watch.committed(replOffset(server.offset));
  await until('a round is wanted', () => said.rounds.length > 0);
  deepEqual(new Set(all.map(({ received }) => received)), new Set(['']));
  confirm(threads, said);
  await until('all answered', () => all.every(({ received }) => received === '+OK\r\n'));
  ok(said.rounds.length < CLIENTS, `${said.rounds.length} requests for ${CLIENTS} replies`);
  deepEqual([said.failures, said.fatal], [[], []]);
  await until('counted', () => threads.counters().connectionsTotal === CLIENTS);
  equal(threads.counters().lanes, 2, 'both threads had some');
});

test('H1: when a reign is over nothing it held leaves, whatever the next one commits', async () => {
  const { threads, said } = await start();
  const [holding, idle] = [clients(), clients(1)];
  for (const client of holding) client.send('SET', 'k', 'v');
  lead(threads, 1);
  await until('all executed', () => threads.counters().commandsTotal === CLIENTS);
  await until('all held', () => threads.counters().heldBytes === CLIENTS * '+OK\r\n'.length);
  threads.endReign('deposed');
  ok(threads.settled !== null);
  await threads.settled;
  equal(threads.settled, null);
  await until('connections are gone', () => server.connections.size === 0);
  lead(threads, 2);
  threads.watch.committed(replOffset(server.offset + 1_000));
  threads.watch.confirmed(1_000);
  await until('whose replies are lost are closed', () => holding.every((each) => each.isClosed));
  deepEqual(new Set(holding.map(({ received }) => received)), new Set(['']));
  idle[0]?.send('GET', 'k');
  await until('who was idle goes on', () => idle[0]?.received === '$1\r\nv\r\n');
  deepEqual(said.failures, []);
});

test('a fence that breaks ends the reign, once for each thread that sees it', async () => {
  const { threads, said } = await start();
  lead(threads, 1);
  await until('both fences', () => server.fences.size === 2);
  await aMoment();
  for (const fence of server.fences) fence.destroy();
  await until('told', () => said.failures.length === 2);
  match(said.failures[0] ?? '', /the fence of a thread broke/);
  threads.endReign('so be it');
  lead(threads, 2);
  await until('both fences', () => server.fences.size === 2);
  await aMoment();
  equal(said.failures.length, 2);
});

test('a server that has lost the capture ends the reign', async () => {
  const { threads, said } = await start();
  server.replicas = 0;
  lead(threads, 1);
  const [client] = clients(1);
  client?.send('GET', 'k');
  await until('told', () => said.failures.length > 0);
  match(said.failures[0] ?? '', /the server has lost the capture/);
  equal(client?.received, '');
});

test('what a thread says of a reign that is over is not heard', async () => {
  const { threads, said } = await start();
  lead(threads, 1);
  await until('both fences', () => server.fences.size === 2);
  await aMoment();
  threads.watch.committed(replOffset(server.offset));
  for (const fence of server.fences) fence.destroy();
  threads.endReign('at the same time');
  await threads.settled;
  await aMoment();
  deepEqual(said.failures, []);
});

test('while reads are paused no command goes to the server', async () => {
  const { threads, said } = await start();
  lead(threads, 1);
  threads.pauseReads();
  await threads.settled;
  const all = clients();
  for (const client of all) client.send('GET', 'k');
  await aMoment();
  equal(threads.counters().commandsTotal, 0);
  threads.resumeReads();
  await until('a round is wanted', () => said.rounds.length > 0);
  await until('all answered', () => {
    confirm(threads, said);
    return all.every(({ received }) => received !== '');
  });
});

test('WAIT is answered what holds now, also when the members change in a reign', async () => {
  const { threads, said } = await start();
  const [client] = clients(1);
  threads.watch.replicasHolding(1);
  lead(threads, 1);
  for (const count of [1, 2]) {
    threads.watch.replicasHolding(count);
    client?.send('WAIT', '5', '0');
    await until('a round is wanted', () => said.rounds.length === count);
    confirm(threads, said);
    await until('answered', () => client?.received.endsWith(`:${count}\r\n`) === true);
  }
});

test('sessions are bounded in all threads together', async () => {
  const { threads } = await start(5);
  const all = clients();
  await until('some are refused', () => all.filter(({ isClosed }) => isClosed).length === 11);
  await until('all are counted', () => {
    const { sessions, rejectedTotal } = threads.counters();
    return sessions === 5 && rejectedTotal === 11;
  });
  match(all.find(({ isClosed }) => isClosed)?.received ?? '', /max number of clients/);
});

test('a port in use is the error that it is without threads, shared or not', async () => {
  const taken = /^RelayError: CLIENT_PORT_IN_USE: listening for clients on 127\.0\.0\.1:\d+$/;
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  await rejects(start(), taken);
  await new Promise((resolve) => other.close(resolve));
  await start();
  await rejects(start(), taken);
});

test('a thread that fails ends the agent by name', async () => {
  const { threads, said } = await start();
  threads.learn(null as never);
  await until('told', () => said.fatal.length > 0);
  match(said.fatal[0] ?? '', /^RELAY_THREAD_ENDED: .*not iterable/);
});
