/** What the data of this node's server are, kept beside them (`agent/eventual/held.ts`). */
import { readdirSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { pointFrom } from '../core/control/shapes.ts';
import type { HistoryPoint } from '../core/control/state.ts';
import { isCount } from '../core/scalars.ts';
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import { createFile, readFile } from '../io/storage/whole-file.ts';
import { type DataRecord, type KeptRecord, NO_RECORD } from './eventual/ports.ts';
import type { Journal } from './journal.ts';

const NAME = 'held';
/** Where servers keep their append-only files, below their directory. */
export const AOF_DIRECTORY = 'appendonlydir';
/** Three points in JSON: some 500 bytes. */
const BYTES_MAX = 4_096;

/** How the server stood when something was recorded. */
export interface FileSeen {
  readonly isPrimary: boolean;
  /** Of its append-only file as a whole. */
  readonly bytes: number;
  /** At the same moment: how far it was, by its own count. */
  readonly history: string;
  readonly offset: number;
}

/** How far the data have come by the growth of their file since the last record. */
export interface Grown extends HistoryPoint {
  readonly wasPrimary: boolean;
  /** Else its file was written anew meanwhile, or lost its end: they may have come further. */
  readonly isCounted: boolean;
  /** Null where it is not counted. */
  readonly tail: Tail | null;
}

/** What was written to the file since the last record. */
export interface Tail {
  /** What comes before it are the data up to this offset. */
  readonly since: number;
  readonly path: string;
  readonly position: number;
}

interface Mark {
  readonly isPrimary: boolean;
  readonly bytes: number;
  readonly point: HistoryPoint;
  /** Its newest part: another one begins when it is written anew, and sizes mean nothing then. */
  readonly part: string;
}

export interface FileRecordOptions {
  readonly disk: Disk;
  readonly dataDir: string;
  /** At the last look; null: it was not looked at. */
  readonly seen: () => FileSeen | null;
  readonly journal: Journal;
  readonly fatal: (error: Error) => void;
}

export class FileRecord implements KeptRecord {
  readonly record: DataRecord;
  readonly #o: FileRecordOptions;
  #mark: Mark | null;

  private constructor(options: FileRecordOptions, record: DataRecord, mark: Mark | null) {
    this.#o = options;
    this.record = record;
    this.#mark = mark;
  }

  /** Rejects with a `StorageError` when the disk fails. What cannot be read says nothing. */
  static async open(options: FileRecordOptions): Promise<FileRecord> {
    const { dataDir, journal } = options;
    const bytes = await bytesOf(options);
    if (bytes === null) return new FileRecord(options, NO_RECORD, null);
    const fields = decoded(bytes, options.disk);
    const record = fields === null ? null : recordFrom(fields);
    if (record === null)
      journal.error('server.recordDamaged', {
        path: `${dataDir}/${NAME}`,
        todo: 'this node is not chosen as the primary until it has followed one',
      });
    // A record of data that are not there would make an empty server a primary.
    const none = new FileRecord(options, NO_RECORD, null);
    if (record === null) return none;
    if (!(await hasData(dataDir))) {
      // The first server makes files of its own, and the record would be taken for theirs.
      await none.#write(NO_RECORD);
      return none;
    }
    return new FileRecord(options, record, markFrom(fields?.['mark']));
  }

  /** While no server has the file; null: of no agreed history, as far as that is known. */
  async grown(): Promise<Grown | null> {
    if (this.#mark === null) return null;
    const { point, part, bytes, isPrimary: wasPrimary } = this.#mark;
    const { dataDir } = this.#o;
    const names = partsOf(dataDir);
    if (newestPart(names) !== part) return { ...point, wasPrimary, isCounted: false, tail: null };
    const sizeOf = async (name: string): Promise<number> =>
      (await stat(`${dataDir}/${AOF_DIRECTORY}/${name}`)).size;
    const parts = names.filter((name) => name.endsWith('.base.rdb') || name.endsWith('.aof'));
    const now = (await Promise.all(parts.map(sizeOf))).reduce((sum, size) => sum + size, 0);
    // What waited to be written when it was looked at last is gone with the server.
    if (now < bytes) return { ...point, wasPrimary, isCounted: false, tail: null };
    const growth = now - bytes;
    const position = (await sizeOf(part)) - growth;
    const path = `${dataDir}/${AOF_DIRECTORY}/${part}`;
    const tail = { since: point.offset, path, position };
    return { ...point, offset: point.offset + growth, wasPrimary, isCounted: true, tail };
  }

  save(record: DataRecord, done: () => void): void {
    this.#write(record).then(done, this.#o.fatal);
  }

  #write(record: DataRecord): Promise<void> {
    const { disk, dataDir } = this.#o;
    this.#mark = this.#markOf(record);
    const bytes = encoded({ ...record, mark: this.#mark }, disk);
    return new Promise((resolve, reject) => {
      createFile(disk, `${dataDir}/${NAME}`, [bytes], (error, file) => {
        if (file === null) reject(error ?? new Error('a record has no file'));
        else file.close((closeError) => (closeError === null ? resolve() : reject(closeError)));
      });
    });
  }

  #markOf({ point }: DataRecord): Mark | null {
    const seen = this.#o.seen();
    const part = newestPart(partsOf(this.#o.dataDir));
    if (point === null || seen === null || part === null) return null;
    const { isPrimary, bytes, history, offset } = seen;
    // The record may be older than the look: what is known of the file is of that moment.
    return {
      isPrimary,
      bytes,
      part,
      point: history === point.history ? { history, offset } : point,
    };
  }
}

function partsOf(dataDir: string): string[] {
  try {
    return readdirSync(`${dataDir}/${AOF_DIRECTORY}`);
  } catch {
    return [];
  }
}

/** `appendonly.aof.12.incr.aof` */
function newestPart(names: readonly string[]): string | null {
  const numberOf = (name: string): number => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? -1);
  const [newest] = names.toSorted((a, b) => numberOf(b) - numberOf(a));
  return newest === undefined || numberOf(newest) < 0 ? null : newest;
}

function markFrom(mark: unknown): Mark | null {
  const { point, part, bytes, isPrimary } = (mark ?? {}) as Record<string, unknown>;
  const at = pointFrom(point);
  if (at === null || !isCount(bytes) || typeof part !== 'string') return null;
  return { point: at, part, bytes, isPrimary: isPrimary === true };
}

/** Whether a server has begun to keep data below `dataDir`. */
export async function hasData(dataDir: string): Promise<boolean> {
  return readdir(`${dataDir}/${AOF_DIRECTORY}`).then(
    (names) => names.length > 0,
    () => false,
  );
}

function bytesOf({ disk, dataDir }: FileRecordOptions): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    readFile(disk, `${dataDir}/${NAME}`, BYTES_MAX, (error: StorageError | null, bytes) => {
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
}

/** Its checksum, a space, and the record. */
function encoded(record: object, { checksum }: Disk): Buffer {
  const text = Buffer.from(JSON.stringify(record));
  return Buffer.concat([Buffer.from(`${checksum(text)} `), text]);
}

function decoded(bytes: Uint8Array, { checksum }: Disk): Record<string, unknown> | null {
  const all = Buffer.from(bytes);
  const space = all.indexOf(' ');
  const text = all.subarray(space + 1);
  if (space < 0 || String(checksum(text)) !== all.toString('utf8', 0, space)) return null;
  return JSON.parse(text.toString()) as Record<string, unknown>;
}

function recordFrom({ point, begun }: Record<string, unknown>): DataRecord {
  const begunPoint = pointFrom(begun);
  const { decision, isOnDisk } = (begun ?? {}) as Record<string, unknown>;
  const isBegun = begunPoint !== null && isCount(decision);
  return {
    point: pointFrom(point),
    begun: isBegun ? { ...begunPoint, decision, isOnDisk: isOnDisk === true } : null,
  };
}
