import { equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RealDisk } from '../../io/storage/disk.ts';
import { KeptIdentity } from './kept-identity.ts';
import { Membership } from './membership.ts';

const PATIENCE_MS = 10_000;

async function until(isTrue: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!isTrue() && performance.now() < endMs) await sleep(5);
  equal(isTrue(), true);
}

function fatal(error: Error): never {
  throw error;
}

/** An empty node that founds alone, once it is told that one is enough. */
async function open(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'membership-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const identity = await new Promise<KeptIdentity>((resolve, reject) => {
    const randomHex = (bytes: number) => 'ab'.repeat(bytes);
    const who = { path: join(dir, 'identity'), name: 'orders', node: 'a', randomHex };
    KeptIdentity.open({ disk: new RealDisk(), ...who }, (error, opened) => {
      if (opened === null) reject(error);
      else resolve(opened);
    });
  });
  const claims: { readonly deployment: string; readonly done: () => void }[] = [];
  const seen = { joined: 0 };
  const address = '127.0.0.1:1';
  const membership = new Membership({
    identity,
    introduction: () => ({
      name: 'orders',
      clientAddress: address,
      httpAddress: address,
      peerAddress: address,
      serverVersion: 'none',
      zone: '',
      ephemeral: false,
    }),
    imports: false,
    nodesExpected: null,
    claim: (deployment, done) => claims.push({ deployment, done }),
    sha256Hex: (text) => createHash('sha256').update(text).digest('hex'),
    note: () => undefined,
    announce: () => undefined,
    joined: () => {
      seen.joined += 1;
    },
    peerFound: () => undefined,
    peerLost: () => undefined,
    isRemoved: () => false,
    fatal,
  });
  membership.start();
  return { membership, identity, claims, seen };
}

test('who has all signatures is a member only when its founding stands in the record', async (t) => {
  const { membership, identity, claims, seen } = await open(t);
  await sleep(20);
  equal(identity.now.phase, 'empty', 'nobody has said yet how many found');
  membership.expects(1);
  await until(() => claims.length === 1);
  equal(identity.now.phase, 'signed');
  equal(membership.hello.phase, 'signed');
  await sleep(20);
  equal(seen.joined, 0);
  claims[0]?.done();
  await until(() => seen.joined === 1);
  equal(identity.now.phase, 'member');
  equal(identity.now.deployment, claims[0]?.deployment);
});
