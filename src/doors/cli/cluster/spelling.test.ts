import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { accessOf, takeAddress, takeAddresses } from './options.ts';
import { paceOf } from './pace.ts';
import { Progress } from './progress.ts';
import { UsageError } from './session.ts';
import { clusterSpelling } from './spelling.ts';

test('flags are the same in the spellings of redis-cli and valkey-cli, wherever they stand', () => {
  const cases: [given: string, same: string][] = [
    [
      'cluster create a:1 --cluster-replicas 1 --cluster-yes',
      'cluster create a:1 --replicas 1 --yes',
    ],
    ['cluster --cluster-replicas=1 create', 'cluster --replicas=1 create'],
    [
      'cluster add-node --cluster-slave --cluster-master-id x',
      'cluster add-node --replica --primary-id x',
    ],
    ['cluster add-node --cluster-primaries-id x', 'cluster add-node --primary-id x'],
    ['cluster call --cluster-only-masters', 'cluster call --only-primaries'],
    ['cluster call --cluster-only-primaries', 'cluster call --only-primaries'],
    ['cluster rebalance --cluster-use-empty-masters', 'cluster rebalance --use-empty-primaries'],
    ['cluster rebalance --cluster-simulate', 'cluster rebalance --dry-run'],
    [
      'cluster fix --cluster-fix-with-unreachable-masters',
      'cluster fix --fix-with-unreachable-primaries',
    ],
    ['cluster reshard --cluster-use-atomic-slot-migration', 'cluster reshard --atomic'],
    ['cluster check a:1 --pass x', 'cluster check a:1 --password x'],
    ['cluster call a:1 -- x --cluster-yes', 'cluster call a:1 -- x --cluster-yes'],
    ['status --cluster-yes', 'status --cluster-yes'],
  ];
  for (const [given, same] of cases) equal(clusterSpelling(given.split(' ')).join(' '), same);
});

test('an address is one word or two, also of IPv6, and nothing else', () => {
  const cases: [words: string, host: string, port: number, rest: number][] = [
    ['10.0.0.1:7001', '10.0.0.1', 7001, 0],
    ['db1 7001 more', 'db1', 7001, 1],
    ['[::1]:7001 x y', '::1', 7001, 2],
    ['::1 7001', '::1', 7001, 0],
  ];
  for (const [words, host, port, rest] of cases) {
    const taken = takeAddress(words.split(' '));
    deepEqual([taken?.address.host, taken?.address.port, taken?.rest.length], [host, port, rest]);
  }
  for (const words of ['', 'db1', 'db1:0', 'db1:70000', 'db1 x'])
    equal(takeAddress(words.split(' ')), null, words);
  equal(takeAddresses('a:1 b 2 c:3'.split(' '))?.length, 3);
  equal(takeAddresses('a:1 b'.split(' ')), null);
});

test('TLS is spoken when any of its flags is given, and checked unless that was said', () => {
  equal(accessOf({}).tls, null);
  equal(accessOf({ tls: true }).tls?.isInsecure, false);
  equal(accessOf({ cacert: 'ca.crt' }).tls?.caFile, 'ca.crt');
  equal(accessOf({ insecure: true }).tls?.isInsecure, true);
});

test('paceOf refuses what is no number or no size', () => {
  equal(paceOf({ pipeline: '10', rate: '500', bigKeys: '1mb' }).keyBytesMax, 1_048_576);
  equal(paceOf({}).keysPerSecond, null);
  const ways = [{}, { rate: '9' }, { bigKeys: '1mb' }, { atomic: false }, { atomic: true }];
  deepEqual(
    ways.map((options) => paceOf(options).way),
    ['either', 'keys', 'keys', 'keys', 'whole'],
  );
  for (const wrong of [
    { pipeline: '0' },
    { rate: 'x' },
    { bigKeys: 'big' },
    { timeout: '-1' },
    { atomic: true, rate: '9' },
  ]) {
    let error: unknown = null;
    try {
      paceOf(wrong);
    } catch (thrown) {
      error = thrown;
    }
    equal(error instanceof UsageError, true, JSON.stringify(wrong));
  }
});

test('progress says the rate and the time left, once a second, and how long it took', () => {
  const lines: string[] = [];
  let now = 0;
  const terminal = { out: (text: string) => void lines.push(text), err: () => undefined };
  const progress = new Progress(100, { ...terminal, colour: false, isScreen: false }, () => now);
  now = 500;
  progress.add({ slots: 10, keys: 50 });
  now = 2_000;
  progress.add({ slots: 10, keys: 50 });
  now = 10_000;
  progress.add({ slots: 80, keys: 0 });
  deepEqual(lines, [
    'moved 20 of 100 slots, 100 keys, 50 keys/s, about 8s left\n',
    'moved 100 of 100 slots, 100 keys, 10 keys/s, in 10.0 s\n',
  ]);
});
