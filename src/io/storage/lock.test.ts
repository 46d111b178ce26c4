import { equal, match, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { type TestContext, test } from 'node:test';
import { LOCK_OPTIONS, lockDirectory } from './lock.ts';

/** A process that locks the directory, says how that went, and stays. */
async function holder(t: TestContext, directory: string, flock: string) {
  const file = JSON.stringify(`${import.meta.dirname}/lock.ts`);
  const source = `
    const { lockDirectory, LOCK_OPTIONS } = await import(${file});
    const result = lockDirectory(process.argv[1], { ...LOCK_OPTIONS, flock: process.argv[2] });
    console.log(result.ok ? result.lock.how : result.error.message);
    process.stdin.resume();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source, directory, flock], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: line.toString().trim() };
}

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(`${tmpdir()}/althing-lock-`);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

for (const flock of ['flock', '/nonexistent/flock']) {
  test(`a locked directory names its holder, until that dies (${flock})`, async (t) => {
    const directory = directoryFor(t);
    const options = { ...LOCK_OPTIONS, flock };
    const { child, said } = await holder(t, directory, flock);
    equal(said, flock === 'flock' ? 'flock' : 'pid');
    const refused = lockDirectory(directory, options);
    ok(!refused.ok);
    equal(refused.error.code, 'DIRECTORY_LOCKED');
    match(refused.error.message, new RegExp(`in use by process ${child.pid}\\b`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const taken = lockDirectory(directory, options);
    ok(taken.ok);
    match((await holder(t, directory, flock)).said, new RegExp(`process ${process.pid}\\b`));
    taken.lock.release();
    equal((await holder(t, directory, flock)).said, flock === 'flock' ? 'flock' : 'pid');
  });
}

test('a directory that is not there is an error that names it', () => {
  const result = lockDirectory('/nonexistent/directory');
  ok(!result.ok);
  match(result.error.message, /\/nonexistent\/directory\/lock/);
});

test('a lock file that cannot be written or read is an error with its way out, and no obstacle to a release', (t) => {
  const directory = directoryFor(t);
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const taken = lockDirectory(directory);
  ok(taken.ok);
  t.mock.method(fs, 'ftruncateSync', () => {
    throw full;
  });
  syncBuiltinESMExports();
  taken.lock.release();
  const refused = lockDirectory(directory);
  t.mock.reset();
  syncBuiltinESMExports();
  ok(!refused.ok);
  equal(refused.error.code, 'DISK_FULL');
  match(refused.error.message, /lock file cannot be written: ENOSPC/);
  t.mock.method(fs, 'readFileSync', () => {
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  });
  syncBuiltinESMExports();
  const unread = lockDirectory(directory);
  t.mock.reset();
  syncBuiltinESMExports();
  ok(!unread.ok);
  match(unread.error.message, /^DISK_FAILED: the lock file cannot be read: EIO/);
  const again = lockDirectory(directory);
  ok(again.ok, 'what was refused holds no lock');
  again.lock.release();
});
