/** How much room the files of a node take. */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface FileSizes {
  readonly logBytes: number;
  readonly snapshotBytes: number;
}

export function fileSizesUnder(dir: string): FileSizes {
  let logBytes = 0;
  let snapshotBytes = 0;
  for (const path of filesUnder(dir)) {
    const name = basename(path);
    if (/^log-\d+/.test(name)) logBytes += sizeOf(path);
    else if (/snapshot/.test(name)) snapshotBytes += sizeOf(path);
  }
  return { logBytes, snapshotBytes };
}

function filesUnder(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    });
  } catch {
    return [];
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
