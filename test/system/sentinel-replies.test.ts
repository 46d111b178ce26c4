/**
 * The Sentinel door beside real Sentinels: the same questions, and field by field the same names,
 * order and types; values too, where both can have the same.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { encodeCommand } from '../../src/core/resp/writer.ts';
import { Deployment } from './deployment.ts';
import { claimPorts } from './free-ports.ts';
import { until } from './processes.ts';
import { type Shape, shapeOf } from './reply-shape.ts';
import { atEnd, fileScope, type Scope } from './scope.ts';

const START_MS = 20_000;
/** They look at each other every 10 s at worst, and every 2 s say hello. */
const LEVEL_MS = 30_000;
const END = 'that-is-all';
const END_BYTES = `$${END.length}\r\n${END}\r\n`;
/** Values that are the same wherever all is well; of pings under way there may be some. */
const SAME_VALUES = [
  ...['flags', 'role-reported', 'link-refcount'],
  ...['num-slaves', 'num-other-sentinels', 'quorum', 'parallel-syncs', 'ip'],
  ...['master-link-status', 'master-link-down-time', 'master-host', 'slave-priority'],
  ...['replica-announced', 'voted-leader', 'voted-leader-epoch'],
];

/** The door is made after Redis 7.0: newer servers have more to say. */
const servers = (process.env['ALTHING_TEST_SERVERS'] ?? '').split(':');
const program = servers.find((path) => path.endsWith('redis-server')) ?? 'redis-server';

let ours = 0;
let theirs = 0;
const scope = fileScope();

before(async () => {
  const [deployment, oracle] = await Promise.all([
    Deployment.agents(scope, { hasSentinel: true, server: program }),
    realSentinels(scope),
  ]);
  ours = deployment.sentinelPort(0);
  theirs = oracle;
  for (const port of [ours, theirs])
    await until(`all is well at ${port}`, LEVEL_MS, async () => {
      const text = await raw(port, ['SENTINEL CKQUORUM mymaster', 'SENTINEL master mymaster']);
      return /^\+OK 3 usable/.test(text) && /num-slaves\r\n\$1\r\n2/.test(text);
    });
  await until('the oracle knows its replicas', LEVEL_MS, async () => {
    const text = await raw(theirs, ['SENTINEL replicas mymaster']);
    return (text.match(/master-link-status\r\n\$2\r\nok/g) ?? []).length === 2;
  });
});

/** One primary, two replicas, three Sentinels; resolves with the port of one of those. */
async function realSentinels(scope: Scope): Promise<number> {
  const { base, release } = await claimPorts(6);
  const dir = mkdtempSync(join(tmpdir(), 'sentinels-'));
  const start = (index: number, lines: readonly string[], flags: readonly string[]) => {
    const path = join(dir, `${index}.conf`);
    const all = [`port ${base + index}`, 'bind 127.0.0.1', `dir ${dir}`, 'save ""', ...lines];
    writeFileSync(path, `${all.join('\n')}\n`);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, path, ...flags], {
      stdio: 'ignore',
    });
    atEnd(scope, async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
  };
  atEnd(scope, async () => {
    release();
    rmSync(dir, { recursive: true, force: true });
  });
  for (const index of [0, 1, 2])
    start(index, index === 0 ? [] : [`replicaof 127.0.0.1 ${base}`], []);
  for (const index of [0, 1, 2])
    await until('a server answers', START_MS, async () =>
      (await raw(base + index, []).catch(() => '')).endsWith(END_BYTES),
    );
  const watch = [`sentinel monitor mymaster 127.0.0.1 ${base} 2`];
  for (const index of [3, 4, 5]) start(index, watch, ['--sentinel']);
  return base + 3;
}

/** The replies to all commands as they came, on one connection. */
async function raw(port: number, commands: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
  let text = '';
  try {
    await once(socket, 'connect');
    for (const line of [...commands, `PING ${END}`])
      socket.write(encodeCommand(line.split(' ').map((word) => word.replaceAll('_', ' '))));
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith(END_BYTES)) break;
    }
  } finally {
    socket.destroy();
  }
  return text;
}

async function shapes(port: number, commands: readonly string[]): Promise<Shape[]> {
  const text = await raw(port, commands);
  return shapeOf(text.slice(0, -END_BYTES.length), SAME_VALUES);
}

for (const protocol of [2, 3]) {
  test(`RESP${protocol}: masters, replicas and Sentinels have the fields of Sentinel`, async () => {
    const hello = `HELLO ${protocol}`;
    for (const what of ['master', 'replicas', 'slaves', 'sentinels']) {
      const commands = [hello, `SENTINEL ${what} mymaster`];
      assert.deepEqual(await shapes(ours, commands), await shapes(theirs, commands), what);
    }
    const [, all] = await shapes(ours, [hello, 'SENTINEL MASTERS']);
    const [, [one] = []] = (await shapes(theirs, [hello, 'SENTINEL MASTERS'])) as Shape[][];
    // The deployment's own name, and the usual one.
    assert.deepEqual(all, [one, one]);
  });

  test(`RESP${protocol}: whatever has the same answer is answered the same`, async () => {
    const hello = `HELLO ${protocol}`;
    for (const command of SAME_REPLIES) {
      const [mine, wanted] = await Promise.all(
        [ours, theirs].map((port) => raw(port, [hello, ...command.split(' ; ')])),
      );
      assert.equal(withoutId(mine ?? ''), withoutId(wanted ?? ''), command);
    }
  });
}

