/** Reads on followers: what a connection is told is never older than it may be, whoever dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis as IoRedis } from 'ioredis';
import { createClient } from 'redis';
import { Deployment } from './deployment.ts';
import { figures, IS_FULL } from './figures.ts';
import { signal, until } from './processes.ts';
import { Failure, Wire } from './wire.ts';

const KILLS = IS_FULL ? 20 : 1;
const CONNECTIONS = IS_FULL ? 200 : 30;
const BETWEEN_KILLS_MS = IS_FULL ? 3_000 : 1_500;
/** As long as a command waits for a leader, and something for a loaded machine. */
const LOST_MS = 8_000;
/** Threads tell what they have counted some 40 times a second. */
const COUNTED_MS = 250;
/** What is refused at once, on a machine that others use too. */
const AT_ONCE_MS = 1_500;

/** `living`: the nodes that are asked. */
async function setReads(
  deployment: Deployment,
  reads: string,
  living = deployment.indices,
): Promise<void> {
  await until(`reads: ${reads}`, LOST_MS, async () => {
    const answer = await fetch(`http://127.0.0.1:${deployment.httpPort(living[0] ?? 0)}/spec`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reads }),
    });
    return answer.ok;
  });
  await until('all nodes knowing it', LOST_MS, async () => {
    const answers = await Promise.all(living.map((i) => deployment.ask(i)));
    return answers.every(({ status }) => status?.spec?.reads === reads);
  });
}

/** Of all nodes that answer. */
async function readsHere(deployment: Deployment): Promise<number> {
  const texts = await Promise.all(
    deployment.indices.map((i) =>
      fetch(`http://127.0.0.1:${deployment.httpPort(i)}/metrics`).then(
        (answer) => answer.text(),
        () => '',
      ),
    ),
  );
  const counts = texts.map((text) => Number(/^althing_reads_here_total (\d+)$/m.exec(text)?.[1]));
  return counts.reduce((sum, count) => sum + (count || 0), 0);
}

interface Tally {
  written: number;
  read: number;
  /** What must not be. */
  readonly stale: string[];
}

/** Writes ever larger numbers under a key of its own, and reads each; begins anew when cut off. */
async function writeAndRead(port: number, key: string, tally: Tally, end: AbortSignal) {
  let next = 0;
  while (!end.aborted) {
    const wire = new Wire(port);
    let acknowledged = 0;
    try {
      while (!end.aborted) {
        next += 1;
        if ((await wire.call('SET', key, next)) === 'OK') {
          acknowledged = next;
          tally.written += 1;
        }
        for (let again = 0; again < 3; again++) {
          const value = await wire.call('GET', key);
          if (value instanceof Failure) break;
          tally.read += 1;
          if (Number(value) < acknowledged)
            tally.stale.push(`${key} at ${port}: ${value} after ${acknowledged}`);
        }
      }
    } catch {
      await sleep(50);
    }
    wire.close();
  }
}

/** Reads a number that only grows: never less than what anybody knew before the read began. */
async function readShared(port: number, known: { most: number }, tally: Tally, end: AbortSignal) {
  while (!end.aborted) {
    const wire = new Wire(port);
    try {
      while (!end.aborted) {
        const least = known.most;
        const value = await wire.call('GET', 'shared');
        if (value instanceof Failure) continue;
        tally.read += 1;
        if (Number(value) < least) tally.stale.push(`at ${port}: ${value}, and ${least} was known`);
        known.most = Math.max(known.most, Number(value));
      }
    } catch {
      await sleep(50);
    }
    wire.close();
  }
}

async function writeShared(port: number, known: { most: number }, tally: Tally, end: AbortSignal) {
  let next = 0;
  while (!end.aborted) {
    const wire = new Wire(port);
    try {
      while (!end.aborted) {
        next += 1;
        if ((await wire.call('SET', 'shared', next)) !== 'OK') continue;
        known.most = Math.max(known.most, next);
        tally.written += 1;
      }
    } catch {
      await sleep(50);
    }
    wire.close();
  }
}

async function killLeaders(deployment: Deployment): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(BETWEEN_KILLS_MS);
    const leader = await deployment.leader();
    const pid = kill % 2 === 0 ? deployment.agentPid(leader) : deployment.serverPid(leader);
    signal(await pid, 'SIGKILL');
  }
  await sleep(BETWEEN_KILLS_MS);
}

for (const reads of ['local', 'linearizable'])
  test(`${reads}: a connection to any node reads its own writes while leaders die`, async (t) => {
    const deployment = await Deployment.up(t);
    await setReads(deployment, reads);
    const end = new AbortController();
    const tally: Tally = { written: 0, read: 0, stale: [] };
    const all = Array.from({ length: CONNECTIONS }, (_, n) =>
      writeAndRead(deployment.port(n % deployment.nodes), `own${n}`, tally, end.signal),
    );
    await killLeaders(deployment);
    const here = await until('as many reads on followers', 60_000, async () => {
      const count = await readsHere(deployment);
      return count > CONNECTIONS ? count : null;
    });
    end.abort();
    await Promise.all(all);
    figures(`reads-${reads}`, { kills: KILLS, ...tally, stale: tally.stale.length, here });
    assert.deepEqual(tally.stale.slice(0, 5), []);
    assert.ok(tally.written > CONNECTIONS, `${tally.written} written`);
  });

