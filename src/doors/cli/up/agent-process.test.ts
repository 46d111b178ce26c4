import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AgentDeath, AgentProcess } from './agent-process.ts';
import { agentEnvironment, agentProgram } from './agent-program.ts';

interface Scene {
  readonly agent: AgentProcess;
  readonly deaths: AgentDeath[];
  died(): Promise<AgentDeath>;
}

function scene(t: TestContext, script: string, restart = true): Scene {
  const directory = mkdtempSync(join(tmpdir(), 'up-'));
  const deaths: AgentDeath[] = [];
  let tell: (death: AgentDeath) => void = () => {};
  const agent = new AgentProcess({
    node: 'node1',
    command: ['/bin/sh', '-c', script],
    environment: process.env,
    logFile: join(directory, 'agent.log'),
    restart,
    onDeath: (death) => {
      deaths.push(death);
      tell(death);
    },
  });
  t.after(async () => {
    await agent.stop(0);
    rmSync(directory, { recursive: true });
  });
  const died = (): Promise<AgentDeath> =>
    new Promise((resolve) => {
      tell = resolve;
    });
  return { agent, deaths, died };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('an agent that dies is started again after a second', async (t) => {
  const { agent, died } = scene(t, 'exec sleep 60');
  agent.start();
  const first = agent.pid;
  agent.signal('SIGKILL');
  const death = await died();
  assert.deepEqual([death.how, death.restarts, agent.pid], ['SIGKILL', true, null]);
  const begin = performance.now();
  await until(() => agent.pid !== null);
  assert.ok(performance.now() - begin > 900);
  assert.notEqual(agent.pid, first);
});

test('with --no-restart it stays down', async (t) => {
  const { agent, died } = scene(t, 'exec sleep 60', false);
  agent.start();
  agent.signal('SIGKILL');
  assert.equal((await died()).restarts, false);
});

test('an agent that refuses its settings is not asked again, and its words are told', async (t) => {
  const { agent, died } = scene(t, 'echo "no such key"; exit 2');
  agent.start();
  const { restarts, lastWords, how } = await died();
  assert.deepEqual([restarts, lastWords, how], [false, 'no such key', 'exit code 2']);
});

test('the last words of a crash are its message, not its stack', async (t) => {
  const crash = `exec ${process.execPath} -e "null.x" 2>&1`;
  const { agent, died } = scene(t, crash, false);
  agent.start();
  assert.match((await died()).lastWords, /^TypeError: Cannot read properties of null/);
});

test('one that ignores SIGTERM is killed when the patience is over', async (t) => {
  const { agent } = scene(t, 'trap "" TERM; echo deaf; while :; do sleep 0.1; done');
  agent.start();
  await until(() => readFileSync(agent.logFile, 'utf8').includes('deaf'));
  await agent.stop(100);
  assert.equal(agent.pid, null);
});

test('one that is paused stops without the knife', async (t) => {
  const { agent } = scene(t, 'trap "echo bye; exit 0" TERM; while :; do sleep 0.1; done');
  agent.start();
  await new Promise((resolve) => setTimeout(resolve, 200));
  agent.signal('SIGSTOP');
  await agent.stop(5_000);
  assert.match(readFileSync(agent.logFile, 'utf8'), /bye/);
});

test('an agent dies with the process that started it', async (t) => {
  const [program = '', ...args] = agentProgram(process.env);
  if (!program.endsWith('setpriv')) return t.skip('no setpriv here');
  const sleeper = JSON.stringify([...args.slice(0, 2), 'sleep', '60']);
  const parent = spawn(process.execPath, [
    '-e',
    `const child = require('child_process').spawn(${JSON.stringify(program)}, ${sleeper});
     child.on('spawn', () => console.log(child.pid)); setInterval(() => {}, 1000);`,
  ]);
  const pid = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
  assert.ok(isRunning(pid));
  parent.kill('SIGKILL');
  await until(() => !isRunning(pid));
});

/** False for one that is dead and not yet collected. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/status`;
  return existsSync(file) && !/^State:\s+Z/m.test(readFileSync(file, 'utf8'));
}

test('settings of this shell do not reach the agents', () => {
  const given = { PATH: '/bin', ALTHING_PORT: '1', ALTHING_SERVER: '/s' };
  assert.deepEqual(agentEnvironment(given), { PATH: '/bin' });
});
