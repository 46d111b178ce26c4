import { equal } from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type DiskUnderTest, testDisk } from '../../../test/contracts/disk.ts';
import { testLogStore } from '../../../test/contracts/log-store.ts';
import { RealDisk } from './disk.ts';
import type { DiskFile } from './ports.ts';

function make(): DiskUnderTest {
  const directory = mkdtempSync(`${tmpdir()}/althing-disk-`);
  const end = (): void => rmSync(directory, { recursive: true, force: true });
  return { disk: new RealDisk(), directory, end };
}

testDisk('RealDisk', make);
testLogStore('storage over RealDisk', make);

test('a small write waits for what the turn sends at its end, and for nothing more', async (t) => {
  const { disk, directory, end } = make();
  t.after(end);
  const path = `${directory}/log`;
  const file = await new Promise<DiskFile>((resolve, reject) =>
    disk.open(path, 'new', (error, opened) => (opened === null ? reject(error) : resolve(opened))),
  );
  const sizes: number[] = [];
  await new Promise<void>((resolve) =>
    setImmediate(() => {
      file.write(0, [Buffer.from('entry')], () => undefined);
      process.nextTick(() => sizes.push(statSync(path).size));
      setImmediate(() => resolve());
    }),
  );
  sizes.push(statSync(path).size);
  equal(sizes.join(), '0,5');
  await new Promise<void>((resolve) => file.close(() => resolve()));
});
