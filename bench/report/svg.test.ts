import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { element, linearTicks, logTicks, shortNumber, text } from './svg.ts';

test('ticks of a log scale: 1, 2, 5 over few decades, tens over many, ends included', () => {
  deepEqual(logTicks(0.9, 20), [1, 2, 5, 10, 20]);
  deepEqual(logTicks(1, 100_000), [1, 10, 100, 1_000, 10_000, 100_000]);
});

test('ticks of a plain scale are round', () => {
  deepEqual(linearTicks(100), [0, 20, 40, 60, 80, 100]);
  deepEqual(linearTicks(7), [0, 2, 4, 6]);
});

test('numbers are short and words are escaped', () => {
  deepEqual([1_500, 123_456, 2_000_000, 0.1234].map(shortNumber), [
    '1.5 K',
    '123 K',
    '2 M',
    '0.123',
  ]);
  equal(element('text', { x: 1.26, class: 'a"b' }, ''), '<text x="1.3" class="a&quot;b"/>');
  equal(text({}, 'a<b & c'), '<text>a&lt;b &amp; c</text>');
});
