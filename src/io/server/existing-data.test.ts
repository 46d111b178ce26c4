import { deepEqual, rejects } from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { existingParts } from './existing-data.ts';
import { trialDir } from './trial.ts';

const FLAVOR = { product: 'redis', major: 7, minor: 0, patch: 15 } as const;
const RDB = Buffer.from('REDIS0010 and so on \xff12345678', 'latin1');

test('the parts of a manifest come in its order, the beginning first', async (t) => {
  const directory = join(await trialDir(t), 'appendonlydir');
  await mkdir(directory);
  const names = ['a.1.base.rdb', 'a.1.incr.aof', 'a 2.incr.aof', 'a.0.base.rdb'];
  for (const name of names) await writeFile(join(directory, name), RDB);
  await writeFile(join(directory, 'a.1.incr.aof'), '*1\r\n');
  await writeFile(join(directory, 'a 2.incr.aof'), '');
  const manifest = (text: string) => writeFile(join(directory, 'a.manifest'), text);
  const found = async (path: string) =>
    (await existingParts(path, FLAVOR)).map((part) => basename(part.path));
  await manifest(
    '# of a server\nfile a.1.incr.aof seq 1 type i\n' +
      'file "a 2.incr.aof" seq 2 type i startoffset 7\n' +
      'file a.1.base.rdb seq 1 type b\nfile a.0.base.rdb seq 0 type h\n',
  );
  deepEqual(await found(directory), ['a.1.base.rdb', 'a.1.incr.aof', 'a 2.incr.aof']);
  deepEqual(await found(join(directory, '..')), ['a.1.base.rdb', 'a.1.incr.aof', 'a 2.incr.aof']);
  await manifest('file ../a.1.base.rdb seq 1 type b\n');
  await rejects(found(directory), /not understood: file \.\.\/a/);
  await manifest('file gone.aof seq 1 type i\n');
  await rejects(found(directory), /gone\.aof cannot be read/);
  await manifest('file a.0.base.rdb seq 0 type h\n');
  await rejects(found(directory), /names no data/);
});

test('what is no data, cut off or too new is refused with the reason', async (t) => {
  const directory = await trialDir(t);
  const path = join(directory, 'dump.rdb');
  const refused = async (content: Buffer | string, why: RegExp) => {
    await writeFile(path, content);
    await rejects(existingParts(directory, FLAVOR), why);
  };
  await rejects(existingParts(join(directory, 'none'), FLAVOR), /IMPORT_REFUSED: .*cannot be read/);
  await rejects(existingParts(directory, FLAVOR), /has none of appendonlydir, appendonly\.aof/);
  await refused('', /it does not begin like an RDB/);
  await refused('*3\r\n$3\r\nSET', /it does not begin like an RDB/);
  await refused('REDIS0012 and so on', /RDB version REDIS0012, which redis 7\.0\.15 cannot load/);
  await refused(RDB.subarray(0, -1), /is cut off/);
  await writeFile(path, RDB);
  deepEqual((await existingParts(path, FLAVOR)).length, 1);
  await writeFile(join(directory, 'appendonly.aof'), '');
  await rejects(
    existingParts(directory, FLAVOR),
    /appendonly\.aof and dump\.rdb|dump\.rdb and app/,
  );
});
