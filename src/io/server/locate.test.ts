import { equal, match, rejects } from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  extraDirectives,
  isSupported,
  parseVersion,
  rdbVersionMax,
  versionText,
} from './flavor.ts';
import { locateServer } from './locate.ts';
import { trialDir } from './trial.ts';

async function program(path: string, says: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho '${says}'\n`);
  await chmod(path, 0o755);
}

const REDIS_7 = 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7';
const REDIS_6 = 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=6d95e';
const VALKEY_8 = 'Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=39f7c';

test('locateServer prefers redis-server, then valkey-server, then the cache', async (t) => {
  const directory = await trialDir(t);
  const first = join(directory, 'first');
  const second = join(directory, 'second');
  const cacheDir = join(directory, 'cache');
  const find = async () => {
    const path = `${first}:${second}`;
    return (await locateServer({ explicit: null, path, cacheDir })).path;
  };
  await program(join(cacheDir, 'valkey-8.0.1', 'usr', 'bin', 'valkey-server'), VALKEY_8);
  equal(await find(), join(cacheDir, 'valkey-8.0.1', 'usr', 'bin', 'valkey-server'));
  await program(join(first, 'valkey-server'), VALKEY_8);
  equal(await find(), join(first, 'valkey-server'));
  await program(join(second, 'redis-server'), REDIS_6);
  equal(await find(), join(first, 'valkey-server'));
  await program(join(second, 'redis-server'), REDIS_7);
  equal(await find(), join(second, 'redis-server'));
});

test('locateServer names what is missing, where it looked and what to do', async (t) => {
  const directory = await trialDir(t);
  const nowhere = { path: directory, cacheDir: join(directory, 'cache') };
  await rejects(locateServer({ explicit: null, ...nowhere }), (error: Error) => {
    match(error.message, /^SERVER_MISSING: /);
    match(error.message, new RegExp(`${directory}.*apt-get install redis-server.*--server`));
    return true;
  });
  const absent = join(directory, 'absent');
  await rejects(
    locateServer({ explicit: absent, ...nowhere }),
    new RegExp(`SERVER_MISSING: ${absent}`),
  );
  const other = join(directory, 'other');
  await program(other, 'nginx 1.0');
  await rejects(locateServer({ explicit: other, ...nowhere }), /SERVER_MISSING: .*is neither/);
  const failing = join(directory, 'failing');
  await writeFile(failing, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  await rejects(
    locateServer({ explicit: failing, ...nowhere }),
    /SERVER_MISSING: .*--version failed/,
  );
  await program(join(directory, 'redis-server'), REDIS_6);
  await rejects(
    locateServer({ explicit: null, ...nowhere }),
    /SERVER_TOO_OLD: .*redis 6\.0\.16.*it takes redis 7\.0 or valkey 7\.2/,
  );
});

test('parseVersion and what follows from it', () => {
  const flavorOf = (text: string) => {
    const flavor = parseVersion(text);
    if (flavor === null) throw new Error(`not read: ${text}`);
    return flavor;
  };
  equal(versionText(flavorOf(VALKEY_8)), 'valkey 8.0.1');
  equal(parseVersion('KeyDB server v=6.3.4 sha=0'), null);
  const cases: [text: string, isSupported: boolean, rdb: number, extra: number][] = [
    ['Redis server v=6.2.14', false, 10, 0],
    ['Redis server v=7.0.0', true, 10, 0],
    ['Redis server v=7.2.4', true, 11, 0],
    ['Redis server v=8.2.0', true, 12, 1],
    ['Valkey server v=7.2.5', true, 11, 0],
    ['Valkey server v=8.1.0', true, 11, 1],
    ['Valkey server v=9.0.0', true, 80, 1],
  ];
  for (const [text, supported, rdb, extra] of cases) {
    const flavor = flavorOf(text);
    equal(isSupported(flavor), supported, text);
    equal(rdbVersionMax(flavor), rdb, text);
    equal(extraDirectives(flavor).length, extra, text);
  }
});
