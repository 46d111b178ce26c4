import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type DiskUnderTest, testDisk } from '../../../test/contracts/disk.ts';
import { testLogStore } from '../../../test/contracts/log-store.ts';
import { RealDisk } from './disk.ts';

function make(): DiskUnderTest {
  const directory = mkdtempSync(`${tmpdir()}/althing-disk-`);
  const end = (): void => rmSync(directory, { recursive: true, force: true });
  return { disk: new RealDisk(), directory, end };
}

testDisk('RealDisk', make);
testLogStore('storage over RealDisk', make);
