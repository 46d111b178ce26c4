/**
 * Keys with their values in the servers' own serialized form: how many of them are asked for at
 * once, and put into another server. What DUMP answers is the argument that RESTORE takes, header
 * and all, so a value is never taken apart.
 */
import { assert } from '../../assert.ts';
import { encodeCommand } from '../resp/writer.ts';

export interface KeyDump {
  readonly key: Buffer;
  /** `$<n>`, CR LF, the payload, CR LF. */
  readonly bulk: Buffer;
  /** Unix time in ms; 0 for a key that does not expire. */
  readonly expiresAt: number;
}

/**
 * The keys' dumps and times, one after the other, until they have more bytes than ARGV[1]: how many
 * keys were looked at comes first. So an answer has that many bytes and one value more, whatever
 * the values' sizes.
 */
const DUMP_SCRIPT = `
local out = {0}
local bytes = 0
for i, key in ipairs(KEYS) do
  local dump = redis.call('DUMP', key)
  out[2 * i] = dump
  out[2 * i + 1] = redis.call('PEXPIRETIME', key)
  out[1] = i
  if dump then bytes = bytes + #dump end
  if bytes > tonumber(ARGV[1]) then break end
end
return out`;

export function dumpRequest(keys: readonly Buffer[], bytesMax: number): Buffer {
  return encodeCommand(['EVAL', DUMP_SCRIPT, String(keys.length), ...keys, String(bytesMax)]);
}

const LF = 10;

/** What came of `dumpRequest`. A key that was gone by then is counted, and not among the dumps. */
export function readDumps(
  raw: Buffer,
  keys: readonly Buffer[],
): { readonly looked: number; readonly dumps: readonly KeyDump[] } {
  let at = raw.indexOf(LF) + 1;
  const line = (): number => {
    const end = raw.indexOf(LF, at);
    const number = Number(raw.toString('latin1', at + 1, end - 1));
    at = end + 1;
    return number;
  };
  const looked = line();
  assert(looked >= 0 && looked <= keys.length, 'the script counts the keys that it is given');
  const dumps: KeyDump[] = [];
  for (const key of keys.slice(0, looked)) {
    const from = at;
    const length = line();
    if (length >= 0) at += length + 2;
    const bulk = raw.subarray(from, at);
    const time = line();
    if (length >= 0) dumps.push({ key, bulk, expiresAt: Math.max(0, time) });
  }
  return { looked, dumps };
}

/** RESTORE with the time as it is; `replace`: whatever has the key. */
export function restoreRequest({ key, bulk, expiresAt }: KeyDump, replace: boolean): Buffer {
  const time = String(expiresAt);
  const head = `*${replace ? 6 : 5}\r\n$7\r\nRESTORE\r\n$${key.length}\r\n`;
  const middle = `\r\n$${time.length}\r\n${time}\r\n`;
  const tail = replace ? '$6\r\nABSTTL\r\n$7\r\nREPLACE\r\n' : '$6\r\nABSTTL\r\n';
  const all = Buffer.allocUnsafe(
    head.length + key.length + middle.length + bulk.length + tail.length,
  );
  let at = all.write(head, 0, 'latin1');
  at += key.copy(all, at);
  at += all.write(middle, at, 'latin1');
  at += bulk.copy(all, at);
  all.write(tail, at, 'latin1');
  return all;
}

/** First byte of a dump: `RDB_TYPE_*` of the servers (rdb.h), oldest to newest. */
const TYPES: Readonly<Record<string, readonly number[]>> = {
  string: [0],
  list: [1, 10, 14, 18],
  set: [2, 11, 20],
  zset: [3, 5, 12, 17],
  hash: [4, 9, 13, 16, 22, 23, 24, 25],
  stream: [15, 19, 21, 26],
  module: [6, 7],
};

const TYPE_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPES).flatMap(([type, bytes]) => bytes.map((byte) => [byte, type] as const)),
);

export function typeOf({ bulk }: KeyDump): string {
  return TYPE_OF.get(bulk[bulk.indexOf(LF) + 1] ?? -1) ?? 'other';
}
