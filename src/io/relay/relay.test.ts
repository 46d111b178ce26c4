import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { aMoment, resp, type TrialOptions, TrialRelay, TrialServer } from './trial-server.ts';

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
  trial.relay.setRoute({ kind: 'open', reign: 1 });
  opened.push(trial);
  return trial;
}

describe('a session on the leader', () => {
  test('gets the same replies wherever its requests are cut', async () => {
    const trial = await open();
    const request = `${resp('SET', 'k', 'v')}PING\r\n${resp('WAIT', 1, 0)}${resp('GET', 'k')}`;
    const replies = '+OK\r\n+PONG\r\n:1\r\n$1\r\nv\r\n';
    const client = await trial.client();
    for (let cut = 0; cut <= request.length; cut++) {
      client.send(request.slice(0, cut));
      await sleep(1);
      await client.expect(request.slice(cut), replies);
    }
  });

  test('has no server connection before its first command', async () => {
    const trial = await open();
    const client = await trial.client();
    await aMoment();
    equal(trial.upstreams, 0);
    await client.expect('PING\r\n', '+PONG\r\n');
    equal(trial.upstreams, 1);
  });

  test('gets its replies in order and only when they are released', async () => {
    const trial = await open();
    trial.hold.isHolding = true;
    const client = await trial.client();
    client.send('ECHO a\r\nECHO b\r\n');
    await aMoment();
    client.send('ECHO c\r\n');
    await aMoment();
    equal(client.received, '');
    equal(trial.relay.stats().heldSessions, 1);
    trial.hold.releaseAll();
    equal(await client.take(21), '$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n');
  });

  test('holds a reply with a ticket that was taken after the command had come', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('PING\r\n', '+PONG\r\n');
    const before = trial.rounds;
    await client.expect('PING\r\n', '+PONG\r\n');
    ok((trial.hold.tickets.at(-1) as number) > before);
  });

  test('answers a pipeline of 10,000 commands', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect(resp('SET', 'n', 'x').repeat(10_000), '+OK\r\n'.repeat(10_000));
    equal(trial.relay.stats().commandsTotal, 10_000);
  });

  test('carries a value of 64 MiB both ways', async () => {
    const trial = await open();
    const client = await trial.client();
    const size = 64 * 1024 * 1024;
    client.send(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${size}\r\n`);
    client.send(Buffer.alloc(size, 'x'));
    await client.expect('\r\n', '+OK\r\n');
    client.socket.removeAllListeners('data');
    let bytes = 0;
    const done = new Promise<void>((resolve) => {
      client.socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes === size + `$${size}\r\n\r\n`.length) resolve();
      });
    });
    client.send(resp('GET', 'big'));
    await done;
    client.socket.destroy();
    const other = await trial.client();
    await other.expect('DEL big\r\n', ':1\r\n');
  });

  test('that sends garbage gets the server’s own error, and others go on', async () => {
    const trial = await open();
    const other = await trial.client();
    await other.expect('PING\r\n', '+PONG\r\n');
    for (const garbage of ['*1\r\nGET\r\n', '*99999999999\r\n', '*1\r\n$-5\r\n', '"abc\r\n']) {
      const client = await trial.client();
      match(await client.send(`PING\r\n${garbage}`).ended(), /^\+PONG\r\n-ERR Protocol error/);
    }
    await other.expect('PING\r\n', '+PONG\r\n');
    await aMoment();
    equal(trial.relay.stats().sessions, 1);
  });

  test('that sends garbage behind held replies gets its error last, and its words', async () => {
    for (const [garbage, text] of [
      ['*1\r\nGET\r\n', "expected '$', got 'G'"],
      ['*x\r\n', 'invalid multibulk length'],
      ['*2\r\n$-1\r\n', 'invalid bulk length'],
      [`*3\r\n$3\r\nSET\r\n$300\r\n${'k'.repeat(300)}\r\n!`, "expected '$', got '!'"],
      ["'x\r\n", 'unbalanced quotes in request'],
      ['z'.repeat(90_000), 'too big inline request'],
    ]) {
      const trial = await open();
      trial.hold.isHolding = true;
      const client = await trial.client();
      client.send(`SELECT 3\r\nECHO a\r\nMULTI\r\n${garbage}`);
      await aMoment();
      equal(client.received, '');
      trial.hold.releaseAll();
      const owed = '+OK\r\n$1\r\na\r\n+OK\r\n';
      equal(await client.ended(), `${owed}-ERR Protocol error: ${text}\r\n`);
      await aMoment();
      equal(trial.relay.stats().sessions, 0);
    }
  });

  test('that sends random bytes hurts nobody', async () => {
    const trial = await open();
    const other = await trial.client();
    for (let i = 0; i < 100; i++) {
      const client = await trial.client();
      client.send(Buffer.concat([Buffer.from('*2$\r"'.slice(0, i % 6)), randomBytes(i * 20)]));
    }
    await aMoment();
    await other.expect('PING\r\n', '+PONG\r\n');
  });

  test('quits', async () => {
    const trial = await open();
    equal(await (await trial.client()).send('SET q 1\r\nQUIT\r\n').ended(), '+OK\r\n+OK\r\n');
  });
});

describe('a client that ends its side', () => {
  test('still gets the replies that are held', async () => {
    const trial = await open();
    trial.hold.isHolding = true;
    const client = await trial.client();
    client.send(resp('ECHO', 'x').repeat(100));
    client.socket.end();
    await aMoment();
    equal(client.isEnded, false);
    trial.hold.isHolding = false;
    trial.hold.releaseAll();
    equal(await client.ended(), '$1\r\nx\r\n'.repeat(100));
    equal(trial.relay.stats().sessions, 0);
  });

  test('still gets large replies, which the server alone would drop', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect(resp('SET', 'm', 'y'.repeat(1_000_000)), '+OK\r\n');
    client.send(resp('GET', 'm').repeat(20));
    client.socket.end();
    equal((await client.ended()).length, 20 * 1_000_012);
  });

  test('in a blocking pop takes no element', async () => {
    const trial = await open();
    const client = await trial.client();
    client.send('BLPOP list 0\r\n');
    await aMoment();
    client.socket.end();
    await client.ended();
    const other = await trial.client();
    await other.expect('RPUSH list a\r\nLLEN list\r\nDEL list\r\n', ':1\r\n:1\r\n:1\r\n');
  });

  test('and one that aborts leave no server connection behind', async () => {
    const trial = await open();
    const ending = await trial.client();
    await ending.expect('SELECT 1\r\n', '+OK\r\n');
    ending.socket.end();
    await ending.ended();
    const aborting = await trial.client();
    aborting.send('BLPOP list 0\r\n');
    await aMoment();
    aborting.socket.resetAndDestroy();
    await aMoment();
    const other = await trial.client();
    other.send('CLIENT LIST\r\n');
    equal((await other.take((r) => r.includes('id='))).match(/\bid=/g)?.length, 1);
  });
});

describe('the end of a reign', () => {
  test('closes bound and outstanding sessions at once and spares idle plain ones', async () => {
    const trial = await open();
    const [idle, bound, blocked, held] = [
      await trial.client(),
      await trial.client(),
      await trial.client(),
      await trial.client(),
    ];
    await idle.expect('PING\r\n', '+PONG\r\n');
    await bound.expect('MULTI\r\n', '+OK\r\n');
    blocked.send('BLPOP nothing 0\r\n');
    await aMoment();
    trial.hold.isHolding = true;
    held.send('SET h 1\r\n');
    await aMoment();
    trial.hold.drop();
    trial.relay.endReign('a test');
    equal(trial.relay.stats().sessions, 1);
    for (const client of [bound, blocked, held]) equal(await client.ended(), '');

    trial.hold.isHolding = false;
    trial.relay.setRoute({ kind: 'open', reign: 2 });
    await idle.expect('PING\r\n', '+PONG\r\n');
  });

  test('closes a session whose command has arrived only in part', async () => {
    const trial = await open();
    const client = await trial.client();
    client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n${'x'.repeat(500)}`);
    await aMoment();
    trial.relay.endReign('a test');
    equal(await client.ended(), '');
  });

  test('is also a route to another reign or another node', async () => {
    for (const route of [
      { kind: 'open', reign: 2 },
      { kind: 'leader', node: 'b@00000000' as never },
    ] as const) {
      const trial = await open();
      const client = await trial.client();
      await client.expect('MULTI\r\n', '+OK\r\n');
      trial.relay.setRoute(route);
      equal(await client.ended(), '');
    }
  });

  test('a release that comes too late reaches nobody', async () => {
    const trial = await open();
    trial.hold.isHolding = true;
    const client = await trial.client();
    client.send('SET late 1\r\n');
    await aMoment();
    trial.relay.endReign('a test');
    trial.hold.releaseAll();
    equal(await client.ended(), '');
  });
});

