import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ErrorReply } from '../../core/resp/reply-reader.ts';
import { ReadBuffer } from '../read-buffer.ts';
import { connectServer } from './admin.ts';
import { CONF_LIMITS, type ConfOptions } from './conf.ts';
import { versionText } from './flavor.ts';
import { versionOf } from './info.ts';
import { findSetpriv, ServerProcess } from './process.ts';
import { startTrial, trialDir, trialServers, until } from './trial.ts';

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name} starts with our configuration, on its private socket only`, async (t) => {
    const { server, runDir } = await startTrial(t, located);
    equal(statSync(runDir).mode & 0o777, 0o700);
    equal(statSync(join(runDir, 'server.conf')).mode & 0o777, 0o600);
    equal(statSync(server.socketPath).mode & 0o777, 0o700);
    const admin = await server.admin();
    const info = await admin.info();
    equal(versionOf(info), name);
    equal(info.role, 'primary');
    equal(info.isLoading, false);
    equal(info.unexpectedErrorReplies, 0);
    equal(info.fields.get('tcp_port'), '0');
    match(info.runId ?? '', /^[0-9a-f]{40}$/);
    admin.close();
    await rejects(admin.call(['PING']), /SERVER_GONE/);
  });

  test(`${name} closes a client that never reads at a bound, and no other`, async (t) => {
    const clientBuffers = ['normal 4mb 0 0', 'pubsub 2mb 0 0'];
    const limits = { ...CONF_LIMITS, clientBuffers, clientsMax: 100 };
    const { server } = await startTrial(t, located, { limits });
    const admin = await server.admin();
    await admin.must(['SET', 'k', 'v'.repeat(100_000)]);
    const deaf = connectServer(server.socketPath, new ReadBuffer());
    const closed = once(deaf, 'close');
    deaf.on('error', () => undefined).pause();
    const asked = Buffer.from('GET k\r\n'.repeat(1_000));
    deaf.write(asked);
    await until('it is closed', async () => {
      const list = String(await admin.must(['CLIENT', 'LIST', 'TYPE', 'normal']));
      return list.trim().split('\n').length === 1;
    });
    deaf.resume();
    await closed;
    equal(await admin.must(['STRLEN', 'k']), 100_000);
    admin.close();
  });

  test(`${name} has a bound for clients that never read unless told otherwise`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const [, bounds] = (await admin.must(['CONFIG', 'GET', 'client-output-buffer-limit'])) as [
      string,
      string,
    ];
    match(bounds, /normal 1073741824 268435456 60 /);
    match(bounds, /pubsub 268435456 67108864 60/);
    admin.close();
  });

  test(`${name} empties the run directory before it starts`, async (t) => {
    const runDir = join(await trialDir(t), 'run');
    const first = await startTrial(t, located, { runDir });
    const admin = await first.server.admin();
    await admin.must(['SET', 'k', 'v']);
    await admin.must(['SAVE']);
    admin.close();
    writeFileSync(join(runDir, 'left-over'), '');
    const exit = await first.server.stop(5_000);
    equal(exit.isWanted, true);
    equal(first.exits.length, 1);
    const second = await startTrial(t, located, { runDir });
    deepEqual(readdirSync(runDir).toSorted(), ['server.conf', 'server.sock']);
    const again = await second.server.admin();
    equal(await again.call(['DBSIZE']), 0);
    again.close();
  });

  test(`${name}: an exit is told once, with what it was`, async (t) => {
    const { server, exits } = await startTrial(t, located);
    const admin = await server.admin();
    let over = '';
    admin.onOver = (error) => {
      over = error.code;
    };
    const silent = admin.call(['BLPOP', 'nothing', '0'], 60_000);
    process.kill(server.pid, 'SIGKILL');
    await rejects(silent, /SERVER_GONE/);
    await until('the exit is told', () => exits.length > 0);
    equal(over, 'SERVER_GONE');
    equal(exits[0]?.signal, 'SIGKILL');
    equal(exits[0]?.isWanted, false);
    await server.kill();
    equal(exits.length, 1);
  });

  test(`${name}: a setting that it does not know is named, and no process is left`, async (t) => {
    await rejects(
      startTrial(t, located, { settingLines: ['maxmemroy 1gb'] }),
      /SERVER_FAILED.*exited with 1.*maxmemroy/s,
    );
  });

  test(`${name}: a call without answer in its time ends the connection`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    await rejects(admin.call(['BLPOP', 'nothing', '0'], 50), /SERVER_SILENT: no answer to BLPOP/);
    equal(admin.isOver, true);
  });

  test(`${name}: passwords are checked, and appear in no error`, async (t) => {
    const { server, runDir } = await startTrial(t, located, { clientPassword: 'client-password' });
    const conf = readFileSync(join(runDir, 'server.conf'), 'utf8');
    equal(/client-password|agent-password/.test(conf), false);
    const { Admin } = await import('./admin.ts');
    const { socketPath } = server;
    await rejects(
      Admin.connect({ socketPath, user: 'default', password: 'wrong-one', callMsMax: 1_000 }),
      (error: Error) => /SERVER_FAILED/.test(error.message) && !/wrong-one/.test(String(error)),
    );
    const client = await Admin.connect({
      socketPath,
      user: 'default',
      password: 'client-password',
      callMsMax: 1_000,
    });
    equal(await client.call(['SET', 'k', 'v']), 'OK');
    ok((await client.call(['SHUTDOWN'])) instanceof ErrorReply);
    client.close();
  });

  test(`${name} does not outlive the agent that started it`, async (t) => {
    if ((await findSetpriv()) === null) return t.skip('no setpriv on this machine');
    const directory = await trialDir(t);
    const conf: ConfOptions = {
      flavor: located.flavor,
      runDir: join(directory, 'run'),
      agentPassword: 'x',
      clientPassword: null,
      users: [],
      localHost: null,
      feed: null,
      settingLines: [],
      limits: CONF_LIMITS,
    };
    const here = import.meta.resolve('./process.ts');
    const script = `
      const { ServerProcess } = await import(${JSON.stringify(here)});
      const server = await ServerProcess.start({
        program: ${JSON.stringify(located.path)}, conf: ${JSON.stringify(conf)},
        setpriv: 'setpriv', startMsMax: 10000, onLine() {}, onExit() {},
      }, new AbortController().signal);
      console.log(server.pid);`;
    const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => agent.kill('SIGKILL'));
    let said = '';
    agent.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    await until('the agent says its server’s pid', () => said.includes('\n'));
    const pid = Number(said);
    equal(existsSync(`/proc/${pid}`), true);
    agent.kill('SIGKILL');
    await until('the server is gone', () => !isRunning(pid));
  });

  test(`${name}: aborting a start leaves no process`, async (t) => {
    const runDir = join(await trialDir(t), 'run');
    const controller = new AbortController();
    let exits = 0;
    const starting = ServerProcess.start(
      {
        program: located.path,
        conf: {
          flavor: located.flavor,
          runDir,
          agentPassword: 'x',
          clientPassword: null,
          users: [],
          localHost: null,
          feed: null,
          settingLines: [],
          limits: CONF_LIMITS,
        },
        setpriv: null,
        startMsMax: 10_000,
        onLine: () => controller.abort(),
        onExit: () => {
          exits += 1;
        },
      },
      controller.signal,
    );
    // It may have answered before its first line was read.
    await starting.then(
      (server) => server.kill(),
      (error: Error) => equal(error.name, 'AbortError'),
    );
    equal(exits, 1);
  });
}

test('a program that cannot be started is a named error', async (t) => {
  const located = (await trialServers())[0];
  ok(located !== undefined);
  await rejects(
    startTrial(t, { path: '/nonexistent/redis-server', flavor: located.flavor }),
    /SERVER_FAILED/,
  );
});

test('a directory too deep for a unix socket is a named error', async (t) => {
  const located = (await trialServers())[0];
  ok(located !== undefined);
  const runDir = join(await trialDir(t), 'x'.repeat(100));
  await rejects(startTrial(t, located, { runDir }), /SERVER_FAILED: .*too long for a unix socket/);
});

/** A killed process whose parent is gone may stay a zombie where nobody reaps: that is gone too. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
