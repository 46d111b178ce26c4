import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { buildShims } from './build.ts';
import { RIGHT_CLOCK } from './control.ts';
import { NodeShims } from './node-shims.ts';

const built = await buildShims();
const skip = 'skipped' in built ? built.skipped : false;
const { PATH } = process.env;
// By a variable: a script has no types.
const serversScript = '../../scripts/servers.mjs';
const { availableServers } = (await import(serversScript)) as {
  readonly availableServers: () => readonly string[];
};

/** Runs each line that it is told, and prints what came of it. */
const PROGRAM = `
  import * as cp from 'node:child_process';
  import * as fs from 'node:fs';
  import { createInterface } from 'node:readline';
  const call = (name, ...args) => new Promise((resolve) =>
    fs[name](...args, (error, result) => resolve(error ? error.code : (result ?? 'ok'))));
  const syncDirectory = async (path) => {
    const fd = await call('open', path, 'r');
    const result = await call('fsync', fd);
    await call('close', fd);
    return result;
  };
  for await (const line of createInterface({ input: process.stdin })) {
    let result;
    try { result = await eval('(async () => ' + line + ')()'); } catch (error) { result = error.code; }
    process.stdout.write(JSON.stringify(result ?? 'ok') + '\\n');
  }
`;

class Subject {
  readonly shims: NodeShims;
  readonly dir: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(shims: NodeShims, dir: string) {
    this.shims = shims;
    this.dir = dir;
    const words = ['--input-type=module', '-e', PROGRAM];
    const env = { PATH, ...shims.environment };
    this.#child = spawn(process.execPath, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    ok(stdout);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async does(code: string): Promise<unknown> {
    this.#child.stdin?.write(`${code}\n`);
    const { value } = await this.#lines.next();
    return JSON.parse(value);
  }

