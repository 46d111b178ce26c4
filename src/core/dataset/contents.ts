/**
 * What a key holds, in one form whatever server it is read from: encodings, the order in a set or a
 * hash, and the digits of a score may differ between two servers that hold the same.
 *
 * Left out, since versions tell it differently or not at all: when a consumer was seen last, how
 * many entries a group has read, and when fields of a hash expire (RESTORE carries those).
 */
import { encodeCommand } from '../resp/writer.ts';
import { type RawValue, readValue } from './raw-replies.ts';

/** Type, expiry and size of each key; the size is what MEMORY USAGE makes of one sample. */
const FACTS_SCRIPT = `
local out = {}
for i, key in ipairs(KEYS) do
  out[3 * i - 2] = redis.call('TYPE', key).ok
  out[3 * i - 1] = redis.call('PEXPIRETIME', key)
  out[3 * i] = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '1') or 0
end
return out`;

export interface KeyFacts {
  readonly key: Buffer;
  readonly type: string;
  /** Unix time in ms; 0 for a key that does not expire. */
  readonly expiresAt: number;
  readonly bytes: number;
}

export function factsRequest(keys: readonly Buffer[]): Buffer {
  return encodeCommand(['EVAL', FACTS_SCRIPT, String(keys.length), ...keys]);
}

/** Of those that are there. */
export function readFacts(raw: Buffer, keys: readonly Buffer[]): KeyFacts[] {
  const values = readValue(raw) as readonly RawValue[];
  return keys
    .map((key, i) => ({
      key,
      type: String(values[3 * i]),
      expiresAt: Math.max(0, Number(values[3 * i + 1])),
      bytes: Number(values[3 * i + 2]),
    }))
    .filter(({ type }) => type !== 'none');
}

/** The command that reads all of a key; a type that nobody knows is compared as it is stored. */
export function contentsRequest({ key, type }: KeyFacts): Buffer {
  const words = READINGS[type] ?? ['DUMP'];
  const [name = '', ...rest] = words;
  return encodeCommand([name, ...(name === 'XINFO' ? ['STREAM'] : []), key, ...rest]);
}

const READINGS: Readonly<Record<string, readonly string[]>> = {
  string: ['GET'],
  list: ['LRANGE', '0', '-1'],
  set: ['SMEMBERS'],
  hash: ['HGETALL'],
  zset: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  // COUNT 0: all of it.
  stream: ['XINFO', 'FULL', 'COUNT', '0'],
};

/** The form that two servers share. Null: there is no such key, or it is of another type. */
export function contentsOf(type: string, raw: Buffer): Buffer | null {
  const value = readValue(raw);
  if (Buffer.isBuffer(value)) return value;
  if (!Array.isArray(value)) return null;
  const items = value as readonly RawValue[];
  if (items.length === 0) return null;
  switch (type) {
    case 'set':
      return joined(items.map(partOf).sort(Buffer.compare));
    case 'hash':
      return joined(pairsOf(items).map(joined).sort(Buffer.compare));
    case 'zset':
      return joined(pairsOf(items).map(([member, score]) => joined([member, scoreOf(score)])));
    case 'stream':
      return streamOf(items);
    default:
      return joined(items.map(partOf));
  }
}

/** Parts so that no two lists of parts look the same. */
function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [Buffer.from(`${part.length}:`), part]));
}

function partOf(value: RawValue): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return joined((value as readonly RawValue[]).map(partOf));
  return Buffer.from(String(value));
}

function pairsOf(items: readonly RawValue[]): [Buffer, Buffer][] {
  const pairs: [Buffer, Buffer][] = [];
  for (let i = 0; i + 1 < items.length; i += 2)
    pairs.push([partOf(items[i] as RawValue), partOf(items[i + 1] as RawValue)]);
  return pairs;
}

/** 7.0 writes 17 digits, later versions as few as tell a number apart. */
function scoreOf(text: Buffer): Buffer {
  const word = text.toString('latin1').replace('inf', 'Infinity');
  const score = Buffer.alloc(8);
  score.writeDoubleBE(Number(word));
  return score;
}

function fieldOf(map: RawValue, name: string): RawValue {
  const items = Array.isArray(map) ? (map as readonly RawValue[]) : [];
  const at = items.findIndex((item, i) => i % 2 === 0 && String(item) === name);
  return at < 0 ? null : (items[at + 1] ?? null);
}

function listOf(map: RawValue, name: string): readonly RawValue[] {
  const found = fieldOf(map, name);
  return Array.isArray(found) ? (found as readonly RawValue[]) : [];
}

function streamOf(info: readonly RawValue[]): Buffer {
  const groups = listOf(info, 'groups').map((group) =>
    joined([
      partOf(fieldOf(group, 'name')),
      partOf(fieldOf(group, 'last-delivered-id')),
      // Since 7.0.? `pel`, later `pending`: id, consumer, time and count of deliveries.
      joined([...listOf(group, 'pel'), ...listOf(group, 'pending')].map(partOf)),
      joined(
        listOf(group, 'consumers')
          .map((consumer) => partOf(fieldOf(consumer, 'name')))
          .sort(Buffer.compare),
      ),
    ]),
  );
  return joined([
    joined(listOf(info, 'entries').map(partOf)),
    partOf(fieldOf(info, 'last-generated-id')),
    partOf(fieldOf(info, 'max-deleted-entry-id')),
    partOf(fieldOf(info, 'entries-added')),
    joined(groups.sort(Buffer.compare)),
  ]);
}

/** What is hashed of one key: where it is, what it is, until when, and what it holds. */
export function keyRecord(database: number, facts: KeyFacts, contents: Buffer): Buffer {
  const { key, type, expiresAt } = facts;
  return joined([Buffer.from(`${database} ${type} ${expiresAt}`), key, contents]);
}
