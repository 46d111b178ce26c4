import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { isGlobMatch } from './glob.ts';

test('isGlobMatch: what servers match, and nothing else', () => {
  const cases: [pattern: string, text: string, isMatch: boolean][] = [
    ['*', '+switch-master', true],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['[-+]sdown', '+sdown', true],
    ['[-+]sdown', '-sdown', true],
    ['[-+]sdown', 'sdown', false],
    ['switch-master', '+switch-master', false],
    ['+s*e*', '+slave-reconf-done', true],
    ['+s*z', '+slave', false],
    ['+?lave', '+slave', true],
    ['[^a-c]x', 'dx', true],
    ['[^a-c]x', 'bx', false],
    ['[c-a]x', 'bx', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[ab', 'a', true],
    ['[\\]]', ']', true],
    ['a\\', 'a\\', true],
  ];
  for (const [pattern, text, isMatch] of cases)
    equal(isGlobMatch(pattern, text), isMatch, `${pattern} ${text}`);
});

test('isGlobMatch: many stars cost no more than pattern times text', () => {
  equal(isGlobMatch('*a'.repeat(500), 'b'.repeat(5_000)), false);
  equal(isGlobMatch(`${'*a'.repeat(500)}b`, 'a'.repeat(5_000)), false);
});
