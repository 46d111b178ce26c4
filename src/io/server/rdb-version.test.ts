import { equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import type { Flavor } from './flavor.ts';
import { rdbUnreadableBecause } from './rdb-version.ts';

const REDIS_7_0: Flavor = { product: 'redis', major: 7, minor: 0, patch: 15 };
const REDIS_8: Flavor = { product: 'redis', major: 8, minor: 0, patch: 0 };
const VALKEY_8: Flavor = { product: 'valkey', major: 8, minor: 0, patch: 1 };
const VALKEY_9: Flavor = { product: 'valkey', major: 9, minor: 0, patch: 0 };

const isReadable = (head: string, flavor: Flavor) =>
  rdbUnreadableBecause(Buffer.from(head), flavor) === null;

test('a server reads its own RDB versions and older ones', () => {
  equal(isReadable('REDIS0010', REDIS_7_0), true);
  equal(isReadable('REDIS0009', REDIS_7_0), true);
  equal(isReadable('REDIS0011', VALKEY_8), true);
  equal(isReadable('VALKEY080', VALKEY_9), true);
  equal(isReadable('REDIS0011', VALKEY_9), true);
});

test('an RDB of a newer server, or of the other family, is not readable', () => {
  equal(isReadable('REDIS0011', REDIS_7_0), false);
  equal(isReadable('VALKEY080', VALKEY_8), false);
  equal(isReadable('VALKEY080', REDIS_8), false);
  equal(isReadable('REDIS0012', VALKEY_8), false);
  equal(isReadable('REDIS0012', VALKEY_9), false);
});

test('the reason names both versions, and what is no RDB is no RDB', () => {
  match(rdbUnreadableBecause(Buffer.from('REDIS0011'), REDIS_7_0) ?? '', /REDIS0011.*redis 7.0.15/);
  match(rdbUnreadableBecause(Buffer.from('garbage'), REDIS_7_0) ?? '', /does not begin/);
});
