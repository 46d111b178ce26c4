import { deepEqual, equal } from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import type { Hello } from '../io/peers/hello.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { OwnIdentity } from './own-identity.ts';

const DIRECTORY = 'ab'.repeat(16);

function hello(incarnation: number, run: string, ...earlierRuns: string[]): Hello {
  return {
    name: 'orders',
    deployment: '',
    node: 'n2',
    directory: DIRECTORY,
    incarnation,
    run,
    earlierRuns,
    phase: 'empty',
    charter: null,
    clientAddress: '',
    httpAddress: '',
    peerAddress: '',
    serverVersion: '7.0.15',
  };
}

test('H9: of two starts of one directory that come at the same time, what was let in is remembered', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/althing-identity-`);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const open = () => OwnIdentity.open(new RealDisk(), `${directory}/identity`, 'orders', 'n1');
  const identity = await open();
  const record = (...hellos: Hello[]) =>
    Promise.all(hellos.map(async (one) => (await identity.recordPeer(one))?.code ?? 'in'));
  const old = 'OLD_INCARNATION';
  deepEqual(await record(hello(5, 'a5'), hello(5, 'b5'), hello(6, 'b6', 'b5')), ['in', old, old]);
  deepEqual(await record(hello(7, 'a7', 'a5', 'a6'), hello(6, 'a6', 'a5')), ['in', old]);
  deepEqual((await open()).knownRunOf(DIRECTORY), { incarnation: 7, run: 'a7' });
});

test('H9: every start is remembered before anybody hears of it, so many of them and no more', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/althing-identity-`);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const runs: string[] = [];
  for (let start = 1; start <= 35; start++) {
    const identity = await OwnIdentity.open(new RealDisk(), `${directory}/identity`, 'o', 'n1');
    equal(identity.now.incarnation, start);
    deepEqual(identity.runs.earlierRuns, runs.slice(-32));
    runs.push(identity.runs.run);
  }
});
