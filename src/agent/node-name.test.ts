import { equal } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { RealDisk } from '../io/storage/disk.ts';
import type { NodeConfig } from './config.ts';
import { namedByDirectory } from './node-name.ts';
import { OwnIdentity } from './own-identity.ts';

function config(dir: string, node: string, isGiven: boolean): NodeConfig {
  const provenance = new Map(isGiven ? [['node', '--node (flag)']] : []);
  return { dir, node, name: 'orders', provenance } as unknown as NodeConfig;
}

test('a node that was not named keeps the name of its directory, whatever its host is called', async (t) => {
  const dir = mkdtempSync(`${tmpdir()}/althing-name-`);
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const disk = new RealDisk();
  const named = async (node: string, isGiven: boolean) =>
    (await namedByDirectory(config(dir, node, isGiven), disk)).node;
  equal(await named('host1-7379', false), 'host1-7379', 'an empty directory says nothing');
  await OwnIdentity.open(disk, `${dir}/identity`, 'orders', 'host1-7379');
  equal(await named('host2-7379', false), 'host1-7379');
  equal(await named('other', true), 'other', 'who is named is asked whether it is so');
  writeFileSync(`${dir}/identity`, 'damaged');
  equal(await named('host2-7379', false), 'host2-7379', 'told when it is opened');
});
