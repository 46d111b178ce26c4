import { equal } from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { reachableHost } from './own-address.ts';

test('who listens on all addresses is announced under the one that its peers use', () => {
  equal(reachableHost('0.0.0.0', 'db1.example:7379'), 'db1.example');
  equal(reachableHost('::', '[fd00::1]:7379'), '[fd00::1]');
  equal(reachableHost('0.0.0.0', null), hostname());
});

test('who listens on one address is announced under it', () => {
  equal(reachableHost('10.0.0.1', 'db1.example:7379'), '10.0.0.1');
  equal(reachableHost('fd00::2', null), '[fd00::2]');
});
