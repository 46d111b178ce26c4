import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type BackupManifest, manifestText, parseManifest } from './backup-manifest.ts';

const MANIFEST: BackupManifest = {
  format: 1,
  takenAt: '2026-11-28T05:00:00.000Z',
  shards: [
    {
      file: 'shard-0.rdb',
      bytes: 176,
      sha256: 'a'.repeat(64),
      from: '10.0.0.7:6379',
      role: 'replica',
      product: 'redis 7.0.15',
      replid: 'b'.repeat(40),
      offset: 7,
      slots: '0-5460',
      databases: { 0: 3 },
      functions: ['lib'],
      digest: 'c'.repeat(32),
    },
  ],
  spec: null,
};

test('parseManifest reads what manifestText writes, and passes over what it does not know', () => {
  deepEqual(parseManifest(manifestText(MANIFEST)), MANIFEST);
  deepEqual(parseManifest(JSON.stringify({ ...MANIFEST, later: 1 })), MANIFEST);
});

test('parseManifest refuses what it cannot trust', () => {
  const [shard] = MANIFEST.shards;
  const wrong: [what: string, text: string][] = [
    ['cut off', manifestText(MANIFEST).slice(0, -5)],
    ['a later format', JSON.stringify({ ...MANIFEST, format: 2 })],
    ['no shards', JSON.stringify({ ...MANIFEST, shards: [] })],
    ...Object.entries({
      file: '../elsewhere.rdb',
      bytes: 'many',
      sha256: 'short',
      offset: 0.5,
      slots: 7,
      databases: { zero: 1 },
      functions: [1],
      digest: '',
    }).map(([name, value]): [string, string] => [
      name,
      JSON.stringify({ ...MANIFEST, shards: [{ ...shard, [name]: value }] }),
    ]),
  ];
  for (const [what, text] of wrong) equal(parseManifest(text), null, what);
});