test('linearizable: a follower knows what anybody was told before the read', async (t) => {
  const deployment = await Deployment.up(t);
  await setReads(deployment, 'linearizable');
  const end = new AbortController();
  const tally: Tally = { written: 0, read: 0, stale: [] };
  const known = { most: 0 };
  const seed = new Wire(deployment.port(0));
  await seed.must('SET', 'shared', 0);
  seed.close();
  // The writer is at one node, which leads only now and then; readers are at all of them.
  const all = [
    writeShared(deployment.port(0), known, tally, end.signal),
    ...[0, 1, 2, 0, 1, 2].map((i) => readShared(deployment.port(i), known, tally, end.signal)),
  ];
  await killLeaders(deployment);
  const here = await readsHere(deployment);
  end.abort();
  await Promise.all(all);
  figures('reads-shared', { kills: KILLS, ...tally, stale: tally.stale.length, here });
  assert.deepEqual(tally.stale.slice(0, 5), []);
  assert.ok(tally.written > 0 && here > 0);
});

async function timed(call: Promise<unknown>): Promise<{ text: string; ms: number }> {
  const begun = performance.now();
  const value = await call;
  const text = value instanceof Failure ? value.text : String(value);
  return { text, ms: performance.now() - begun };
}

test('a node without a majority refuses at once, reads where that was asked for, and heals', async (t) => {
  const deployment = await Deployment.agents(t);
  await setReads(deployment, 'local');
  const last = ((await deployment.leader()) + 1) % deployment.nodes;
  const others = deployment.indices.filter((i) => i !== last);
  const before = new Wire(deployment.port(last));
  await before.must('SET', 'kept', 'v');
  assert.equal(await before.must('GET', 'kept'), 'v');
  const other = others[0] as number;
  await Promise.all(others.map((i) => deployment.stopNode(i, 'SIGKILL')));

  // At once for reads; a write waits as long as another leader might be elected.
  const open = new Wire(deployment.port(last));
  const own = await timed(open.call('GET', 'kept'));
  assert.equal(own.text, 'v');
  assert.ok(own.ms < AT_ONCE_MS, `a read took ${own.ms} ms`);
  await until('it giving up on a leader', LOST_MS, async () => {
    // One that has reached a leader which then dies is cut off instead.
    const wire = new Wire(deployment.port(last));
    const { ms, text } = await timed(wire.call('SET', 'other', 'w').catch(String));
    wire.close();
    return ms < AT_ONCE_MS && /^READONLY /.test(text);
  });
  // A fresh connection, as a library makes it: all of it answered by the node itself.
  const fresh = new Wire(deployment.port(last));
  assert.ok(Array.isArray(await fresh.must('HELLO', '3')));
  assert.equal(await fresh.must('SELECT', 0), 'OK');
  assert.equal(await fresh.must('GET', 'kept'), 'v');
  const refused = await timed(fresh.call('SET', 'kept', 'w'));
  assert.match(refused.text, /^READONLY /);
  assert.ok(refused.ms < AT_ONCE_MS, `it was refused after ${refused.ms} ms`);
  // Who has said that the leader is to answer gets no other answer.
  assert.equal(await fresh.must('READWRITE'), 'OK');
  for (const words of [['GET', 'kept'] as const, ['SET', 'kept', 'w'] as const]) {
    const { text, ms } = await timed(fresh.call(...words));
    assert.match(text, /^CLUSTERDOWN /);
    assert.ok(ms < AT_ONCE_MS, `${words[0]} was refused after ${ms} ms`);
  }

  deployment.startNode(other);
  await until('the majority', 40_000, async () => (await deployment.ask(last)).ready);
  const healed = await until('writes', LOST_MS, async () => {
    // A thread may hear of the leader later than the node says that it is ready: who is asking the
    // own server just then is cut off.
    const wire = new Wire(deployment.port(last));
    if ((await wire.call('SET', 'kept', 'x').catch(String)) === 'OK') return wire;
    wire.close();
    return null;
  });
  assert.equal(await healed.must('GET', 'kept'), 'x');
  for (const wire of [before, open, fresh, healed]) wire.close();

  // The same where reads are the leader's to answer, for whoever asks for local ones himself.
  await setReads(deployment, 'leader', [last, other]);
  // One that has led knows only by the next leader which of its writes count.
  if ((await deployment.leader()) === last) await deployment.switchover(other);
  const earlier = await readsHere(deployment);
  await until('a read by its server', LOST_MS, async () => {
    const wire = new Wire(deployment.port(last));
    await wire.must('READONLY');
    assert.equal(await wire.must('GET', 'kept'), 'x');
    wire.close();
    return (await readsHere(deployment)) > earlier;
  });
  await deployment.stopNode(other, 'SIGKILL');
  await assertLocalByAsking(deployment.port(last), 'x');
});

