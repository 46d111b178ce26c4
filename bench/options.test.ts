import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';

test('without words everything has its default', () => {
  const options = readOptions([]);
  deepEqual(
    [options?.scope, options?.rounds, options?.kills, options?.switchovers, options?.targets],
    ['default', 5, 20, 10, ['bare', 'always', 'etcd', 'deployment', 'tls']],
  );
});

test('quick is shorter, and what is given counts', () => {
  const options = readOptions(['--quick', '--rounds', '2']);
  deepEqual([options?.scope, options?.rounds, options?.kills], ['quick', 2, 5]);
});

test('a variant has a name of its own and flags', () => {
  const options = readOptions(['--variant', 'plain=--peer-tls off', '--flags', ' --a  b ']);
  deepEqual(options?.variants, [{ name: 'plain', flags: ['--peer-tls', 'off'] }]);
  deepEqual(options?.flags, ['--a', 'b']);
});

for (const words of [
  ['--quick', '--full'],
  ['--targets', 'bare,other'],
  ['--rounds', '0'],
  ['--seconds', '-1'],
  ['--variant', 'bare=--x'],
  ['--variant', 'nameless'],
  ['--unknown'],
])
  test(`refused: ${words.join(' ')}`, () => equal(readOptions(words), null));
