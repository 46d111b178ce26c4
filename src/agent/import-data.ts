/**
 * `--import-data`: data from elsewhere as the first of an eventual deployment, once.
 *
 * They are copied beside this node's other files, and get the name under which its server looks
 * for its own last: so they are here whole, with a note of where they came from, or not at all.
 * A node that has them says so, and the charter then does (`core/charter/founding.ts`); from there
 * on they are data of the deployment like any others.
 */
import {
  constants,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { ExistingDataError, type ExistingPart, existingParts } from '../io/server/existing-data.ts';
import type { Flavor } from '../io/server/flavor.ts';
import type { IdentityPhase } from '../io/storage/identity.ts';
import { TEMPORARY } from '../io/storage/whole-file.ts';
import { AOF_DIRECTORY } from './eventual-record.ts';
import type { Journal } from './journal.ts';

/** Beside the data, from where they came. */
const NOTE = 'imported';
/** As the own server calls its files. */
const AOF_NAME = 'appendonly.aof';
const MODE = { directory: 0o700, file: 0o600 } as const;

export interface ImportOptions {
  /** Absolute; null: nothing is to be brought in. */
  readonly from: string | null;
  /** Of this node's server. */
  readonly dataDir: string;
  /** Null for a witness. */
  readonly flavor: Flavor | null;
  readonly phase: IdentityPhase;
  readonly journal: Journal;
}

/**
 * Whether the data here were brought in, now or by an earlier start. Rejects with an
 * `ExistingDataError` where that was asked for and is not to be.
 */
export async function importData(options: ImportOptions): Promise<boolean> {
  const { from, dataDir, flavor, phase, journal } = options;
  const brought = await readFile(join(dataDir, NOTE), 'utf8').catch(() => null);
  if (from === null || flavor === null) return brought !== null;
  if (brought !== null && brought === from) {
    journal.info('import.isDone', { from, todo: '--import-data has no effect any more' });
    return true;
  }
  const names = await readdir(dataDir).catch(() => []);
  if (phase !== 'empty' || names.length > 0) {
    const where = brought === null ? 'of its own' : `from ${brought}`;
    throw new ExistingDataError(
      `this node has data ${where}, and nothing is put over them: start it without ` +
        '--import-data; or, to begin with other data, stop all nodes and empty their directories',
    );
  }
  const parts = await existingParts(from, flavor);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  journal.info('import.begin', { from, files: parts.map(({ path }) => path), bytes });
  await bringIn(from, parts, dataDir);
  journal.info('import.done', { from });
  return true;
}

async function bringIn(
  from: string,
  parts: readonly ExistingPart[],
  dataDir: string,
): Promise<void> {
  // What an earlier start has not finished is begun anew.
  const unfinished = dataDir + TEMPORARY;
  await rm(unfinished, { recursive: true, force: true });
  const to = join(unfinished, AOF_DIRECTORY);
  await mkdir(to, { recursive: true, mode: MODE.directory });
  let manifest = '';
  for (const [i, part] of parts.entries()) {
    const number = parts[0]?.isBase === true ? Math.max(1, i) : i + 1;
    const kind = part.isBase ? `base.${part.isRdb ? 'rdb' : 'aof'}` : 'incr.aof';
    const name = `${AOF_NAME}.${number}.${kind}`;
    await copy(part, join(to, name));
    manifest += `file ${name} seq ${number} type ${part.isBase ? 'b' : 'i'}\n`;
  }
  await written(join(to, `${AOF_NAME}.manifest`), manifest);
  await written(join(unfinished, NOTE), from);
  for (const path of [to, unfinished]) await synced(path);
  await rename(unfinished, dataDir);
  await synced(join(dataDir, '..'));
}

/** Where the file system can, without copying a byte. */
async function copy({ path, bytes, modifiedMs }: ExistingPart, to: string): Promise<void> {
  await copyFile(path, to, constants.COPYFILE_FICLONE);
  await synced(to);
  const now = await stat(path);
  if (now.size !== bytes || now.mtimeMs !== modifiedMs)
    throw new ExistingDataError(`${path} was written meanwhile: stop the server that has it`);
}

async function written(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: MODE.file });
  await synced(path);
}

async function synced(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
