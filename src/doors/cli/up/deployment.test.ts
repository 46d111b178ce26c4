import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOf, commandFor, type DeploymentOptions } from './deployment.ts';

test('addressesOf: each node has its ports above the first, further ones where they are wanted', () => {
  const [, second] = addressesOf(2, 6379, { hasSentinel: true });
  deepEqual(second, {
    node: 'node2',
    clients: 6380,
    peers: 7380,
    http: 8380,
    local: null,
    sentinel: 26380,
    bus: null,
  });
  equal(addressesOf(1, 6379, { hasLocal: true })[0]?.local, 9379);
  equal(addressesOf(1, 6379)[0]?.sentinel, null);
  equal(addressesOf(1, 6379, { hasBus: true })[0]?.bus, 16379);
});

test('commandFor: a node is told its Sentinel port, or that it has none', () => {
  const options = {
    directory: { nodeDirectory: () => '/data' },
    addresses: [],
    program: ['althing'],
  } as unknown as DeploymentOptions;
  const told = (hasSentinel: boolean) => {
    const [own] = addressesOf(1, 6379, { hasSentinel });
    const words = own === undefined ? [] : commandFor(options, own);
    return words[words.indexOf('--sentinel-port') + 1];
  };
  deepEqual([told(true), told(false)], ['26379', 'none']);
});

test('commandFor: a node of many shards is told of how many, and where its servers meet', () => {
  const options = {
    directory: { nodeDirectory: () => '/data' },
    addresses: [],
    program: ['althing'],
    shards: { count: 3, replicas: 0 },
  } as unknown as DeploymentOptions;
  const [own] = addressesOf(1, 6379, { hasBus: true });
  const words = own === undefined ? [] : commandFor(options, own);
  const told = ['--shards', '--replicas', '--bus-port'].map(
    (flag) => words[words.indexOf(flag) + 1],
  );
  deepEqual(told, ['3', '0', '16379']);
});

test('commandFor: data from elsewhere are brought in by the first node, and by no other', () => {
  const addresses = addressesOf(2, 6379);
  const options = {
    directory: { nodeDirectory: () => '/data' },
    addresses,
    program: ['althing'],
    importData: '/srv/redis',
  } as unknown as DeploymentOptions;
  const told = addresses.map((own) => {
    const words = commandFor(options, own);
    return words.includes('--import-data') ? words[words.indexOf('--import-data') + 1] : null;
  });
  deepEqual(told, ['/srv/redis', null]);
});
