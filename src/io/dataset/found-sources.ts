/**
 * What a path holds: data of one server, a backup of ours with its manifest, or one of `redis-cli
 * --cluster backup`, of several.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type BackupManifest,
  type BackupShard,
  MANIFEST_NAME,
  parseManifest,
} from '../../core/dataset/backup-manifest.ts';
import { DatasetError } from './errors.ts';

export interface FoundSources {
  /** Of one server each. */
  readonly paths: readonly string[];
  /** Null for what is no backup of ours. */
  readonly manifest: BackupManifest | null;
}

/** As `redis-cli --cluster backup` calls its files. */
const CLI_MANIFEST = 'nodes.json';
const CLI_FILE = /^redis-node-.*\.rdb$/;

/** Rejects with SOURCE_REFUSED, or SOURCE_DAMAGED where a manifest is no manifest. */
export async function findSources(path: string): Promise<FoundSources> {
  const names = await namesIn(path);
  if (names === null) return { paths: [path], manifest: null };
  if (names.includes(MANIFEST_NAME)) {
    const manifest = await readManifest(path);
    return { paths: manifest.shards.map(({ file }) => join(path, file)), manifest };
  }
  const shards = names.filter((name) => CLI_FILE.test(name)).toSorted();
  if (names.includes(CLI_MANIFEST) && shards.length > 0)
    return { paths: shards.map((name) => join(path, name)), manifest: null };
  const backups = await backupsIn(path, names);
  const newest = backups.at(-1);
  if (newest !== undefined)
    throw new DatasetError(
      'SOURCE_REFUSED',
      `${path} has ${backups.length} backups: name one, for example ${join(path, newest)}`,
    );
  return { paths: [path], manifest: null };
}

/** Rejects with SOURCE_DAMAGED. */
export async function readManifest(directory: string): Promise<BackupManifest> {
  const path = join(directory, MANIFEST_NAME);
  const manifest = parseManifest(await readFile(path, 'utf8').catch(() => ''));
  if (manifest !== null) return manifest;
  throw new DatasetError('SOURCE_DAMAGED', `${path} is no manifest that this version understands`);
}

/** Rejects with SOURCE_DAMAGED and the name of what is not as the manifest says. */
export async function assertSound(path: string, shard: BackupShard): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new DatasetError('SOURCE_DAMAGED', `${path} is not there`);
  if (found.size !== shard.bytes)
    throw new DatasetError(
      'SOURCE_DAMAGED',
      `${path} has ${found.size} bytes, and had ${shard.bytes}`,
    );
  if ((await sha256Of(path)) !== shard.sha256)
    throw new DatasetError('SOURCE_DAMAGED', `${path} is not what it was: its sha256 differs`);
}

export async function sha256Of(path: string): Promise<string> {
  const sum = createHash('sha256');
  await pipeline(createReadStream(path), sum);
  return sum.digest('hex');
}

/** Names of what counts as a backup, the oldest first: they begin with their time. */
export async function backupsIn(path: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names.toSorted()) {
    if (!/^\d{8}T\d{6}Z(-\d+)?$/.test(name)) continue;
    const inside = await namesIn(join(path, name));
    if (inside?.includes(MANIFEST_NAME)) found.push(name);
  }
  return found;
}

/** Null for a file. */
async function namesIn(path: string): Promise<string[] | null> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : null;
  } catch (cause) {
    throw new DatasetError('SOURCE_REFUSED', `${path} cannot be read: ${(cause as Error).message}`);
  }
}
