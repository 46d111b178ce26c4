import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { splitInline } from './inline.ts';

function split(line: string): string[] | null {
  return splitInline(Buffer.from(line, 'latin1'))?.map((word) => word.toString('latin1')) ?? null;
}

test('splitInline splits words as the server does', () => {
  deepEqual(split(''), []);
  deepEqual(split(' \t '), []);
  deepEqual(split(' set  k\tv '), ['set', 'k', 'v']);
  deepEqual(split('"a b" \'c d\''), ['a b', 'c d']);
  deepEqual(split('"\\x41\\xff\\xzz\\n\\q\\""'), ['A\xffxzz\nq"']);
  deepEqual(split("'it\\'s' '\\n'"), ["it's", '\\n']);
  deepEqual(split('""'), ['']);
  deepEqual(split('a"b"'), ['ab']);
});

test('splitInline: quotes that do not close, or close inside a word, are an error', () => {
  for (const line of ['"', "'", '"a', "'a", '"a"b', "'a'b", '"a\\"'])
    equal(split(line), null, line);
});
