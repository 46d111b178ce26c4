/** Data of servers that ran elsewhere are loaded by the own one, whatever kept them. */
import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { versionText } from '../io/server/flavor.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { trialDir, trialServers, until } from '../io/server/trial.ts';
import { type ImportOptions, importData } from './import-data.ts';
import { createJournal } from './journal.ts';

const journal = createJournal({ name: 'trial', node: 'a', level: 'error' });
/** As an append-only file of the time before there were several parts has it. */
const WRITTEN = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8\r\nappended\r\n';

interface Running {
  readonly say: (line: string) => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** A server with nothing of ours, on `directory`. */
async function run(t: TestContext, { path }: LocatedServer, directory: string): Promise<Running> {
  const socketPath = join(await trialDir(t), 's');
  const words = ['--port', '0', '--unixsocket', socketPath, '--dir', directory, '--save', ''];
  const isKept = (await readdir(directory)).length > 0 ? 'yes' : 'no';
  const child = spawn(path, [...words, '--appendonly', isKept], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const say = (line: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(socketPath, () => socket.write(`${line}\r\n`));
      socket.setEncoding('utf8').once('data', (text) => {
        socket.destroy();
        resolve(String(text).trim());
      });
      socket.once('error', reject).once('close', () => resolve('closed'));
    });
  await until('it answers', () =>
    say('PING').then(
      (answer) => answer === '+PONG',
      () => false,
    ),
  );
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  return { say, stop };
}

/** As a directory is in which a server has run that was told to keep a log only later. */
async function sources(t: TestContext, located: LocatedServer): Promise<string> {
  const directory = join(await trialDir(t), 'source');
  await mkdir(directory);
  const server = await run(t, located, directory);
  equal(await server.say('SET k saved'), '+OK');
  equal(await server.say('SAVE'), '+OK');
  equal(await server.say('CONFIG SET appendonly yes'), '+OK');
  await until('its file is there', async () =>
    /aof_rewrite_in_progress:0/.test(await server.say('INFO persistence')),
  );
  equal(await server.say('SET k appended'), '+OK');
  await server.stop();
  return directory;
}

async function loaded(t: TestContext, located: LocatedServer, from: string): Promise<string> {
  const dataDir = join(await trialDir(t), 'data');
  equal(await importData(optionsOf(located, dataDir, { from })), true);
  const server = await run(t, located, dataDir);
  const answer = await server.say('GET k');
  equal(await server.say('SET k again'), '+OK');
  await server.stop();
  return answer;
}

function optionsOf(
  { flavor }: LocatedServer,
  dataDir: string,
  others: Partial<ImportOptions> = {},
): ImportOptions {
  return { from: null, dataDir, flavor, phase: 'empty', journal, ...others };
}

for (const located of await trialServers())
  test(`${versionText(located.flavor)} loads what others have kept, and they keep it`, async (t) => {
    const directory = await sources(t, located);
    const refused = importData(optionsOf(located, join(directory, 'data'), { from: directory }));
    await rejects(refused, /appendonlydir and dump\.rdb.*name it, for example/);
    const dump = join(directory, 'dump.rdb');
    match(await loaded(t, located, dump), /saved$/);
    match(await loaded(t, located, join(directory, 'appendonlydir')), /appended$/);
    await rm(dump);
    match(await loaded(t, located, directory), /appended$/);

    const single = join(await trialDir(t), 'appendonly.aof');
    await writeFile(single, WRITTEN);
    match(await loaded(t, located, single), /appended$/);
    await appendFile(single, '*3\r\n$3\r\nSET\r\n$1');
    match(await loaded(t, located, single), /appended$/, 'its torn end is cut, as of their own');
    const again = await run(t, located, directory);
    match(await again.say('GET k'), /appended$/, 'the source is what it was');
  });

test('data are brought in once, whole, and over nothing', async (t) => {
  const [located] = await trialServers();
  if (located === undefined) throw new Error('there is no server');
  const directory = await trialDir(t);
  const from = join(directory, 'appendonly.aof');
  const dataDir = join(directory, 'data');
  await writeFile(from, WRITTEN);
  const options = optionsOf(located, dataDir, { from });
  equal(await importData(optionsOf(located, dataDir)), false);
  await rejects(importData({ ...options, phase: 'joined' }), /nothing is put over them/);
  // A start that was killed in the middle of it.
  await mkdir(`${dataDir}.temp/appendonlydir`, { recursive: true });
  await writeFile(`${dataDir}.temp/appendonlydir/rest`, 'x');
  equal(await importData(options), true);
  deepEqual((await readdir(join(dataDir, 'appendonlydir'))).toSorted(), [
    'appendonly.aof.1.base.aof',
    'appendonly.aof.manifest',
  ]);
  await writeFile(from, 'other data');
  equal(await importData({ ...options, phase: 'member' }), true, 'not again');
  equal(await importData(optionsOf(located, dataDir)), true, 'they are here, asked for or not');
  await copyFile(from, join(directory, 'other.aof'));
  const other = importData({ ...options, from: join(directory, 'other.aof') });
  await rejects(other, /has data from .*appendonly\.aof, and nothing is put over them/);
  await rename(join(dataDir, 'imported'), join(dataDir, 'held'));
  await rejects(importData(options), /has data of its own/);
});
