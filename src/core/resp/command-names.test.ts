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
        .replace(/\0.*$/s, '')
        .replaceAll(/[a-z]/g, (c) => c.toUpperCase());
      equal(names.nameOf(bytes, 0, bytes.length), want.length > 64 ? '' : want);
    }),
  );
});

test('a name ends at a NUL byte, as it does for a server that compares it', () => {
  const names = new CommandNames();
  const nameOf = (text: string) => names.nameOf(Buffer.from(text), 0, text.length);
  for (const text of ['multi', 'multi\0', 'Multi\x001', `MULTI\0${'x'.repeat(99)}`])
    equal(nameOf(text), 'MULTI');
  equal(nameOf('\0multi'), '');
});
