import { equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex } from '../scalars.ts';
import { Persisted } from './persisted.ts';
import { id } from './small-world.test.ts';

test('a write that was asked for before a truncation covers only what stays', () => {
  const persisted = new Persisted(logIndex(4));
  persisted.asked(id(5, 2));
  persisted.truncatedAfter(logIndex(4));
  persisted.asked(id(5, 3));
  persisted.done(id(5, 2));
  equal(persisted.index, 4);
  persisted.done(id(5, 3));
  equal(persisted.index, 5);
});

test('the same entry written again counts only when the later write is done', () => {
  const persisted = new Persisted(logIndex(4));
  persisted.asked(id(5, 2));
  persisted.truncatedAfter(logIndex(4));
  persisted.asked(id(5, 3));
  persisted.truncatedAfter(logIndex(4));
  persisted.asked(id(5, 2));
  persisted.done(id(5, 2));
  equal(persisted.index, 4, 'the truncation in between may reach the disk alone');
  persisted.done(id(5, 3));
  equal(persisted.index, 4);
  persisted.done(id(5, 2));
  equal(persisted.index, 5);
});

test('a completion covers the writes before it', () => {
  const persisted = new Persisted(logIndex(0));
  persisted.asked(id(1, 1));
  persisted.asked(id(2, 1));
  persisted.done(id(2, 1));
  equal(persisted.index, 2);
  equal(persisted.isIdle, true);
  throws(() => persisted.done(id(2, 1)), /asked for/);
});
