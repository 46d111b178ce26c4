import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, parseBytes } from './bytes.ts';

test('parseBytes reads plain counts and the suffixes of redis.conf, and nothing else', () => {
  const cases: [text: string, want: number | null][] = [
    ['0', 0],
    ['1000', 1000],
    ['32kb', 32 * 1024],
    ['32k', 32_000],
    ['64MB', 64 * 1024 * 1024],
    [' 1 gb ', 1024 ** 3],
    ['', null],
    ['mb', null],
    ['-1', null],
    ['1.5mb', null],
    ['64mib', null],
    ['9999999999999999gb', null],
  ];
  for (const [text, want] of cases) equal(parseBytes(text), want, text);
});

test('formatBytes keeps two or three digits', () => {
  equal(formatBytes(0), '0 B');
  equal(formatBytes(1023), '1023 B');
  equal(formatBytes(1536), '1.5 KB');
  equal(formatBytes(64 * 1024 * 1024), '64 MB');
});
