/** This program's own files that run in a thread or process of their own. */
import { basename, dirname, join } from 'node:path';

type Entry = 'main' | 'agent/relay-thread-entry' | 'agent/warden-entry';

const HERE = import.meta.filename;

/** A source, or what `scripts/program.mjs` made of it: the bundles lie side by side. */
export function ownProgram(entry: Entry): string {
  if (HERE.endsWith('.ts')) return join(dirname(HERE), `${entry}.ts`);
  return join(dirname(HERE), `${basename(entry)}.cjs`);
}
