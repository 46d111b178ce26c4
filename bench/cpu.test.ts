import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { CpuWatch, parseChildTicks, parseTicks, readTickMicros, residentBytes } from './cpu.ts';

const STAT = '7 (a) (b c) S 1 7 7 0 -1 4194304 10 0 0 0 120 34 5 6 20 0 1 0 5';

test('user and system time are found, also when the name holds brackets', () => {
  equal(parseTicks(STAT), 154);
  equal(parseChildTicks(STAT), 11);
});

test('a watch sees what a process uses while it watches, and leaves out who is gone', () => {
  const ghost = { name: 'ghost', pid: 2 ** 30 };
  const watch = new CpuWatch([{ name: 'own', pid: process.pid }, ghost], readTickMicros());
  const endMs = performance.now() + 60;
  while (performance.now() < endMs);
  const used = watch.end();
  // Of 60 ms of spinning, at least one tick, even where others take the core.
  ok((used['own'] ?? 0) > 0);
  equal('ghost' in used, false);
});

test('resident memory of this process is between a mebibyte and all there is', () => {
  ok(residentBytes(process.pid) > 1024 ** 2);
  equal(residentBytes(2 ** 30), 0);
});