  async all(...codes: string[]): Promise<void> {
    for (const code of codes) {
      const result = await this.does(code);
      ok(result === 'ok' || typeof result === 'number', `${code}: ${result}`);
    }
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  path(name: string): string {
    return JSON.stringify(join(this.dir, name));
  }

  text(name: string): string | null {
    const path = join(this.dir, name);
    return existsSync(path) ? readFileSync(path, 'latin1') : null;
  }
}

function shimsFor(t: TestContext): { shims: NodeShims; dir: string } {
  const scratch = mkdtempSync(join(tmpdir(), 'shims-'));
  t.after(() => rmSync(scratch, { recursive: true }));
  const dir = join(scratch, 'data');
  mkdirSync(dir);
  const library = 'path' in built ? built.path : '';
  return { shims: new NodeShims({ library, dataDirectory: dir, scratch }), dir };
}

function subject(t: TestContext): Subject {
  const { shims, dir } = shimsFor(t);
  const made = new Subject(shims, dir);
  t.after(() => made.kill());
  return made;
}

test('where nothing compiles, what needs the shim is skipped and says why', async () => {
  const result = await buildShims('no-such-compiler');
  // Unless it was compiled before, for this version of the source.
  if (!('skipped' in result)) return ok('path' in result);
  match(result.skipped, /no-such-compiler/);
});

test('a power cut takes back what no sync covers, and nothing else', { skip }, async (t) => {
  const it = subject(t);
  it.shims.control.journal(true);
  await it.all(
    `globalThis.fd = await call('open', ${it.path('log')}, 'w+')`,
    `call('write', fd, 'one.', 0)`,
    `call('fdatasync', fd)`,
    `syncDirectory(${it.path('.')})`,
    `fs.writevSync(fd, [Buffer.from('two'), Buffer.from('.')], 4)`,
    `call('fdatasync', fd)`,
    `call('write', fd, 'three', 8)`,
    `call('write', fd, 'ONE', 0)`,
  );
  equal(it.text('log'), 'ONE.two.three');
  await it.kill();
  deepEqual(it.shims.loseUnsynced(), { writes: 2, names: 0 });
  equal(it.text('log'), 'one.two.');
  deepEqual(it.shims.loseUnsynced(), { writes: 0, names: 0 });
});

test('a name survives only when its directory was synced', { skip }, async (t) => {
  const it = subject(t);
  for (const name of ['kept', 'old', 'gone']) writeFileSync(join(it.dir, name), name);
  it.shims.control.journal(true);
  await it.all(
    `globalThis.fd = await call('open', ${it.path('first.temp')}, 'w+')`,
    `call('write', fd, 'first', 0)`,
    `call('fdatasync', fd)`,
    `call('rename', ${it.path('first.temp')}, ${it.path('kept')})`,
    `syncDirectory(${it.path('.')})`,
    `globalThis.fd = await call('open', ${it.path('new.temp')}, 'w+')`,
    `call('write', fd, 'new', 0)`,
    `call('fdatasync', fd)`,
    `call('rename', ${it.path('new.temp')}, ${it.path('old')})`,
    `call('unlink', ${it.path('gone')})`,
  );
  deepEqual([it.text('kept'), it.text('old'), it.text('gone')], ['first', 'new', null]);
  await it.kill();
  deepEqual(it.shims.loseUnsynced(), { writes: 0, names: 3 });
  deepEqual([it.text('kept'), it.text('old'), it.text('gone')], ['first', 'old', 'gone']);
  equal(it.text('new.temp'), null);
});

test('truncating and emptying a file are taken back too', { skip }, async (t) => {
  const it = subject(t);
  for (const name of ['cut', 'emptied']) writeFileSync(join(it.dir, name), '0123456789');
  it.shims.control.journal(true);
  await it.all(
    `globalThis.fd = await call('open', ${it.path('cut')}, 'r+')`,
    `call('ftruncate', fd, 4)`,
    `call('write', fd, 'xy', 4)`,
    `call('open', ${it.path('emptied')}, 'w+')`,
  );
  deepEqual([it.text('cut'), it.text('emptied')], ['0123xy', '']);
  await it.kill();
  it.shims.loseUnsynced();
  deepEqual([it.text('cut'), it.text('emptied')], ['0123456789', '0123456789']);
});

test('what one process wrote, a sync of the next one covers', { skip }, async (t) => {
  const it = subject(t);
  it.shims.control.journal(true);
  await it.all(
    `globalThis.fd = await call('open', ${it.path('log')}, 'w+')`,
    `syncDirectory(${it.path('.')})`,
    `call('write', fd, 'one.', 0)`,
  );
  await it.kill();
  const next = new Subject(it.shims, it.dir);
  t.after(() => next.kill());
  await next.all(
    `globalThis.fd = await call('open', ${it.path('log')}, 'r+')`,
    `call('fdatasync', fd)`,
    `call('write', fd, 'two.', 4)`,
  );
  await next.kill();
  it.shims.loseUnsynced();
  equal(it.text('log'), 'one.');
});

test('by chance a beginning is kept, cut at a sector', { skip }, async (t) => {
  const lengths = new Set<number>();
  for (const kept of [0, 0.4, 0.99]) {
    const it = subject(t);
    it.shims.control.journal(true);
    await it.all(
      `globalThis.fd = await call('open', ${it.path('log')}, 'w+')`,
      `syncDirectory(${it.path('.')})`,
      `call('write', fd, 'a'.repeat(700), 0)`,
      `call('write', fd, 'b'.repeat(3000), 700)`,
    );
    await it.kill();
    it.shims.loseUnsynced(() => kept);
    lengths.add(it.text('log')?.length ?? -1);
  }
  deepEqual([...lengths], [0, 700 + 324 + 2 * 512, 3700]);
});

test('a sync takes as long as it is told, a write does not', { skip }, async (t) => {
  const it = subject(t);
  await it.all(`globalThis.fd = await call('open', ${it.path('log')}, 'w+')`);
  it.shims.control.slowDisk(300);
  const took = async (code: string): Promise<number> => {
    const begun = performance.now();
    await it.all(code);
    return performance.now() - begun;
  };
  ok((await took(`call('write', fd, 'one', 0)`)) < 250);
  ok((await took(`call('fdatasync', fd)`)) >= 300);
  it.shims.control.slowDisk(0, 300);
  ok((await took(`call('write', fd, 'one', 0)`)) >= 300);
  it.shims.control.slowDisk(60_000);
  const stalled = took(`call('fdatasync', fd)`);
  setTimeout(() => it.shims.control.slowDisk(0), 300);
  const tookMs = await stalled;
  ok(tookMs >= 300 && tookMs < 5_000, `${tookMs} ms`);
  ok((await took(`call('fdatasync', fd)`)) < 250);
});

test('writes fail with no space, syncs with EIO, until they may work again', {
  skip,
}, async (t) => {
  const it = subject(t);
  await it.all(`globalThis.fd = await call('open', ${it.path('log')}, 'w+')`);
  it.shims.control.failDisk('ENOSPC', null);
  equal(await it.does(`call('write', fd, 'one', 0)`), 'ENOSPC');
  equal(await it.does(`fs.writevSync(fd, [Buffer.from('one')], 0)`), 'ENOSPC');
  equal(await it.does(`call('open', ${it.path('other')}, 'w+')`), 'ENOSPC');
  equal(await it.does(`call('fdatasync', fd)`), 'ok');
  it.shims.control.failDisk(null, 'EIO');
  equal(await it.does(`call('write', fd, 'one', 0)`), 3);
  equal(await it.does(`call('fdatasync', fd)`), 'EIO');
  equal(await it.does(`syncDirectory(${it.path('.')})`), 'EIO');
  it.shims.control.failDisk(null, null);
  equal(await it.does(`call('fdatasync', fd)`), 'ok');
});

test('files elsewhere, and those of the server, are left alone', { skip }, async (t) => {
  const it = subject(t);
  mkdirSync(join(it.dir, 'server'));
  it.shims.control.failDisk('EIO', 'EIO');
  for (const path of [it.path('server/x'), it.path('../x'), it.path('../data-not')])
    await it.all(`globalThis.fd = await call('open', ${path}, 'w+')`, `call('write', fd, 'x', 0)`);
});

test('a socket that has the number of a closed file is no file', { skip }, async (t) => {
  const it = subject(t);
  it.shims.control.journal(true);
  await it.all(
    `globalThis.fd = await call('open', ${it.path('log')}, 'w+')`,
    `call('close', fd)`,
    // Pipes take the lowest numbers that are free.
    `void (globalThis.pipes = Array.from({ length: 3 }, () => cp.spawn('cat')))`,
  );
  it.shims.control.failDisk('ENOSPC', null);
  const echo = (n: number): string =>
    `new Promise((resolve) => { pipes[${n}].stdin.on('error', (e) => resolve(e.code));
      pipes[${n}].stdout.on('data', (text) => resolve(String(text))); pipes[${n}].stdin.write('x'); })`;
  for (const n of [0, 1, 2]) equal(await it.does(echo(n).replaceAll('\n', ' ')), 'x');
  await it.kill();
  deepEqual(it.shims.loseUnsynced(), { writes: 0, names: 1 });
});

test('the time of day is shifted for Node, and its timers are not', { skip }, async (t) => {
  const it = subject(t);
  const hour = 3_600_000;
  const ahead = async (): Promise<number> => Number(await it.does('Date.now()')) - Date.now();
  ok(Math.abs(await ahead()) < 1_000);
  for (const offsetMs of [hour, -hour]) {
    it.shims.control.setClock({ ...RIGHT_CLOCK, offsetMs });
    ok(Math.abs((await ahead()) - offsetMs) < 1_000);
    const begun = performance.now();
    await it.all(`new Promise((resolve) => setTimeout(resolve, 100))`);
    const took = performance.now() - begun;
    ok(took >= 99 && took < 2_000, `${took} ms`);
  }
  it.shims.control.setClock(RIGHT_CLOCK);
  ok(Math.abs(await ahead()) < 1_000);
});

interface Reading {
  readonly shown: bigint;
  readonly from: bigint;
  readonly to: bigint;
}

/** The subject's clock, and between which moments of ours it was read: the narrowest of many. */
async function reading(it: Subject): Promise<Reading> {
  const readings: Reading[] = [];
  for (let n = 0; n < 30; n++) {
    const from = process.hrtime.bigint();
    const shown = BigInt(String(await it.does('String(process.hrtime.bigint())')));
    readings.push({ shown, from, to: process.hrtime.bigint() });
  }
  const width = ({ from, to }: Reading): number => Number(to - from);
  return readings.reduce((best, each) => (width(each) < width(best) ? each : best));
}

test('a clock drifts as it is told, and never runs back', { skip }, async (t) => {
  const it = subject(t);
  for (const ppm of [1_000, -1_000]) {
    it.shims.control.setClock({ offsetMs: 0, ppm, monotonicPpm: ppm });
    const first = await reading(it);
    const backwards = `(() => { let last = 0n, bad = 0;
      for (let n = 0; n < 2e5; n++) { const now = process.hrtime.bigint();
        if (now < last) bad += 1; last = now; } return bad; })()`.replaceAll('\n', ' ');
    equal(await it.does(backwards), 0);
    await it.all(`new Promise((resolve) => setTimeout(resolve, 3000))`);
    const last = await reading(it);
    const shown = Number(last.shown - first.shown);
    const least = Number(last.from - first.to);
    const most = Number(last.to - first.from);
    const rate = 1 + ppm / 1e6;
    ok(shown > least * rate - 1e3 && shown < most * rate + 1e3, `${shown} in ${least}..${most}`);
  }
});

for (const program of availableServers())
  test(`the time of day is shifted for ${program.replace(/.*\//, '')}`, { skip }, async (t) => {
    const { shims, dir } = shimsFor(t);
    const hour = 3_600_000;
    shims.control.setClock({ ...RIGHT_CLOCK, offsetMs: -hour });
    const socket = join(dir, 's');
    const words = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', dir];
    const env = { PATH, ...shims.environment };
    const server = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => server.kill('SIGKILL'));
    const { connect } = await import('node:net');
    let wire = connect(socket);
    for (let n = 0; n < 100; n++) {
      const outcome = await Promise.race([
        once(wire, 'connect').then(() => true),
        once(wire, 'error').then(() => false),
      ]).catch(() => false);
      if (outcome) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
      wire = connect(socket);
    }
    t.after(() => wire.destroy());
    const timeNow = async (): Promise<number> => {
      wire.write('TIME\r\n');
      const [reply] = await once(wire, 'data');
      return Number(String(reply).split('\r\n')[2]) * 1000;
    };
    ok(Math.abs((await timeNow()) + hour - Date.now()) < 3_000);
    shims.control.setClock({ ...RIGHT_CLOCK, offsetMs: hour });
    ok(Math.abs((await timeNow()) - hour - Date.now()) < 3_000);
  });
