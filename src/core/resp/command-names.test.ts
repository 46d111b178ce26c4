import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CommandNames } from './command-names.ts';

test('CommandNames gives the bytes in upper case, also when thousands of names take turns', () => {
  const names = new CommandNames();
  const nameOf = (text: string) => {
    const bytes = Buffer.from(`..${text}.`, 'latin1');
    return names.nameOf(bytes, 2, 2 + text.length);
  };
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5_000; i++) equal(nameOf(`set${i}`), `SET${i}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const want = Buffer.from(bytes)
        .toString('latin1')
        .replaceAll(/[a-z]/g, (c) => c.toUpperCase());
      equal(names.nameOf(bytes, 0, bytes.length), bytes.length > 64 ? '' : want);
    }),
  );
});
