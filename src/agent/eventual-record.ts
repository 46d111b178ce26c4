/** What the data of this node's server are, kept beside them (`agent/eventual/held.ts`). */
import { readdir } from 'node:fs/promises';
import { pointFrom } from '../core/control/shapes.ts';
import { isCount } from '../core/scalars.ts';
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import { createFile, readFile } from '../io/storage/whole-file.ts';
import { type DataRecord, type KeptRecord, NO_RECORD } from './eventual/ports.ts';
import type { Journal } from './journal.ts';

const NAME = 'held';
/** Where servers keep their append-only files, below their directory. */
export const AOF_DIRECTORY = 'appendonlydir';
/** Two points in JSON: some 200 bytes. */
const BYTES_MAX = 4_096;

export interface FileRecordOptions {
  readonly disk: Disk;
  readonly dataDir: string;
  readonly journal: Journal;
  readonly fatal: (error: Error) => void;
}

export class FileRecord implements KeptRecord {
  readonly record: DataRecord;
  readonly #o: FileRecordOptions;

  private constructor(options: FileRecordOptions, record: DataRecord) {
    this.#o = options;
    this.record = record;
  }

  /** Rejects with a `StorageError` when the disk fails. What cannot be read says nothing. */
  static async open(options: FileRecordOptions): Promise<FileRecord> {
    const { dataDir, journal } = options;
    const bytes = await bytesOf(options);
    if (bytes === null) return new FileRecord(options, NO_RECORD);
    const record = decoded(bytes, options.disk);
    if (record === null)
      journal.error('server.recordDamaged', {
        path: `${dataDir}/${NAME}`,
        todo: 'this node is not chosen as the primary until it has followed one',
      });
    // A record of data that are not there would make an empty server a primary.
    const isEmpty = !(await hasData(dataDir));
    return new FileRecord(options, record === null || isEmpty ? NO_RECORD : record);
  }

  save(record: DataRecord, done: () => void): void {
    const { disk, dataDir, fatal } = this.#o;
    createFile(disk, `${dataDir}/${NAME}`, [encoded(record, disk)], (error, file) => {
      if (file === null) fatal(error ?? new Error('a record has no file'));
      else
        file.close((closeError) => {
          if (closeError === null) done();
          else fatal(closeError);
        });
    });
  }
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
function encoded(record: DataRecord, { checksum }: Disk): Buffer {
  const text = Buffer.from(JSON.stringify(record));
  return Buffer.concat([Buffer.from(`${checksum(text)} `), text]);
}

function decoded(bytes: Uint8Array, { checksum }: Disk): DataRecord | null {
  const all = Buffer.from(bytes);
  const space = all.indexOf(' ');
  const text = all.subarray(space + 1);
  if (space < 0 || String(checksum(text)) !== all.toString('utf8', 0, space)) return null;
  const { point, begun } = JSON.parse(text.toString()) as Record<string, unknown>;
  const begunPoint = pointFrom(begun);
  const { decision } = (begun ?? {}) as Record<string, unknown>;
  return {
    point: pointFrom(point),
    begun: begunPoint !== null && isCount(decision) ? { ...begunPoint, decision } : null,
  };
}
