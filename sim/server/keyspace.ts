/**
 * The data: sixteen databases of keys, and a digest of them that costs only what changed.
 *
 * The digest is the sum of two 32-bit hashes of every key with its value and expiry, so that it
 * does not depend on the order in which keys came. A key that changed is taken out of the sum at
 * once and put back when somebody asks.
 */

export type Value =
  | { readonly kind: 'string'; text: string }
  | { readonly kind: 'list'; readonly items: string[] }
  | { readonly kind: 'set'; readonly members: Set<string> }
  | { readonly kind: 'hash'; readonly fields: Map<string, string> };

export class Entry {
  readonly db: number;
  readonly key: string;
  value: Value;
  /** In ms of the wall clock; null: for ever. */
  expireAt: number | null = null;
  low = 0;
  high = 0;
  isSummed = false;
  isLive = true;

  constructor(db: number, key: string, value: Value) {
    this.db = db;
    this.key = key;
    this.value = value;
  }
}

/** The server's own default for `databases`. */
export const DATABASES = 16;

export class Keyspace {
  #databases: Map<string, Entry>[] = emptyDatabases();
  readonly #expiring = new Set<Entry>();
  readonly #unsummed = new Set<Entry>();
  #low = 0;
  #high = 0;
  /** Every change of a key, for WATCH. */
  onChanged: (db: number, key: string) => void = () => undefined;

  get(db: number, key: string): Entry | undefined {
    return this.#databases[db]?.get(key);
  }

  /** Replaces what is there, expiry included. */
  put(db: number, key: string, value: Value): Entry {
    const found = this.get(db, key);
    if (found !== undefined) {
      found.value = value;
      found.expireAt = null;
      this.#expiring.delete(found);
      this.changed(found);
      return found;
    }
    const entry = new Entry(db, key, value);
    this.#databases[db]?.set(key, entry);
    this.changed(entry);
    return entry;
  }

  /** To be called after every change inside a value. */
  changed(entry: Entry): void {
    if (entry.isSummed) this.#subtract(entry);
    this.#unsummed.add(entry);
    this.onChanged(entry.db, entry.key);
  }

  setExpiry(entry: Entry, at: number | null): void {
    entry.expireAt = at;
    if (at === null) this.#expiring.delete(entry);
    else this.#expiring.add(entry);
    this.changed(entry);
  }

  remove(entry: Entry): void {
    this.#databases[entry.db]?.delete(entry.key);
    this.#expiring.delete(entry);
    if (entry.isSummed) this.#subtract(entry);
    this.#unsummed.delete(entry);
    entry.isLive = false;
    this.onChanged(entry.db, entry.key);
  }

  clear(): void {
    const gone = [...this.entries()];
    this.#databases = emptyDatabases();
    this.#expiring.clear();
    this.#unsummed.clear();
    this.#low = 0;
    this.#high = 0;
    for (const entry of gone) {
      entry.isLive = false;
      this.onChanged(entry.db, entry.key);
    }
  }

  /** By database, within it in the order in which the keys came. */
  *entries(): Generator<Entry> {
    for (const database of this.#databases) yield* database.values();
  }

  /** Keys that are over by `nowMs`, in the order in which they got their expiry. */
  expired(nowMs: number): Entry[] {
    const found: Entry[] = [];
    for (const entry of this.#expiring) {
      if ((entry.expireAt as number) < nowMs) found.push(entry);
    }
    return found;
  }

  get size(): number {
    return this.#databases.reduce((sum, database) => sum + database.size, 0);
  }

  /** 53 bits. */
  digest(): number {
    for (const entry of this.#unsummed) {
      entry.low = hashOf(entry, 0x811c9dc5);
      entry.high = hashOf(entry, 0x01234567);
      this.#low = (this.#low + entry.low) >>> 0;
      this.#high = (this.#high + entry.high) >>> 0;
      entry.isSummed = true;
    }
    this.#unsummed.clear();
    return (this.#high & 0x1f_ffff) * 0x1_0000_0000 + this.#low;
  }

  #subtract(entry: Entry): void {
    this.#low = (this.#low - entry.low) >>> 0;
    this.#high = (this.#high - entry.high) >>> 0;
    entry.isSummed = false;
  }
}

function emptyDatabases(): Map<string, Entry>[] {
  return Array.from({ length: DATABASES }, () => new Map<string, Entry>());
}

function hashOf(entry: Entry, seed: number): number {
  const { db, key, value, expireAt } = entry;
  let hash = hashText(`${db} ${value.kind} ${expireAt ?? ''} ${key.length} ${key}`, seed);
  switch (value.kind) {
    case 'string':
      hash = hashText(value.text, hash);
      break;
    case 'list':
      for (const item of value.items) hash = hashText(`${item.length} ${item}`, hash);
      break;
    case 'set': {
      // Members and fields have no order.
      let sum = 0;
      for (const member of value.members) sum = (sum + hashText(member, seed)) >>> 0;
      hash = hashText(String(sum), hash);
      break;
    }
    case 'hash': {
      let sum = 0;
      for (const [field, text] of value.fields) {
        sum = (sum + hashText(`${field.length} ${field}${text}`, seed)) >>> 0;
      }
      hash = hashText(String(sum), hash);
      break;
    }
  }
  return mixed(hash);
}

/** FNV-1a over the characters. */
export function hashText(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** Sums of hashes need every bit to depend on every bit: the finisher of MurmurHash3. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
