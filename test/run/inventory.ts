/** Which test files there are. */
import { globSync } from 'node:fs';

export function unitFiles(root: string): string[] {
  const patterns = [
    '{src,sim,bench,faults,sabotage}/**/*.test.ts',
    'test/*.test.ts',
    'test/run/*.test.ts',
  ];
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
}

export function systemFiles(root: string): string[] {
  return globSync('test/system/*.test.ts', { cwd: root }).sort();
}
