/** Real wardens over real servers. */
import { equal, match, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocatedServer } from '../io/server/locate.ts';
import { findSetpriv } from '../io/server/process.ts';
import { trialDir, trialServers, until } from '../io/server/trial.ts';
import { monotonicMs } from './monotonic.ts';
import { WardenLink } from './warden-link.ts';

const [located] = (await trialServers()) as [LocatedServer];
const setpriv = await findSetpriv();
/** Far more than a warden is late on a busy machine, far less than the test would wait for it. */
const LATE_MS = 2_000;

async function launched(t: TestContext): Promise<WardenLink> {
  const directory = await trialDir(t);
  const words = ['--port', '0', '--unixsocket', `${directory}/s`, '--save', ''];
  const link = await WardenLink.launch({ program: located.path, words, setpriv, directory });
  for (const output of link.outputs) output.resume();
  t.after(async () => {
    link.signal('SIGKILL');
    await link.ended;
  });
  return link;
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('a server that nobody has opened runs on; one that is ends with its lease', async (t) => {
  const link = await launched(t);
  await sleep(100);
  ok(isRunning(link.pid));
  const untilMs = monotonicMs() + 300;
  await link.extend(untilMs);
  const { signal } = await link.ended;
  equal(signal, 'SIGKILL');
  ok(monotonicMs() >= untilMs, 'not before');
  ok(monotonicMs() < untilMs + LATE_MS, 'and soon');
  ok(!isRunning(link.pid));
});

test('a lease that is renewed lasts, and one that is given back ends nothing', async (t) => {
  const link = await launched(t);
  for (let i = 0; i < 4; i++) {
    await link.extend(monotonicMs() + LATE_MS);
    await sleep(20);
  }
  await link.extend(monotonicMs() + 200);
  ok(isRunning(link.pid), 'the earlier one counts, which is longer');
  link.disarm();
  await link.extend(monotonicMs() + 200);
  link.disarm();
  await sleep(400);
  ok(isRunning(link.pid));
});

test('a server that is stopped is killed when its lease is over', async (t) => {
  const link = await launched(t);
  process.kill(link.pid, 'SIGSTOP');
  await link.extend(monotonicMs() + 100);
  equal((await link.ended).signal, 'SIGKILL');
});

test('the server ends with its warden, and is gone when that is told', async (t) => {
  const link = await launched(t);
  process.kill(parentOf(link.pid), 'SIGKILL');
  await link.ended;
  ok(!isRunning(link.pid));
});

test('a warden that is stopped keeps no server alive', async (t) => {
  const link = await launched(t);
  process.kill(parentOf(link.pid), 'SIGSTOP');
  link.signal('SIGKILL');
  await link.ended;
  ok(!isRunning(link.pid));
});

test('a warden that hears of no lease is killed with its server', async (t) => {
  const link = await launched(t);
  const warden = parentOf(link.pid);
  process.kill(warden, 'SIGSTOP');
  const beganMs = monotonicMs();
  void link.extend(beganMs + 60_000);
  await link.ended;
  ok(monotonicMs() < beganMs + LATE_MS);
  ok(!isRunning(link.pid));
  await until('the warden is gone', () => !isRunning(warden));
});

test('when its agent is killed, or ends, the server does within the moment', async (t) => {
  for (const how of ['SIGKILL', 'SIGTERM'] as const) {
    const directory = await trialDir(t);
    const words = ['--port', '0', '--unixsocket', `${directory}/s`, '--save', ''];
    const launching = { program: located.path, setpriv: null, directory, words };
    const here = import.meta.resolve('./warden-link.ts');
    const script = `
      const { WardenLink } = await import(${JSON.stringify(here)});
      const link = await WardenLink.launch(${JSON.stringify(launching)});
      for (const output of link.outputs) output.resume();
      console.log(link.pid);
      setInterval(() => {}, 1_000);`;
    const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => agent.kill('SIGKILL'));
    const [said] = (await once(agent.stdout, 'data')) as [Buffer];
    const pid = Number(String(said));
    ok(isRunning(pid));
    const warden = parentOf(pid);
    agent.kill(how);
    await until('server and warden are gone', () => !isRunning(pid) && !isRunning(warden));
  }
});

test('a server that ends by itself is told with how it did; one that is none, at once', async (t) => {
  const directory = await trialDir(t);
  const bad = { program: located.path, words: ['--no-such-setting', 'x'], setpriv, directory };
  const link = await WardenLink.launch(bad);
  let said = '';
  for (const output of link.outputs) output.on('data', (text) => (said += String(text)));
  equal((await link.ended).code, 1);
  await link.closed;
  match(said, /no-such-setting/);
  const none = { ...bad, program: '/nonexistent/server', setpriv: null };
  await rejects(WardenLink.launch(none), /SERVER_FAILED: .*ENOENT/);
});
