/** `althing restore`: what a server has kept into whatever runs, whoever is killed meanwhile. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { althing } from './althing.ts';
import { ClusterServers, done, oracle, type Ran, refused } from './cluster-servers.ts';
import { Deployment } from './deployment.ts';
import { isAllAt, keyOf, tell, writeEveryType } from './every-type.ts';
import { figures, IS_FULL } from './figures.ts';
import { PlainServer } from './plain-server.ts';
import { pidsUnder, signal } from './processes.ts';
import { PROGRAM } from './program.ts';
import { atEnd, fileScope } from './scope.ts';
import { Wire } from './wire.ts';

const KEYS = IS_FULL ? 200_000 : 400;
const KILLS = IS_FULL ? 50 : 3;
const CODE = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";

const scope = fileScope();
const dir = mkdtempSync(join(tmpdir(), 'althing-restore-'));
/** Files that a server has kept: all of the same keys. */
const AOF = join(dir, 'appendonlydir');
const RDB = join(dir, 'one.rdb');
const told = new Map<number, string>();
let cluster: ClusterServers;

before(async () => {
  atEnd(scope, async () => rmSync(dir, { recursive: true, force: true }));
  const source = await PlainServer.start(scope, '--appendonly', 'yes');
  await source.with(async (wire) => {
    await writeEveryType(wire, 0, KEYS / 2);
    await wire.must('FUNCTION', 'LOAD', CODE);
    await wire.must('BGREWRITEAOF');
    while (!String(await wire.must('INFO', 'persistence')).includes('aof_rewrite_in_progress:0'))
      await sleep(20);
    await writeEveryType(wire, KEYS / 2, KEYS);
    for (let i = 0; i < KEYS; i++) told.set(i, await tell(wire, i));
    await wire.must('SAVE');
  });
  await source.kill();
  cpSync(join(source.dir, 'appendonlydir'), AOF, { recursive: true });
  copyFileSync(join(source.dir, 'dump.rdb'), RDB);
  cluster = await ClusterServers.start(scope, 3, { flags: ['--appendonly', 'yes'] });
  await cluster.form(3);
});

function restore(...words: readonly string[]): Promise<Ran> {
  return althing('restore', ...words);
}

async function emptied(): Promise<void> {
  for (const i of cluster.ports.keys()) {
    await cluster.ask(i, 'FLUSHALL');
    await cluster.ask(i, 'FUNCTION', 'FLUSH');
  }
}

test('R71: from an append-only directory into a cluster: every type, any bytes, times, functions', async () => {
  const plan = await restore('--from', AOF, '--to', cluster.at(0), '--dry-run');
  assert.match(done(plan), new RegExp(`${KEYS} keys in all`));
  refused(await restore('--from', AOF, '--to', cluster.at(0)), /nobody to ask here/);
  assert.equal(await cluster.ask(0, 'DBSIZE'), 0);
  const before = statSync(join(AOF, 'appendonly.aof.manifest')).mtimeMs;
  const out = done(await restore('--from', AOF, '--to', cluster.at(1), '--yes'));
  assert.match(out, new RegExp(`${KEYS} keys put, 0 were there`));
  assert.match(out, /digest [0-9a-f]{32} on both sides/);
  assert.match(out, /functions put: lib/);
  assert.match(out, /^stream +\d+ /m);
  await isAllAt(cluster.ports, told);
  for (const i of cluster.ports.keys())
    assert.match(String(await cluster.ask(i, 'FUNCTION', 'LIST')), /lib/);
  assert.equal(statSync(join(AOF, 'appendonly.aof.manifest')).mtimeMs, before);
});

test('once more changes nothing; what differs is named, kept, or replaced, as asked', async () => {
  const words = ['--from', RDB, '--to', cluster.at(2), '--yes'];
  assert.match(done(await restore(...words)), new RegExp(`0 keys put, ${KEYS} were there already`));
  await sendTo('SET', keyOf(7), 'another');
  await sendTo('PERSIST', keyOf(10));
  refused(await restore(...words), /2 are there with another value or time/);
  assert.match(done(await restore(...words, '--skip')), /OK: 2 keys were kept/);
  assert.match(done(await restore(...words, '--replace')), /on both sides/);
  await isAllAt(cluster.ports, told);
});

test('C52: what redis-cli backs up is brought into another shape', async (t) => {
  const target = await PlainServer.start(t);
  const backup = mkdtempSync(join(dir, 'cli-'));
  done(await oracle('backup', cluster.at(0), backup));
  done(await restore('--from', backup, '--to', target.address, '--yes'));
  await isAllAt([target.port], told);
});

/** To whoever has the slot. */
async function sendTo(...words: (string | Buffer)[]): Promise<void> {
  for (const port of cluster.ports) {
    const wire = new Wire(port);
    await wire.call(...words);
    wire.close();
  }
}

