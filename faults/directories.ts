/** Where a run keeps its nodes: gone when it was clean, kept with everything when it was not. */
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRun } from './hosts.ts';

const NAME = /^alf-(\d+)-/;

/** Short: the servers' unix sockets live below, and their paths may have 107 bytes. */
export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), `alf-${process.pid}-`));
}

/** The new path: one that no later run takes for abandoned. */
export function keepDirectory(dir: string, name: string): string {
  const kept = join(tmpdir(), `althing-faults-${name}-${process.pid}`);
  renameSync(dir, kept);
  return kept;
}

export function removeDirectory(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** Directories of runs that are dead. */
export function removeAbandonedDirectories(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = Number(NAME.exec(name)?.[1] ?? 0);
    if (owner !== 0 && !isRun(owner)) removeDirectory(join(tmpdir(), name));
  }
}
