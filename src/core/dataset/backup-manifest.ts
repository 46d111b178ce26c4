/**
 * What a backup says of itself: `backup.json` beside its files. A backup without it is none.
 *
 * Unknown fields are passed over; a larger `format` is refused, since what it says may mean
 * something else.
 */
export const MANIFEST_NAME = 'backup.json';
export const MANIFEST_FORMAT = 1;

export interface BackupShard {
  /** Beside the manifest. */
  readonly file: string;
  readonly bytes: number;
  /** Of the whole file, in hex. */
  readonly sha256: string;
  /** Where it was taken. */
  readonly from: string;
  readonly role: 'primary' | 'replica';
  /** Product and version of that server. */
  readonly product: string;
  /** The history, and how far in it: exactly what had been written up to there is in the file. */
  readonly replid: string;
  readonly offset: number;
  /** `0-5460,7000`; null where there is no cluster. */
  readonly slots: string | null;
  /** Number of keys, by database. */
  readonly databases: Readonly<Record<string, number>>;
  /** Names of libraries. */
  readonly functions: readonly string[];
  /** Of the keys that never expire, when the file was loaded to see whether it can be. */
  readonly digest: string;
}

export interface BackupManifest {
  readonly format: number;
  /** ISO 8601, UTC: when it was begun. */
  readonly takenAt: string;
  readonly shards: readonly BackupShard[];
  /** Of the deployment, where one was asked. */
  readonly spec: object | null;
}

export function manifestText(manifest: BackupManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Null, when this is no manifest that this version understands. */
export function parseManifest(text: string): BackupManifest | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { format, takenAt, shards, spec } = value;
  const isKnown = format === MANIFEST_FORMAT && typeof takenAt === 'string';
  if (!isKnown || !Array.isArray(shards) || shards.length === 0) return null;
  if (!shards.every(isShard)) return null;
  return { format, takenAt, shards, spec: isRecord(spec) ? spec : null };
}

function isShard(value: unknown): value is BackupShard {
  if (!isRecord(value)) return false;
  const texts = [value['file'], value['from'], value['role'], value['product'], value['replid']];
  const { slots, file, sha256, digest, databases, functions } = value;
  const counts = isRecord(databases) ? Object.entries(databases) : [['', null]];
  const numbers = [value['bytes'], value['offset'], ...counts.map(([, count]) => count)];
  return (
    texts.every((text) => typeof text === 'string') &&
    numbers.every((number) => Number.isSafeInteger(number)) &&
    counts.every(([database]) => /^\d{1,5}$/.test(String(database))) &&
    Array.isArray(functions) &&
    functions.every((name) => typeof name === 'string') &&
    (slots === null || typeof slots === 'string') &&
    // It is opened: a name, and nothing that leads elsewhere.
    /^[\w-]+\.rdb$/.test(String(file)) &&
    /^[0-9a-f]{64}$/.test(String(sha256)) &&
    /^[0-9a-f]{32}$/.test(String(digest))
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
