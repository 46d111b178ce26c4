/** What every `Disk` does, the real one and the simulated one. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { StorageError } from '../../src/io/storage/errors.ts';
import type { Disk, DiskDone, DiskFile } from '../../src/io/storage/ports.ts';

export interface DiskUnderTest {
  readonly disk: Disk;
  readonly directory: string;
  end(): void;
}

/** A completion as a promise, which also checks that it did not come within the call. */
export function completed(call: (done: DiskDone) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let isWithin = true;
    call((error) => {
      ok(!isWithin, 'never inside the call');
      if (error === null) resolve();
      else reject(error);
    });
    isWithin = false;
  });
}

type ResultDone<T> = (error: StorageError | null, value: T) => void;

export function resulting<T>(call: (done: ResultDone<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isWithin = true;
    call((error, value) => {
      ok(!isWithin, 'never inside the call');
      if (error === null) resolve(value);
      else reject(error);
    });
    isWithin = false;
  });
}

export async function opened(disk: Disk, path: string, how: 'new' | 'existing'): Promise<DiskFile> {
  const file = await resulting<DiskFile | null>((done) => disk.open(path, how, done));
  ok(file !== null);
  return file;
}

function isMissing(error: unknown): boolean {
  return (error as StorageError).code === 'FILE_MISSING';
}

async function readsWhatWasWritten({ disk, directory }: DiskUnderTest): Promise<void> {
  const file = await opened(disk, `${directory}/a`, 'new');
  const pieces = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('two')];
  await completed((done) => file.write(0, pieces, done));
  await completed((done) => file.write(10, [Buffer.from('far')], done));
  const bytes = await resulting<Uint8Array>((done) => file.read(1, 100, done));
  equal(Buffer.from(bytes).toString('latin1'), 'netwo\0\0\0\0far');
  equal(await resulting<number>((done) => file.size(done)), 13);
  equal((await resulting<Uint8Array>((done) => file.read(13, 5, done))).length, 0);
  await completed((done) => file.sync(done));
  await completed((done) => file.truncate(2, done));
  await completed((done) => file.write(4, [Buffer.from('x')], done));
  const rest = await resulting<Uint8Array>((done) => file.read(0, 100, done));
  equal(Buffer.from(rest).toString('latin1'), 'on\0\0x');
  await completed((done) => file.close(done));
}

async function takesManyPieces({ disk, directory }: DiskUnderTest): Promise<void> {
  const file = await opened(disk, `${directory}/a`, 'new');
  const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`));
  await completed((done) => file.write(0, pieces, done));
  const bytes = await resulting<Uint8Array>((done) => file.read(0, 100_000, done));
  ok(Buffer.concat(pieces).equals(bytes));
  await completed((done) => file.close(done));
}

async function tellsMissingFiles(under: DiskUnderTest): Promise<void> {
  const { disk, directory } = under;
  const path = `${directory}/a`;
  await resulting((done) => disk.open(path, 'existing', done)).then(
    () => ok(false),
    (error: StorageError) => {
      ok(isMissing(error));
      equal(error.path, path);
    },
  );
  const first = await opened(disk, path, 'new');
  await completed((done) => first.write(0, [Buffer.from('old')], done));
  await completed((done) => first.close(done));
  const second = await opened(disk, path, 'existing');
  equal(await resulting<number>((done) => second.size(done)), 3);
  await completed((done) => second.close(done));
  const third = await opened(disk, path, 'new');
  equal(await resulting<number>((done) => third.size(done)), 0);
  await completed((done) => third.close(done));
}

async function keepsNames({ disk, directory }: DiskUnderTest): Promise<void> {
  const inner = `${directory}/x/y`;
  await completed((done) => disk.makeDirectory(inner, done));
  await completed((done) => disk.makeDirectory(inner, done));
  const written = async (name: string): Promise<DiskFile> => {
    const file = await opened(disk, `${inner}/${name}`, 'new');
    await completed((done) => file.write(0, [Buffer.from(name)], done));
    return file;
  };
  const replaced = await written('b');
  await completed((done) => replaced.close(done));
  const renamed = await written('a');
  const list = (): Promise<readonly string[]> => resulting((done) => disk.list(inner, done));
  deepEqual(await list(), ['a', 'b']);
  await completed((done) => renamed.rename(`${inner}/b`, done));
  equal(renamed.path, `${inner}/b`);
  await completed((done) => renamed.close(done));
  await completed((done) => disk.syncDirectory(inner, done));
  deepEqual(await list(), ['b']);
  const file = await opened(disk, `${inner}/b`, 'existing');
  await completed((done) => disk.unlink(`${inner}/b`, done));
  deepEqual(await list(), []);
  const bytes = await resulting<Uint8Array>((done) => file.read(0, 10, done));
  equal(Buffer.from(bytes).toString(), 'a', 'an open file outlives its name');
  await completed((done) => file.close(done));
  const gone = completed((done) => disk.unlink(`${inner}/b`, done));
  await gone.then(
    () => ok(false),
    (error) => ok(isMissing(error)),
  );
  const nowhere = resulting((done) => disk.list(`${directory}/none`, done));
  await nowhere.then(
    () => ok(false),
    (error) => ok(isMissing(error)),
  );
}

async function continuesChecksums({ disk }: DiskUnderTest): Promise<void> {
  const bytes = Buffer.from('The Althing');
  const first = disk.checksum(bytes.subarray(0, 4));
  equal(disk.checksum(bytes.subarray(4), first), disk.checksum(bytes));
  equal(disk.checksum(Buffer.from('123456789')), 0xcbf43926, 'the check value of CRC-32');
}

export function testDisk(name: string, make: () => DiskUnderTest): void {
  const run = (claim: string, body: (under: DiskUnderTest) => Promise<void>): void => {
    test(`${name}: ${claim}`, async () => {
      const under = make();
      try {
        await body(under);
      } finally {
        under.end();
      }
    });
  };

  run('what was written is read, in pieces and with gaps', readsWhatWasWritten);
  run('more pieces than the kernel takes at once arrive in order', takesManyPieces);
  run('`new` empties a file, `existing` keeps it, missing ones are named', tellsMissingFiles);
  run('names: list, rename over, unlink, directories', keepsNames);
  run('the checksum can be continued', continuesChecksums);
}
