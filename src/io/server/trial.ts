/** Real servers for the tests of this room: each in a directory of its own, gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONF_LIMITS, type ConfOptions } from './conf.ts';
import { inspectServer, type LocatedServer, locateServer } from './locate.ts';
import { findSetpriv, type ServerExit, ServerProcess } from './process.ts';

/** Those of ALTHING_TEST_SERVERS (paths, separated by colons), or the one that is installed. */
export async function trialServers(): Promise<LocatedServer[]> {
  const paths = process.env['ALTHING_TEST_SERVERS'] ?? '';
  if (paths !== '') return Promise.all(paths.split(delimiter).map(inspectServer));
  const path = process.env['PATH'] ?? '';
  return [await locateServer({ explicit: null, path, cacheDir: null })];
}

export interface Trial {
  readonly server: ServerProcess;
  readonly exits: ServerExit[];
  readonly runDir: string;
}

export async function trialDir(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'althing-server-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts a server that is killed and cleaned away when the test ends. */
export async function startTrial(
  t: TestContext,
  located: LocatedServer,
  overrides: Partial<ConfOptions> = {},
): Promise<Trial> {
  const runDir = join(await trialDir(t), 'run');
  const exits: ServerExit[] = [];
  const conf: ConfOptions = {
    flavor: located.flavor,
    runDir,
    agentPassword: 'agent-password',
    clientPassword: null,
    users: [],
    localHost: null,
    feed: null,
    settingLines: [],
    limits: { ...CONF_LIMITS, backlogBytes: 1 << 20, clientsMax: 100 },
    ...overrides,
  };
  const server = await ServerProcess.start(
    {
      program: located.path,
      conf,
      setpriv: await findSetpriv(),
      startMsMax: 10_000,
      onLine: () => undefined,
      onExit: (exit) => exits.push(exit),
    },
    t.signal,
  );
  t.after(() => server.kill());
  return { server, exits, runDir };
}

/** Waits until `isTrue`, at most forty seconds: what works takes far less, what hangs far more. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 4_000; i++) {
    if (await isTrue()) return;
    await sleep(10);
  }
  throw new Error(`never: ${what}`);
}

/** A TCP listener on loopback, as the agent's feed is one. */
export async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const listener: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
