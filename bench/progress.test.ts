import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from './progress.ts';

test('progress tells how far it is, and how long the rest takes at the same pace', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const progress = new Progress(
    (line) => lines.push(line),
    () => nowMs,
  );
  progress.expect(10);
  nowMs = 65_000;
  progress.step('a');
  nowMs = 3_700_000;
  progress.step('b', 9);
  deepEqual(lines, ['[ 1/10  01:05, 09:45 left]  a', '[10/10  1:01:40, last]  b']);
});