test('an end that is cut off is left away and told; the file stays as it is', async (t) => {
  const target = await PlainServer.start(t);
  const cut = join(dir, 'cut');
  cpSync(AOF, cut, { recursive: true });
  const manifest = readFileSync(join(cut, 'appendonly.aof.manifest'), 'utf8');
  const last = join(cut, /file (\S+\.incr\.aof) /.exec(manifest)?.[1] ?? '');
  appendFileSync(last, '*3\r\n$3\r\nSET\r\n$4\r\nha');
  const size = statSync(last).size;
  const out = done(await restore('--from', cut, '--to', target.address, '--yes'));
  assert.match(out, /note: .*(short read|loaded anyway|Truncat)/);
  assert.equal(statSync(last).size, size);
  await isAllAt([target.port], told);
});

test('one append-only file, with and without an RDB at its beginning', async (t) => {
  const target = await PlainServer.start(t);
  const single = join(dir, 'single.aof');
  writeFileSync(
    single,
    Buffer.concat([
      readFileSync(RDB),
      Buffer.from('*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n'),
    ]),
  );
  const plain = join(dir, 'plain.aof');
  writeFileSync(plain, '*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$3\r\n\0"\n\r\n');
  done(await restore('--from', single, '--to', target.address, '--yes'));
  await isAllAt([target.port], told);
  await target.with(async (wire) => {
    await wire.must('SELECT', '3');
    assert.equal(await wire.must('GET', 'a'), 'b');
    await wire.must('FLUSHALL');
    done(await restore('--from', plain, '--to', target.address, '--yes', '--db', '0:3'));
    assert.equal(await wire.must('GET', '\r\n'), '\0"\n');
  });
  refused(
    await restore('--from', single, '--to', cluster.at(0), '--yes'),
    /database 3, and a cluster/,
  );
  assert.match(
    done(await restore('--from', single, '--to', cluster.at(0), '--yes', '--db', '0')),
    /database 3 is left out/,
  );
});

test('what is damaged, or cannot be read there, is refused by name before anything is touched', async (t) => {
  const target = await PlainServer.start(t);
  const at = ['--to', target.address, '--yes'];
  const damaged = join(dir, 'damaged.rdb');
  const bytes = readFileSync(RDB);
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] as number) ^ 0x55;
  writeFileSync(damaged, bytes);
  refused(
    await restore('--from', damaged, ...at),
    /SOURCE_DAMAGED: \S*damaged\.rdb cannot be loaded/,
  );
  writeFileSync(damaged, bytes.subarray(0, bytes.length - 30));
  refused(
    await restore('--from', damaged, ...at),
    /damaged\.rdb cannot be loaded: it is cut off|is cut off/,
  );
  writeFileSync(damaged, Buffer.concat([Buffer.from('REDIS0099'), bytes.subarray(9)]));
  refused(await restore('--from', damaged, ...at), /RDB version REDIS0099/);
  refused(await restore('--from', join(dir, 'nothing'), ...at), /cannot be read/);
  assert.equal(await target.keys(), 0);
  const none = await restore('--from', RDB, '--to', '127.0.0.1:1', '--yes');
  assert.equal(none.code, 3, none.out);
  assert.equal((await restore('--from', RDB, '--to', 'nowhere', '--yes')).code, 2);
});

/** Killed after so long, unless it is done by then. */
async function killedAfter(ms: number, victim: (tool: ChildProcess) => void): Promise<void> {
  const words = [PROGRAM, 'restore', '--from', AOF, '--to', cluster.at(0), '--yes'];
  const tool = spawn(process.execPath, words, { stdio: 'ignore' });
  const gone = new Promise((resolve) => tool.once('exit', resolve));
  await sleep(ms);
  if (tool.exitCode === null) victim(tool);
  await gone;
}

test('kill -9 of the tool, of the server that loads, of a target: run again, every key once', async () => {
  await emptied();
  const began = performance.now();
  done(await restore('--from', AOF, '--to', cluster.at(0), '--yes'));
  const wholeMs = performance.now() - began;
  for (let n = 0; n < KILLS; n++) {
    await emptied();
    const ms = Math.random() * wholeMs;
    if (n % 3 === 0) await killedAfter(ms, (tool) => void tool.kill('SIGKILL'));
    if (n % 3 === 1)
      await killedAfter(ms, (tool) => {
        for (const pid of pidsUnder('/althing-scratch-'))
          if (pid !== tool.pid) signal(pid, 'SIGKILL');
      });
    if (n % 3 === 2) {
      const killing = killedAfter(wholeMs, () => undefined);
      await sleep(Math.min(ms, wholeMs / 2));
      await cluster.kill(1);
      await cluster.run(1);
      await killing;
    }
    done(await restore('--from', AOF, '--to', cluster.at(0), '--yes'));
    await isAllAt(cluster.ports, told);
  }
  figures('restore', { kills: KILLS, keys: KEYS, wholeMs });
});

test('into a strong shard, through the client port of any node', async (t) => {
  const deployment = await Deployment.agents(t);
  const out = done(
    await restore('--from', RDB, '--to', `127.0.0.1:${deployment.port(2)}`, '--yes'),
  );
  assert.match(out, /on both sides/);
  await isAllAt([deployment.port(1)], told);
});