/** Connections are numbered as they come. */
function withoutId(text: string): string {
  return text.replaceAll(/(\$2\r\nid\r\n:)\d+/g, '$1N');
}

const SAME_REPLIES = [
  ...['PING', 'PING hi', 'PING a b', 'HELLO', 'HELLO 3', 'HELLO 4', 'HELLO x', 'HELLO 3 FOO'],
  ...['HELLO 3 SETNAME abc ; CLIENT GETNAME', 'HELLO 2 AUTH default x', 'HELLO 3 AUTH foo x'],
  ...['AUTH', 'AUTH foo', 'AUTH default foo', 'AUTH nobody foo', 'AUTH a b c', 'ACL WHOAMI'],
  ...['CLIENT', 'CLIENT GETNAME', 'CLIENT SETNAME a_b', 'CLIENT SETNAME x ; CLIENT GETNAME'],
  ...['CLIENT MAINT_NOTIFICATIONS on', 'CLIENT NO-EVICT on', 'CLIENT FOO', 'ACL FOO'],
  ...['CLIENT REPLY SKIP ; PING ; PING', 'CLIENT REPLY OFF ; PING ; CLIENT REPLY ON'],
  ...['COMMAND COUNT', 'COMMAND INFO get', 'COMMAND DOCS get', 'INFO replication'],
  ...['PUBLISH foo bar', 'PUBLISH', 'GET x', 'FOO', 'foo a b c', 'QUIT', 'SELECT 0', 'ECHO x'],
  ...['UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUBSCRIBE', 'PSUBSCRIBE * ; PUNSUBSCRIBE *'],
  'SUBSCRIBE a b ; SUBSCRIBE a ; PING ; PING x ; GET x ; UNSUBSCRIBE a ; UNSUBSCRIBE ; ROLE_',
  'SUBSCRIBE a ; PSUBSCRIBE b* ; UNSUBSCRIBE ; PUNSUBSCRIBE x ; PUNSUBSCRIBE',
  ...['SENTINEL', 'SENTINEL bogus', 'SENTINEL master', 'SENTINEL masters x', 'SENTINEL failover'],
  ...['SENTINEL get-master-addr-by-name nope', 'SENTINEL master nope', 'SENTINEL slaves nope'],
  ...['SENTINEL replicas nope', 'SENTINEL sentinels nope', 'SENTINEL failover nope'],
  ...['SENTINEL ckquorum mymaster', 'SENTINEL ckquorum nope', 'SENTINEL ckquorum'],
  ...['SENTINEL is-master-down-by-addr 10.0.0.1 1 0 *', 'SENTINEL is-master-down-by-addr'],
  ...['SENTINEL is-master-down-by-addr 10.0.0.1 x 0 *', 'SENTINEL pending-scripts'],
  ...['SENTINEL monitor a', 'SENTINEL set a b', 'SENTINEL remove', 'SENTINEL reset'],
];

test('the Sentinels’ own words: ROLE, INFO, the address, one id for ever', async () => {
  const [address, wanted] = await Promise.all(
    [ours, theirs].map((port) => shapes(port, ['SENTINEL GET-MASTER-ADDR-BY-NAME mymaster'])),
  );
  assert.deepEqual(address, wanted);
  const sectionsAt = async (port: number) =>
    [...(await raw(port, ['INFO'])).matchAll(/^# \w+/gm)].map(([section]) => section);
  assert.deepEqual(await sectionsAt(ours), await sectionsAt(theirs));
  const sentinel = await raw(ours, ['INFO sentinel']);
  const last = /master1:name=mymaster,status=ok,address=127\.0\.0\.1:\d+,slaves=2,sentinels=3\r\n/;
  assert.match(sentinel, last);
  const fieldsOf = (text: string) => [...text.matchAll(/^(\w+):/gm)].map(([, field]) => field);
  const theirFields = fieldsOf(await raw(theirs, ['INFO sentinel']));
  assert.deepEqual(fieldsOf(sentinel).slice(0, theirFields.length), theirFields);
  const infoServer = fieldsOf(await raw(theirs, ['INFO server clients stats cpu']));
  const own = fieldsOf(await raw(ours, ['INFO server clients stats cpu']));
  assert.deepEqual(
    own.filter((field) => !infoServer.includes(field)),
    [],
    'no field has a name that Sentinels do not have',
  );
  assert.match(await raw(ours, ['SENTINEL MYID']), /^\$40\r\n[0-9a-f]{40}\r\n/);
});
