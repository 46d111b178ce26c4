/** A copy of the sources in a directory of its own: what is broken on purpose is never the tree. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applied, PatchError, parseSabotage, type Sabotage } from './patch.ts';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PATCHES = join(ROOT, 'sabotage');
/** What the simulator and the unit tests beside the code need. */
const COPIED = ['src', 'sim', 'test', 'package.json', 'tsconfig.json'];

/** All sabotages, by name. */
export function allSabotages(): readonly Sabotage[] {
  return readdirSync(PATCHES)
    .filter((file) => file.endsWith('.patch'))
    .sort()
    .map((file) => parseSabotage(file, readFileSync(join(PATCHES, file), 'utf8')));
}

/** Path and text of each file that the sabotage changes, changed. */
export function changedFiles(sabotage: Sabotage, root: string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const file of sabotage.files) {
    const path = join(root, file.path);
    if (!changed.has(file.path) && !existsSync(path))
      throw new PatchError(`${sabotage.name}: there is no ${file.path} any more; make it again`);
    const text = changed.get(file.path) ?? readFileSync(path, 'utf8');
    changed.set(file.path, applied(sabotage.name, file, text));
  }
  return changed;
}

export interface Copy {
  readonly directory: string;
  /** Happens by itself when this process ends. */
  remove(): void;
}

/** Null: a copy as it is. */
export function sabotagedCopy(sabotage: Sabotage | null): Copy {
  const changed = sabotage === null ? new Map<string, string>() : changedFiles(sabotage, ROOT);
  const directory = mkdtempSync(join(tmpdir(), 'althing-sabotage-'));
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(directory, { recursive: true, force: true });
  };
  process.on('exit', remove);
  for (const path of sourcePaths()) {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(ROOT, path), target);
  }
  for (const [path, text] of changed) writeFileSync(join(directory, path), text);
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return { directory, remove };
}

function sourcePaths(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...COPIED];
  const listed = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const paths = listed.split('\0').filter((path) => path !== '');
  // A file that was deleted and is not committed yet is still listed.
  return [...new Set(paths)].filter((path) => existsSync(join(ROOT, path)));
}
