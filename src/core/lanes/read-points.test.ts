import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { ReadPoints } from './read-points.ts';

function open() {
  const begun: (() => void)[] = [];
  const told: string[] = [];
  const points = new ReadPoints((reached) => begun.push(reached));
  const waiter = (name: string) => ({ onReadPoint: () => void told.push(name) });
  return { begun, told, points, waiter };
}

test('a read point: what is wanted while one is under way shares the next', () => {
  const { begun, told, points, waiter } = open();
  equal(points.isReached(0), true, 'who has seen nothing waits for nothing');
  points.want(points.next, waiter('a'));
  const later = points.next;
  points.want(later, waiter('b'));
  points.want(later, waiter('c'));
  equal(begun.length, 1);
  begun[0]?.();
  deepEqual(told, ['a', 'b', 'c'], 'all look for themselves');
  deepEqual([points.isReached(later - 1), points.isReached(later)], [true, false]);
  equal(begun.length, 2);
  begun[1]?.();
  equal(points.isReached(later), true);
  equal(begun.length, 2, 'nobody wants more');
});

test('a read point that was given up is not reached by late word of it', () => {
  const { begun, told, points, waiter } = open();
  const point = points.next;
  points.want(point, waiter('a'));
  points.giveUp();
  begun[0]?.();
  deepEqual([points.isReached(point), told], [false, []]);
  points.want(point, waiter('a'));
  equal(begun.length, 2, 'wanted again it begins again');
  begun[1]?.();
  deepEqual([points.isReached(point), told], [true, ['a']]);
});
