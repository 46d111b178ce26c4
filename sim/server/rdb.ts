/**
 * A snapshot of the data: the real header, so that whoever looks at the version finds one, and a
 * body of our own between it and the real end mark.
 *
 * Body: netstrings (`<length>:<bytes>`). The checksum is ours as well; eight zero bytes mean, as
 * in the real format, that none was computed.
 */
import type { FlavorFacts } from './flavor.ts';
import { type Entry, hashText, type Keyspace, type Value } from './keyspace.ts';

const MAGIC_BYTES = 9;
const BODY = '\xf5';
const END = '\xff';
const CHECKSUM_BYTES = 8;

export interface Rdb {
  /** The database that the stream after it begins in. */
  readonly streamDb: number;
  readonly keys: readonly SavedKey[];
}

interface SavedKey {
  readonly db: number;
  readonly key: string;
  readonly expireAt: number | null;
  readonly value: Value;
}

/** `refused`: the server goes on, empty. `damaged`: the server ends itself. */
export type RdbFailure = { readonly kind: 'refused' | 'damaged'; readonly why: string };

export function saveRdb(flavor: FlavorFacts, keyspace: Keyspace, streamDb: number): Buffer {
  const parts = [net(String(streamDb))];
  let count = 0;
  for (const entry of keyspace.entries()) {
    saveEntry(entry, parts);
    count += 1;
  }
  const body = flavor.rdbMagic + BODY + net(String(count)) + parts.join('') + END;
  return Buffer.from(body + checksum(body), 'latin1');
}

export function loadRdb(flavor: FlavorFacts, bytes: Buffer): Rdb | RdbFailure {
  const text = bytes.toString('latin1');
  const magic = /^REDIS([0-9]{4})/.exec(text);
  if (magic === null) {
    return text.length < MAGIC_BYTES ? damaged('a short read') : refused('a wrong signature');
  }
  const version = Number(magic[1]);
  if (version < 1 || version > flavor.rdbVersionMax) {
    return refused(`Can't handle RDB format version ${version}`);
  }
  const cursor = new Cursor(text, MAGIC_BYTES);
  let rdb: Rdb = { streamDb: 0, keys: [] };
  if (text[MAGIC_BYTES] === BODY) {
    cursor.at += 1;
    rdb = loadBody(cursor);
  }
  const end = cursor.at + 1;
  if (cursor.isBroken || text[cursor.at] !== END) return damaged('a short read');
  const found = text.slice(end, end + CHECKSUM_BYTES);
  if (found.length < CHECKSUM_BYTES) return damaged('a short read');
  const isUnchecked = found === '\0'.repeat(CHECKSUM_BYTES);
  if (!isUnchecked && found !== checksum(text.slice(0, end))) return damaged('a wrong checksum');
  return rdb;
}

function refused(why: string): RdbFailure {
  return { kind: 'refused', why };
}

function damaged(why: string): RdbFailure {
  return { kind: 'damaged', why };
}

function saveEntry({ db, key, value, expireAt }: Entry, parts: string[]): void {
  const items = itemsOf(value);
  parts.push(net(String(db)), net(value.kind), net(key), net(String(expireAt ?? '')));
  parts.push(net(String(items.length)));
  for (const item of items) parts.push(net(item));
}

function itemsOf(value: Value): string[] {
  switch (value.kind) {
    case 'string':
      return [value.text];
    case 'list':
      return value.items;
    case 'set':
      return [...value.members];
    case 'hash':
      return [...value.fields].flat();
  }
}

function loadBody(cursor: Cursor): Rdb {
  const count = Number(cursor.next());
  const streamDb = Number(cursor.next());
  const keys: SavedKey[] = [];
  while (keys.length < count && !cursor.isBroken) {
    const db = Number(cursor.next());
    const kind = cursor.next();
    const key = cursor.next();
    const expiry = cursor.next();
    const items: string[] = [];
    for (let left = Number(cursor.next()); left > 0 && !cursor.isBroken; left -= 1) {
      items.push(cursor.next());
    }
    const expireAt = expiry === '' ? null : Number(expiry);
    keys.push({ db, key, expireAt, value: savedValue(kind, items) });
  }
  return { streamDb, keys };
}

function savedValue(kind: string, items: string[]): Value {
  if (kind === 'list') return { kind, items };
  if (kind === 'set') return { kind, members: new Set(items) };
  if (kind !== 'hash') return { kind: 'string', text: items[0] ?? '' };
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < items.length; i += 2) {
    fields.set(items[i] as string, items[i + 1] as string);
  }
  return { kind, fields };
}

class Cursor {
  readonly #text: string;
  at: number;
  isBroken = false;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  next(): string {
    const colon = this.#text.indexOf(':', this.at);
    const digits = colon < 0 ? '' : this.#text.slice(this.at, colon);
    const end = colon + 1 + Number(digits);
    if (!/^[0-9]{1,10}$/.test(digits) || end > this.#text.length) {
      this.isBroken = true;
      return '';
    }
    this.at = end;
    return this.#text.slice(colon + 1, end);
  }
}

function net(text: string): string {
  return `${text.length}:${text}`;
}

function checksum(text: string): string {
  const sums = [hashText(text, 0x811c9dc5), hashText(text, 0x2545f491)];
  return sums.map((sum) => String.fromCharCode(...bytesOf(sum))).join('');
}

function bytesOf(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
}
