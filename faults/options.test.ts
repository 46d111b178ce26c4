import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from './options.ts';

test('a cell and seconds suffice; the seed is fresh, the nodes are three', () => {
  assert.deepEqual(readOptions(['--cell', 'kill', '--seconds', '30'], 7), {
    ...{ cell: 'kill', seconds: 30, seed: 7, nodes: 3, json: null, html: null, server: null },
    ...{ keep: false, relayThreads: null, reads: null },
  });
});

test('threads are given to every agent, none among them', () => {
  const words = ['--cell', 'kill', '--seconds', '30', '--relay-threads'];
  const threads = (n: string) => Object(readOptions([...words, n], 1)).relayThreads;
  assert.deepEqual([threads('0'), threads('2'), threads('65')], [0, 2, undefined]);
});

test('reads on followers are checked where they are linearizable', () => {
  const words = ['--cell', 'kill', '--seconds', '30', '--reads'];
  const reads = (mode: string) => Object(readOptions([...words, mode], 1)).reads;
  assert.deepEqual(['linearizable', 'local'].map(reads), ['linearizable', undefined]);
});

test('bad words are told, never taken for something else', () => {
  const bad = [
    [],
    ['--cell', 'nothing', '--seconds', '30'],
    ['--cell', 'constructor', '--seconds', '30'],
    ['--cell', 'kill'],
    ['--cell', 'kill', '--seconds', '0'],
    ['--cell', 'kill', '--seconds', '1.5'],
    ['--cell', 'kill', '--seconds', '30', '--nodes', '2'],
    ['--cell', 'kill', '--seconds', '30', '--seed', '-1'],
    ['--cell', 'kill', '--seconds', '30', '--unknown'],
  ];
  for (const words of bad) assert.ok('wrong' in Object(readOptions(words, 1)), words.join(' '));
});

test('the list is asked for by name', () => {
  assert.equal(readOptions(['--cell', 'list'], 1), 'list');
});
