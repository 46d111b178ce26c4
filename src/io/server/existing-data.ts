/**
 * The files of a server that has run elsewhere: which of them are its data, in the order in which
 * they are to be loaded. Looked at only: nothing is written, and nothing loaded.
 *
 * Known are an append-only directory with its manifest (since 7.0), one append-only file, and an
 * RDB. Where a directory has several of them, only its owner knows which is the newest.
 */
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Flavor } from './flavor.ts';
import { RDB_MAGIC_BYTES, rdbUnreadableBecause } from './rdb-version.ts';

/** As servers call them unless they are told otherwise. */
const [AOF_DIRECTORY, AOF_NAME, RDB_NAME] = ['appendonlydir', 'appendonly.aof', 'dump.rdb'];
const MANIFEST = /\.manifest$/;
/** A line names a file: after a failed rewrite there are some ten. */
const MANIFEST_BYTES_MAX = 64 * 1024;
/** `file "a name" seq 12 type i`, and perhaps more words; names with blanks are quoted. */
const MANIFEST_LINE = /^file (?:"([^"\\]+)"|([^\s"]+)) seq \d+ type ([bih])(?: |$)/;
/** At the end of an RDB: this byte, and a checksum. */
const RDB_END = 0xff;
const RDB_END_BYTES = 9;

export interface ExistingPart {
  readonly path: string;
  /** What the others go on from, or an RDB alone; there is at most one, and it is the first. */
  readonly isBase: boolean;
  /** It was written at once. */
  readonly isRdb: boolean;
  /** As it was seen: a file that is another later was written meanwhile. */
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** These are no data that can be taken over; the message says why, and the way out. */
export class ExistingDataError extends Error {
  override readonly name = 'ExistingDataError';

  constructor(text: string, options?: ErrorOptions) {
    super(`IMPORT_REFUSED: ${text}`, options);
  }
}

/** `path`: a directory or a file. Rejects with an `ExistingDataError`. */
export async function existingParts(path: string, flavor: Flavor): Promise<ExistingPart[]> {
  const parts = await partsAt(path);
  for (const part of parts) await assertLoadable(part, flavor);
  return parts;
}

async function partsAt(path: string): Promise<ExistingPart[]> {
  if (!(await seen(path, () => stat(path))).isDirectory()) return [await partOf(path, true)];
  const names = await seen(path, () => readdir(path));
  const manifests = names.filter((name) => MANIFEST.test(name));
  const known = [...manifests, AOF_DIRECTORY, AOF_NAME, RDB_NAME];
  const found = names.filter((name) => known.includes(name));
  const [name] = found;
  if (name === undefined)
    throw new ExistingDataError(
      `${path} has none of ${AOF_DIRECTORY}, ${AOF_NAME}, ${RDB_NAME} and a manifest: ` +
        'name the directory or the file that has the data',
    );
  if (found.length > 1)
    throw new ExistingDataError(
      `${path} has ${found.join(' and ')}, and only one of them is what its server wrote last: ` +
        `name it, for example ${join(path, name)}`,
    );
  const only = join(path, name);
  return MANIFEST.test(name) ? partsIn(only) : partsAt(only);
}

/** Those that a manifest names, but for what is to be removed. */
async function partsIn(manifest: string): Promise<ExistingPart[]> {
  const part = await partOf(manifest, false);
  if (part.bytes > MANIFEST_BYTES_MAX) throw new ExistingDataError(`${manifest} is no manifest`);
  const text = await seen(manifest, () => readFile(manifest, 'utf8'));
  const parts: ExistingPart[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, quoted, plain = '', type] = MANIFEST_LINE.exec(line) ?? [];
    const name = quoted ?? plain;
    if (type === undefined || basename(name) !== name)
      throw new ExistingDataError(`${manifest} has a line that is not understood: ${line}`);
    if (type === 'h') continue;
    const found = await partOf(join(manifest, '..', name), type === 'b');
    if (found.isBase) parts.unshift(found);
    else parts.push(found);
  }
  if (parts.length === 0 || parts.filter(({ isBase }) => isBase).length > 1)
    throw new ExistingDataError(`${manifest} names no data, or two beginnings of them`);
  return parts;
}

async function partOf(path: string, isBase: boolean): Promise<ExistingPart> {
  const { size: bytes, mtimeMs: modifiedMs } = await seen(path, () => stat(path));
  return { path, isBase, isRdb: isBase && path.endsWith('.rdb'), bytes, modifiedMs };
}

/** That its content is sound only a server can say; what is another kind of file is seen here. */
async function assertLoadable(part: ExistingPart, flavor: Flavor): Promise<void> {
  const { path, bytes, isRdb } = part;
  if (bytes === 0 && !isRdb) return;
  const file = await seen(path, () => open(path));
  try {
    const head = (await bytesAt(file, 0, RDB_MAGIC_BYTES)).toString('latin1');
    const isCommands = head.startsWith('*') || head.startsWith('#');
    const why =
      isCommands && !isRdb ? null : rdbUnreadableBecause(Buffer.from(head, 'latin1'), flavor);
    if (why !== null) throw new ExistingDataError(`${path} cannot be loaded: ${why}`);
    const end = await bytesAt(file, Math.max(0, bytes - RDB_END_BYTES), 1);
    if (isRdb && end[0] !== RDB_END)
      throw new ExistingDataError(`${path} is cut off: it does not end like an RDB`);
  } finally {
    await file.close();
  }
}

async function bytesAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}

async function seen<T>(path: string, look: () => Promise<T>): Promise<T> {
  return look().catch((cause: Error) => {
    throw new ExistingDataError(`${path} cannot be read: ${cause.message}`, { cause });
  });
}