const CLUSTERDOWN = /^CLUSTERDOWN /;

/** As clients come to say READONLY: in any order of what they send on connecting. */
async function assertLocalByAsking(port: number, value: string): Promise<void> {
  await until('it giving up on a leader', LOST_MS, async () => {
    const wire = new Wire(port);
    const { ms, text } = await timed(wire.call('GET', 'kept').catch(String));
    wire.close();
    return ms < AT_ONCE_MS && CLUSTERDOWN.test(text);
  });
  const greeting = [
    ['HELLO', '3'],
    ['CLIENT', 'SETNAME', 'me'],
    ['SELECT', '0'],
    ['READONLY'],
  ] as const;
  for (const at of greeting.keys()) {
    const wire = new Wire(port);
    const begun = performance.now();
    for (const words of [...greeting.slice(at), ...greeting.slice(0, at)]) wire.command(...words);
    wire.command('GET', 'kept');
    for (const _ of greeting) {
      const reply = await wire.reply();
      assert.equal(reply instanceof Failure ? reply.text : 'said', 'said');
    }
    assert.equal(await wire.reply(), value);
    const ms = performance.now() - begun;
    assert.ok(ms < AT_ONCE_MS, `it took ${ms} ms`);
    assert.match(((await wire.call('SET', 'kept', 'w')) as Failure).text, /^READONLY /);
    assert.equal(await wire.must('READWRITE'), 'OK');
    assert.match(((await wire.call('GET', 'kept')) as Failure).text, CLUSTERDOWN);
    wire.close();
  }
  const io = new IoRedis({ host: '127.0.0.1', port, readOnly: true });
  assert.equal(await io.get('kept'), value);
  io.disconnect();
  const node = createClient({ url: `redis://127.0.0.1:${port}`, readonly: true });
  await node.connect();
  assert.equal(await node.get('kept'), value);
  node.destroy();
}

test('without being asked for no follower answers reads; READONLY asks for one connection', async (t) => {
  const deployment = await Deployment.up(t);
  const follower = ((await deployment.leader()) + 1) % deployment.nodes;
  const counted = async (): Promise<number> => {
    await sleep(COUNTED_MS);
    return await readsHere(deployment);
  };
  const wire = new Wire(deployment.port(follower));
  await wire.must('SET', 'k', 'v');
  await wire.must('GET', 'k');
  assert.equal(await counted(), 0);
  assert.equal(await wire.must('READONLY'), 'OK');
  // Its server may have to catch up first: until then the leader answers.
  await until('a read here', LOST_MS, async () => {
    assert.equal(await wire.must('GET', 'k'), 'v');
    return (await readsHere(deployment)) > 0;
  });
  const base = await counted();
  // What the session is in the middle of, and what it is, keep their meaning.
  await wire.must('SELECT', 1);
  assert.equal(await wire.must('GET', 'k'), null);
  await wire.must('SET', 'k', 'of 1');
  assert.equal(await wire.must('GET', 'k'), 'of 1');
  assert.equal(await counted(), base + 2);
  await wire.must('WATCH', 'k');
  assert.equal(await wire.must('GET', 'k'), 'of 1');
  await wire.must('MULTI');
  await wire.must('GET', 'k');
  assert.deepEqual(await wire.must('EXEC'), ['of 1']);
  assert.equal(await counted(), base + 2);
  await wire.must('READWRITE');
  await wire.must('GET', 'k');
  assert.equal(await counted(), base + 2);
  wire.close();
});

test("a follower's server listens itself, for reads, and never while it leads", async (t) => {
  const localPort = (deployment: Deployment, i: number) => deployment.basePort + 3_000 + i;
  const deployment = await Deployment.up(t, { flags: ['--local-port'] });
  const isServed = async (i: number): Promise<boolean> => {
    const wire = new Wire(localPort(deployment, i));
    const value = await wire.call('GET', 'k').catch(() => null);
    wire.close();
    return value === 'v';
  };
  const wire = new Wire(deployment.port(0));
  await wire.must('SET', 'k', 'v');
  const lead = async (to: number): Promise<void> => {
    if ((await deployment.leader()) !== to) await deployment.switchover(to);
    assert.equal(await deployment.leader(), to);
  };
  for (const to of [1, 2, 0]) {
    await lead(to);
    const others = deployment.indices.filter((i) => i !== to);
    await until('the local ports of followers', LOST_MS, async () => {
      const served = await Promise.all(others.map(isServed));
      return served.every((each) => each);
    });
    assert.equal(await isServed(to), false, 'a leader has none');
    const [first = 0] = others;
    const local = new Wire(localPort(deployment, first));
    for (const words of [
      ['SET', 'k', 'w'],
      ['CONFIG', 'SET', 'replica-read-only', 'no'],
    ] as const)
      assert.match(((await local.call(...words)) as Failure).text, /^(READONLY|NOPERM) /);
    // Whoever is there when it is promoted is cut off before.
    await lead(first);
    await local.closed();
    assert.equal(await isServed(first), false);
  }
  wire.close();
});
