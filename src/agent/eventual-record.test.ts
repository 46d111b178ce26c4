import { deepEqual, equal } from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { trialDir } from '../io/server/trial.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { type DataRecord, NO_RECORD } from './eventual/ports.ts';
import { AOF_DIRECTORY, FileRecord, type FileSeen } from './eventual-record.ts';
import { createJournal } from './journal.ts';

const POINT = { history: 'a'.repeat(40), offset: 7 };
const RECORD: DataRecord = {
  point: POINT,
  begun: { history: 'b'.repeat(40), offset: 9, decision: 3, isOnDisk: true },
};

async function opened(dataDir: string, seen: FileSeen | null = null): Promise<FileRecord> {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const journal = createJournal({ name: 'trial', node: 'a', destination });
  const fatal = (error: Error): never => {
    throw error;
  };
  return FileRecord.open({ disk: new RealDisk(), dataDir, seen: () => seen, journal, fatal });
}

async function withData(t: TestContext): Promise<string> {
  const dataDir = await trialDir(t);
  await mkdir(`${dataDir}/${AOF_DIRECTORY}`);
  await writeFile(`${dataDir}/${AOF_DIRECTORY}/appendonly.aof.manifest`, 'x');
  return dataDir;
}

test('what was recorded is there at the next start, the newest', async (t) => {
  const dataDir = await withData(t);
  const record = await opened(dataDir);
  deepEqual(record.record, NO_RECORD);
  for (const each of [{ point: POINT, begun: null }, RECORD])
    await new Promise<void>((resolve) => record.save(each, resolve));
  deepEqual((await opened(dataDir)).record, RECORD);
  await new Promise<void>((resolve) => record.save(NO_RECORD, resolve));
  deepEqual((await opened(dataDir)).record, NO_RECORD);
});

test('a damaged record, and one whose data are gone, say nothing', async (t) => {
  const dataDir = await withData(t);
  const record = await opened(dataDir);
  await new Promise<void>((resolve) => record.save(RECORD, resolve));
  const bytes = await readFile(`${dataDir}/held`);
  const at = bytes.indexOf('7');
  bytes[at] = (bytes[at] as number) ^ 1;
  await writeFile(`${dataDir}/held`, bytes);
  equal((await opened(dataDir)).record, NO_RECORD);
  await new Promise<void>((resolve) => record.save(RECORD, resolve));
  await rm(`${dataDir}/${AOF_DIRECTORY}`, { recursive: true });
  equal((await opened(dataDir)).record, NO_RECORD);
  await mkdir(`${dataDir}/${AOF_DIRECTORY}`);
  await writeFile(`${dataDir}/${AOF_DIRECTORY}/appendonly.aof.manifest`, 'of an empty server');
  deepEqual((await opened(dataDir)).record, NO_RECORD, 'it does not come back');
});

test('data that have grown since the last record are told by their file', async (t) => {
  const dataDir = await withData(t);
  const part = `${dataDir}/${AOF_DIRECTORY}/appendonly.aof.1.incr.aof`;
  await writeFile(part, 'x'.repeat(30));
  const record = await opened(dataDir, { ...POINT, isPrimary: true, bytes: 30 });
  equal(await record.grown(), null);
  await new Promise<void>((resolve) => record.save(RECORD, resolve));
  const tail = { since: POINT.offset, path: part, position: 30 };
  const then = { ...POINT, wasPrimary: true, isCounted: true, tail };
  deepEqual(await (await opened(dataDir)).grown(), then);
  await writeFile(part, 'x'.repeat(50));
  for (const each of [record, await opened(dataDir)])
    deepEqual(await each.grown(), { ...then, offset: 27 });
  const uncounted = { ...then, isCounted: false, tail: null };
  await writeFile(part, 'x'.repeat(29));
  deepEqual(await record.grown(), uncounted, 'its end was not written');
  await writeFile(`${dataDir}/${AOF_DIRECTORY}/appendonly.aof.2.incr.aof`, 'x');
  deepEqual(await record.grown(), uncounted, 'it was written anew meanwhile');
});

test('a file is known to be as long as it was at one moment with how far the data were', async (t) => {
  const dataDir = await withData(t);
  await writeFile(`${dataDir}/${AOF_DIRECTORY}/appendonly.aof.1.incr.aof`, 'x'.repeat(40));
  const { history } = POINT;
  for (const [seen, offset] of [
    [{ history, offset: 17 }, 17],
    [{ history: 'b'.repeat(40), offset: 17 }, POINT.offset],
  ] as const) {
    const record = await opened(dataDir, { isPrimary: true, bytes: 40, ...seen });
    await new Promise<void>((resolve) => record.save(RECORD, resolve));
    equal((await record.grown())?.tail?.since, offset);
  }
});
