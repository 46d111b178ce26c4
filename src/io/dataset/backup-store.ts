/**
 * Backups in a directory, one directory each. One that is being taken has another name: it counts
 * when it was renamed, with all that is in it on disk; and stops counting by the same step.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BackupManifest,
  MANIFEST_NAME,
  manifestText,
} from '../../core/dataset/backup-manifest.ts';
import { DatasetError } from './errors.ts';
import { assertSound, backupsIn, readManifest } from './found-sources.ts';

const DRAFT = '.draft-';
/** Nobody takes a backup for so long without a new file in it. */
const FORSAKEN_MS = 24 * 60 * 60_000;
/** Of one that was begun in the same second as another. */
const NAMES_MAX = 100;

export interface KeptBackup {
  readonly name: string;
  readonly path: string;
  /** Null, and in words what is wrong with it. */
  readonly manifest: BackupManifest | null;
  readonly damage: string | null;
}

/** `20261128T051044Z`: names in order are in order of time. */
export function backupName(takenAt: Date): string {
  return takenAt.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** A place for a backup that does not count yet. Rejects with SOURCE_REFUSED. */
export async function beginDraft(directory: string, name: string): Promise<string> {
  const path = join(directory, `${DRAFT}${name}-${process.pid}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await removeForsaken(directory);
    await mkdir(path, { mode: 0o700 });
    return path;
  } catch (cause) {
    const text = `nothing can be written to ${directory}: ${(cause as Error).message}`;
    throw new DatasetError('SOURCE_REFUSED', text, { cause });
  }
}

/** Drafts of those that were killed, perhaps on another machine. */
async function removeForsaken(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(DRAFT)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > FORSAKEN_MS)
      await rm(path, { recursive: true, force: true });
  }
}

/** From here on it counts. Its name. */
export async function publishDraft(
  directory: string,
  draft: string,
  name: string,
  manifest: BackupManifest,
): Promise<string> {
  await writeFile(join(draft, MANIFEST_NAME), manifestText(manifest), { mode: 0o600 });
  for (const file of await readdir(draft)) await synced(join(draft, file));
  await synced(draft);
  for (let n = 0; n < NAMES_MAX; n++) {
    const final = n === 0 ? name : `${name}-${n}`;
    if (existsSync(join(directory, final))) continue;
    await rename(draft, join(directory, final));
    await synced(directory);
    return final;
  }
  throw new DatasetError('SOURCE_REFUSED', `${directory} has ${NAMES_MAX} backups of ${name}`);
}

/** The oldest first. Files are read whole where `isThorough`, else their sizes are looked at. */
export async function listBackups(directory: string, isThorough: boolean): Promise<KeptBackup[]> {
  const names = await readdir(directory).catch((cause: Error) => {
    throw new DatasetError('SOURCE_REFUSED', `${directory} cannot be read: ${cause.message}`);
  });
  const kept: KeptBackup[] = [];
  for (const name of await backupsIn(directory, names)) {
    const path = join(directory, name);
    try {
      const manifest = await readManifest(path);
      const damage = await damageOf(path, manifest, isThorough);
      kept.push({ name, path, manifest, damage });
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      kept.push({ name, path, manifest: null, damage: error.message });
    }
  }
  return kept;
}

async function damageOf(
  path: string,
  { shards }: BackupManifest,
  isThorough: boolean,
): Promise<string | null> {
  for (const shard of shards) {
    const file = join(path, shard.file);
    if (isThorough) {
      const error = await assertSound(file, shard).then(
        () => null,
        (failure: Error) => failure,
      );
      if (error !== null) return error.message;
      continue;
    }
    const found = await stat(file).catch(() => null);
    if (found?.size !== shard.bytes) return `${file} is not there, or not as long as it was`;
  }
  return null;
}

/** All but the newest `count` of those that are sound go; names of those that went. */
export async function keepNewest(directory: string, count: number): Promise<string[]> {
  const sound = (await listBackups(directory, false)).filter(({ damage }) => damage === null);
  const old = sound.slice(0, Math.max(0, sound.length - count));
  for (const { name, path } of old) {
    const gone = join(directory, `${DRAFT}${name}-${process.pid}`);
    await rename(path, gone);
    await rm(gone, { recursive: true, force: true });
  }
  return old.map(({ name }) => name);
}

async function synced(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