describe('without a route', () => {
  test('a command waits, then gets CLUSTERDOWN, and the session goes on', async () => {
    const trial = await open({ bounds: { waitMs: 150 } });
    const client = await trial.client();
    trial.relay.endReign('no leader is known');
    const sentAt = Date.now();
    client.send('GET a\r\nSET a 1\r\n');
    const down = '-CLUSTERDOWN No leader: no leader is known\r\n';
    equal(await client.take(2 * down.length), down.repeat(2));
    ok(Date.now() - sentAt >= 140);
    equal(trial.relay.stats().refusedTotal, 2);
    trial.relay.setRoute({ kind: 'open', reign: 2 });
    await client.expect('EXISTS a\r\n', ':0\r\n');
  });

  test('a command that waited is executed when a route appears', async () => {
    const trial = await open();
    const client = await trial.client();
    trial.relay.setRoute({ kind: 'none', why: 'x' });
    client.send('SET w 1\r\nGET w\r\n');
    await aMoment();
    equal(trial.relay.stats().waiting, 1);
    trial.relay.setRoute({ kind: 'open', reign: 1 });
    equal(await client.take(12), '+OK\r\n$1\r\n1\r\n');
    equal(trial.relay.stats().waitingBytes, 0);
  });

  test('the rest of a refused command is not taken for another', async () => {
    const trial = await open({ bounds: { waitMs: 100 } });
    trial.relay.endReign('x');
    const client = await trial.client();
    const body = 'SET evil 1\r\n'.repeat(4_000);
    client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${body.length}\r\n${body.slice(0, 200)}`);
    await sleep(200);
    equal(client.received, '');
    trial.relay.setRoute({ kind: 'open', reign: 2 });
    client.send(`${body.slice(200)}\r\nEXISTS evil\r\n`);
    const replies = await client.take((r) => r.endsWith(':0\r\n'));
    equal(replies, '-CLUSTERDOWN No leader: x\r\n:0\r\n');
  });

  test('nothing is done behind a refused MULTI or SELECT: the client is closed', async () => {
    for (const [refused, then, count] of [
      ['MULTI\r\nSET half 1\r\n', 'SET half 2\r\nEXEC\r\n', 2],
      ['SELECT 1\r\n', 'SET half 1\r\n', 1],
      ['AUTH nobody x\r\n', 'SET half 1\r\n', 1],
      ['CLIENT REPLY OFF\r\n', 'SET half 1\r\n', 1],
    ] as const) {
      const trial = await open({ bounds: { waitMs: 60 } });
      trial.relay.endReign('x');
      const client = await trial.client();
      client.send(refused);
      await sleep(120);
      trial.relay.setRoute({ kind: 'open', reign: 2 });
      client.send(then);
      equal(await client.ended(), '-CLUSTERDOWN No leader: x\r\n'.repeat(count));
      await (await trial.client()).expect('EXISTS half\r\n', ':0\r\n');
    }
  });

  test('garbage is refused with the commands before it, and the client is closed', async () => {
    const half = `*3\r\n$3\r\nSET\r\n$30000\r\n${'k'.repeat(20_000)}`;
    const rest = `${'k'.repeat(10_000)}\r\n!SET evil 1\r\n`;
    for (const [sent, then, later, count] of [
      ['GET a\r\n*1\r\nGET\r\n', '', '', 2],
      [half, '', rest, 1],
      [half, rest, '', 1],
    ] as const) {
      const trial = await open({ bounds: { waitMs: 60 } });
      trial.relay.endReign('x');
      const client = await trial.client();
      client.send(sent);
      await sleep(10);
      client.send(then);
      await sleep(120);
      trial.relay.setRoute({ kind: 'open', reign: 2 });
      client.send(later);
      equal(await client.ended(), '-CLUSTERDOWN No leader: x\r\n'.repeat(count));
      await (await trial.client()).expect('EXISTS evil\r\n', ':0\r\n');
    }
  });

  test('a client that sends more than its bound is not read', async () => {
    const trial = await open({ bounds: { waitMs: 400, waitingBytesMax: 100_000 } });
    trial.relay.endReign('x');
    const client = await trial.client();
    client.socket.write(resp('SET', 'k', 'x'.repeat(20_000_000)));
    await sleep(200);
    ok(trial.relay.stats().waitingBytes < 400_000);
    match(await client.take((r) => r.includes('\n')), /^-CLUSTERDOWN/);
    equal(trial.relay.stats().waitingBytes, 0);
  });

  test('all waiting bytes together have a bound', async () => {
    const bounds = { waitMs: 500, waitingBytesMax: 100_000, waitingBytesTotalMax: 200_000 };
    const trial = await open({ bounds });
    trial.relay.endReign('x');
    const clients = await Promise.all(Array.from({ length: 20 }, () => trial.client()));
    for (const client of clients) client.socket.write(resp('SET', 'k', 'x'.repeat(1_000_000)));
    await sleep(250);
    ok(trial.relay.stats().waitingBytes < 20 * 100_000);
    for (const client of clients) match(await client.take((r) => r.includes('\n')), /^-CLUSTER/);
    equal(trial.relay.stats().waitingBytes, 0);
  });

  test('a half-closed client gets its refusal too', async () => {
    const trial = await open({ bounds: { waitMs: 80 } });
    trial.relay.endReign('x');
    const client = await trial.client();
    client.socket.end('GET a\r\n');
    match(await client.ended(), /^-CLUSTERDOWN .*\r\n$/);
  });
});

describe('bounds', () => {
  test('a client over the limit is told so', async () => {
    const trial = await open({ bounds: { sessionsMax: 2 } });
    await (await trial.client()).expect('PING\r\n', '+PONG\r\n');
    await trial.client();
    await aMoment();
    equal(await (await trial.client()).ended(), '-ERR max number of clients reached\r\n');
    equal(trial.relay.stats().rejectedTotal, 1);
  });

  test('a client that never reads costs its bound, and others are served', async () => {
    const trial = await open({ bounds: { replyBytesMax: 200_000 } });
    const other = await trial.client();
    await other.expect(resp('SET', 'm', 'y'.repeat(100_000)), '+OK\r\n');
    const deaf = await trial.client();
    deaf.socket.pause();
    deaf.send(resp('GET', 'm').repeat(500));
    await sleep(300);
    ok(trial.relay.stats().replyBytes < 400_000, `${trial.relay.stats().replyBytes}`);
    await other.expect('PING\r\n', '+PONG\r\n');
    deaf.socket.resume();
    await deaf.take(500 * 100_011);
    equal(trial.relay.stats().replyBytes, 0);
  });

  test('replies that are never released cost their bound', async () => {
    const trial = await open({ bounds: { replyBytesMax: 200_000 } });
    const client = await trial.client();
    await client.expect(resp('SET', 'm', 'y'.repeat(100_000)), '+OK\r\n');
    trial.hold.isHolding = true;
    client.send(resp('GET', 'm').repeat(100));
    await sleep(200);
    ok(trial.hold.heldBytes < 400_000);
    for (let round = 0; round < 2_000 && client.received.length < 100 * 100_011; round++) {
      trial.hold.releaseAll();
      await sleep(1);
    }
    equal(client.received.length, 100 * 100_011);
  });

  test('a full hold stops the reading of replies until it drains', async () => {
    const trial = await open();
    const client = await trial.client();
    trial.hold.isFull = true;
    await client.expect('PING\r\n', '+PONG\r\n');
    client.send('PING\r\n');
    await aMoment();
    equal(client.received, '');
    trial.hold.drain();
    equal(await client.take(7), '+PONG\r\n');
  });

  test('paused reads leave commands with their clients', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('PING\r\n', '+PONG\r\n');
    trial.relay.pauseReads();
    const late = await trial.client();
    client.send('PING\r\n');
    late.send('PING\r\n');
    await aMoment();
    equal(trial.relay.stats().commandsTotal, 1);
    trial.relay.resumeReads();
    equal(await client.take(7), '+PONG\r\n');
    equal(await late.take(7), '+PONG\r\n');
  });

  test('unfinished commands have a common bound, and who exceeds it is closed', async () => {
    const trial = await open({ bounds: { unfinishedBytesTotalMax: 300_000 } });
    const [first, second] = [await trial.client(), await trial.client()];
    const begun = `*3\r\n$4\r\nEVAL\r\n$400000\r\n${'x'.repeat(200_000)}`;
    first.send(begun);
    await aMoment();
    equal(first.isEnded, false);
    second.send(begun);
    equal(await second.ended(), '');
    equal(first.isEnded, false);
  });
});

describe('replaced commands', () => {
  const denied = '-NOPERM REPLICAOF: this node is replicated by the deployment\r\n';

  test('are refused in order, in any case, inline and inside MULTI', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('PING\r\nrEpLicaOf no one\r\nPING\r\n', `+PONG\r\n${denied}+PONG\r\n`);
    await client.expect('"\\x72eplicaof" no one\r\n', denied);
    await client.expect(resp('replicaof', 'no', 'one'), denied);
    await client.expect(
      'MULTI\r\nREPLICAOF no one\r\nSET m 1\r\nEXEC\r\n',
      `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n${denied}+OK\r\n`,
    );
    await client.expect(
      resp('client', 'pause', '100000'),
      '-NOPERM CLIENT PAUSE: it would delay every reply\r\n',
    );
  });

  test('WAIT and WAITAOF are answered from agreed state', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('WAIT 5 0\r\n', ':2\r\n');
    await client.expect('WAITAOF 1 1 0\r\n', '*2\r\n:1\r\n:1\r\n');
    await client.expect('MULTI\r\nWAIT 1 0\r\nEXEC\r\n', '+OK\r\n+QUEUED\r\n*1\r\n:1\r\n');
    await client.expect('WAIT x 0\r\n', '-ERR value is not an integer or out of range\r\n');
    client.send('HELLO 3\r\n');
    await client.take((r) => r.includes('modules'));
    await client.expect('WAIT 1 0\r\n', ':1\r\n');
  });

  test('CONFIG SET is an allow-list', async () => {
    const trial = await open();
    const client = await trial.client();
    await client.expect('CONFIG SET SlowLog-Max-Len 64\r\n', '+OK\r\n');
    const no =
      "-NOPERM CONFIG SET: 'appendonly' is set by the deployment: " +
      'a change on one server would be lost at a failover\r\n';
    await client.expect('CONFIG SET appendonly yes\r\n', no);
    await client.expect('config set slowlog-max-len 64 appendonly yes\r\n', no);
    await client.expect(resp('config', 'SET', 'slowlog-max-len', 64, 'AppendOnly', 'yes'), no);
    await client.expect(
      'MULTI\r\nconfig set appendonly yes\r\nCONFIG SET slowlog-max-len 65\r\nEXEC\r\n',
      `+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n${no}+OK\r\n`,
    );
    await client.expect(
      'CONFIG SET slowlog-max-len\r\n',
      "-ERR wrong number of arguments for 'config|set' command\r\n",
    );
  });

  test('set_repl is refused in scripts and functions', async () => {
    const trial = await open();
    const client = await trial.client();
    const script = 'redis["set_repl"](0) return 1';
    const library = "#!lua name=l\nredis.register_function('f', function() redis.set_repl(0) end)";
    for (const command of [
      resp('EVAL', 'server.set_repl(server.REPL_NONE)', 0),
      resp('EVAL', '#!lua flags=no-cluster\nlocal r = redis\nr.set_repl(r.REPL_AOF)', 0),
      resp('EVAL', script, 0),
      resp('eval_ro', script, 0),
      resp('SCRIPT', 'load', script),
      resp('FUNCTION', 'LOAD', 'REPLACE', library),
    ]) {
      client.send(command);
      match(await client.take((r) => r.includes('\n')), /^-NOPERM .*set_repl is not available/);
    }
    await client.expect(resp('EVAL', 'return 7', 0), ':7\r\n');
  });

  test('a script too long to be checked is refused, its rest goes nowhere', async () => {
    const trial = await open({ bounds: { wholeBytesMax: 10_000 } });
    const client = await trial.client();
    const long = resp('EVAL', `return 1 --${'x'.repeat(500_000)}`, 0);
    client.send(`${long}PING\r\n`);
    match(await client.take((r) => r.endsWith('+PONG\r\n')), /^-NOPERM EVAL: .*\r\n\+PONG\r\n$/);
    const argument = 'y'.repeat(200_000);
    await client.expect(resp('EVAL', 'return #ARGV[1]', 0, argument), ':200000\r\n');
  });

  test('get NOAUTH from the server when nobody has authenticated', async () => {
    const trial = await open();
    const [admin, client] = [await trial.client(), await trial.client()];
    await admin.expect('ACL SETUSER default on >pw\r\n', '+OK\r\n');
    try {
      for (const command of ['REPLICAOF no one', 'WAIT 1 0', 'CONFIG SET appendonly yes']) {
        await client.expect(`${command}\r\n`, '-NOAUTH Authentication required.\r\n');
      }
      await client.expect('AUTH pw\r\nREPLICAOF no one\r\n', `+OK\r\n${denied}`);
    } finally {
      await admin.expect('ACL SETUSER default on nopass\r\n', '+OK\r\n');
    }
  });
});

describe('MONITOR', () => {
  test('never shows, nor holds, the agent’s own fence', async () => {
    const trial = await open();
    const [monitor, other] = [await trial.client(), await trial.client()];
    await monitor.expect('MONITOR\r\n', '+OK\r\n');
    const held = trial.hold.tickets.length;
    await other.expect('ECHO before\r\n', '$6\r\nbefore\r\n');
    other.send(`${resp('RoLe').repeat(50)}ECHO after\r\n`);
    await other.take((r) => r.includes('after'));
    const shown = await monitor.take((r) => r.includes('after'));
    deepEqual(
      shown.split('\r\n').map((line) => line.replace(/^.*\] /, '')),
      ['"ECHO" "before"', '"ECHO" "after"', ''],
    );
    ok(trial.hold.tickets.length > held);
    const quiet = trial.hold.tickets.length;
    other.send(resp('RoLe'));
    await other.take((r) => r.startsWith('*3\r\n$6\r\nmaster'));
    await aMoment();
    equal(trial.hold.tickets.length, quiet + 1);
  });
});

test('5,000 idle connections cost little and everyone is served', async () => {
  const trial = await open();
  const before = process.memoryUsage().rss;
  const clients = [];
  for (let i = 0; i < 2_500; i++) clients.push(trial.client());
  const all = await Promise.all(clients);
  await all[17]?.expect('PING\r\n', '+PONG\r\n');
  const each = (process.memoryUsage().rss - before) / all.length;
  ok(each < 64 * 1024, `${Math.round(each)} bytes for both ends of one connection`);
});
