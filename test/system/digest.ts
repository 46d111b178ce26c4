/**
 * The whole dataset of one server as one number, read from that server itself and nobody else.
 *
 * The relay would send us to the leader, so this goes to the server's private socket, as the user
 * that clients are. Values are read, not serialized forms: two servers may hold one set in two
 * encodings and still agree. Of a stream's groups `entries-read` and `lag` are left
 * out: redis 7.0 does not replicate them after XREADGROUP, to a plain replica neither.
 */
import { createHash } from 'node:crypto';
import { type Value, Wire } from './wire.ts';

/** One number per key, so that a difference can be named. */
const SCRIPT = `
local function text(t)
  local out = {}
  for _, e in ipairs(t) do
    if type(e) == 'table' then e = text(e) end
    e = tostring(e)
    out[#out + 1] = #e .. ':' .. e
  end
  return table.concat(out)
end
local function pairsOf(t)
  local out = {}
  for i = 1, #t, 2 do out[#out + 1] = text({t[i], t[i + 1]}) end
  table.sort(out)
  return out
end
local function streamOf(k)
  local out = {redis.call('XRANGE', k, '-', '+')}
  local info = redis.call('XINFO', 'STREAM', k)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' or info[i] == 'max-deleted-entry-id' then
      out[#out + 1] = info[i + 1]
    end
  end
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', k)) do
    out[#out + 1] = {g[2], g[4], g[6], g[8]}
    for _, p in ipairs(redis.call('XPENDING', k, g[2], '-', '+', 100000)) do
      out[#out + 1] = {p[1], p[2], p[4]}
    end
  end
  return out
end
local sums = {}
for _, k in ipairs(KEYS) do
  local t = redis.call('TYPE', k).ok
  local v
  if t == 'string' then v = {redis.call('GET', k)}
  elseif t == 'list' then v = redis.call('LRANGE', k, 0, -1)
  elseif t == 'hash' then v = pairsOf(redis.call('HGETALL', k))
  elseif t == 'set' then v = redis.call('SMEMBERS', k); table.sort(v)
  elseif t == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')
  elseif t == 'stream' then v = streamOf(k)
  else v = {} end
  sums[#sums + 1] = t .. ' ' .. redis.call('PEXPIRETIME', k) .. ' ' .. redis.sha1hex(text(v))
end
return sums`;

const BATCH = 500;

/** `database/key` to what is there. */
export type Contents = ReadonlyMap<string, string>;

export function socketOf(serverPid: number): string {
  return `/proc/${serverPid}/cwd/server.sock`;
}

/** One after the other; null when a server was replaced just then. */
export async function contentsOfAll(pids: readonly number[]): Promise<Contents[] | null> {
  const all: Contents[] = [];
  try {
    for (const pid of pids) all.push(await contentsOf(pid));
  } catch (error) {
    if (/ENOENT|ECONNREFUSED/.test(String(error))) return null;
    throw error;
  }
  return all;
}

export async function contentsOf(serverPid: number): Promise<Contents> {
  const wire = new Wire(socketOf(serverPid));
  const contents = new Map<string, string>();
  try {
    const info = String(await wire.must('INFO', 'keyspace'));
    for (const [, database = ''] of info.matchAll(/^db(\d+):/gm)) {
      await wire.must('SELECT', database);
      let cursor = '0';
      do {
        const [next, keys] = (await wire.must('SCAN', cursor, 'COUNT', 1000)) as [string, string[]];
        cursor = next;
        for (let at = 0; at < keys.length; at += BATCH) {
          const batch = keys.slice(at, at + BATCH);
          const sums = (await wire.must('EVAL_RO', SCRIPT, batch.length, ...batch)) as Value[];
          batch.forEach((key, i) => {
            contents.set(`${database}/${key}`, String(sums[i]));
          });
        }
      } while (cursor !== '0');
    }
    const functions = await wire.must('FUNCTION', 'LIST', 'WITHCODE');
    contents.set('functions', JSON.stringify(functions));
    return contents;
  } finally {
    wire.close();
  }
}

export function digestOf(contents: Contents): string {
  const hash = createHash('sha256');
  for (const key of [...contents.keys()].sort()) hash.update(`${key}\0${contents.get(key)}\0`);
  return hash.digest('hex').slice(0, 16);
}

/** At most a few of the keys in which two differ, in words. */
export function differences(one: Contents, other: Contents): string[] {
  const keys = [...new Set([...one.keys(), ...other.keys()])];
  return keys
    .filter((key) => one.get(key) !== other.get(key))
    .slice(0, 5)
    .map((key) => `${key}: ${one.get(key) ?? 'absent'} / ${other.get(key) ?? 'absent'}`);
}
