/** Which test files there are. */
import { globSync } from 'node:fs';

export function unitFiles(root: string): string[] {
  // The long ones first: nobody waits for one at the end.
  const patterns = [
    'test/*.test.ts',
    '{sabotage,sim}/**/*.test.ts',
    '{src,bench,faults}/**/*.test.ts',
    'test/run/*.test.ts',
  ];
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
}

export function systemFiles(root: string): string[] {
  return globSync('test/system/*.test.ts', { cwd: root }).sort();
}
