/** Strings, and what holds for keys of any kind. */
import type { Client } from './client.ts';
import { type Command, command } from './command.ts';
import type { Engine } from './engine.ts';
import type { Entry } from './keyspace.ts';
import {
  bulk,
  INTEGER_MAX,
  INTEGER_MIN,
  integer,
  integerOf,
  NULL_BULK,
  OK,
  parseInteger,
  Refusal,
} from './resp.ts';

export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

export const STRING_COMMANDS: readonly Command[] = [
  command('GET', 2, '', get),
  command('SET', -3, 'w', set),
  command('APPEND', 3, 'w', append),
  command('INCR', 2, 'w', (engine, client, words) => increment(engine, client, words, 1n)),
  command('DECR', 2, 'w', (engine, client, words) => increment(engine, client, words, -1n)),
  command('INCRBY', 3, 'w', incrementBy),
  command('DEL', -2, 'w', remove),
  command('UNLINK', -2, 'w', remove),
  command('EXISTS', -2, '', exists),
  command('TYPE', 2, '', (engine, client, words) => {
    return `+${engine.find(client, words[1] as string)?.value.kind ?? 'none'}\r\n`;
  }),
  command('PEXPIRE', 3, 'w', (engine, client, words) => {
    return expireAt(engine, client, words, engine.nowMs() + integerOf(words[2]));
  }),
  command('PEXPIREAT', 3, 'w', (engine, client, words) => {
    return expireAt(engine, client, words, integerOf(words[2]));
  }),
  command('EXPIRE', 3, 'w', (engine, client, words) => {
    return expireAt(engine, client, words, engine.nowMs() + 1000 * integerOf(words[2]));
  }),
  command('PERSIST', 2, 'w', persist),
  command('PTTL', 2, '', timeToLive),
  command('DBSIZE', 1, '', (engine, client) => {
    return integer([...engine.keyspace.entries()].filter(({ db }) => db === client.db).length);
  }),
  command('FLUSHALL', -1, 'w', (engine, client, words) => {
    engine.keyspace.clear();
    engine.effect(client.db, words);
    return OK;
  }),
];

export function textOf(entry: Entry): string {
  if (entry.value.kind !== 'string') throw new Refusal(WRONG_TYPE);
  return entry.value.text;
}

function get(engine: Engine, client: Client, words: readonly string[]): string {
  const entry = engine.find(client, words[1] as string);
  return entry === undefined ? NULL_BULK : bulk(textOf(entry));
}

interface SetOptions {
  readonly expireAt: number | null;
  readonly only: 'NX' | 'XX' | null;
  readonly gets: boolean;
  readonly keepsExpiry: boolean;
}

function set(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', text = ''] = words;
  const options = words.length === 3 ? PLAIN : setOptionsOf(engine, words);
  const before = engine.find(client, key);
  const reply = options.gets ? (before === undefined ? NULL_BULK : bulk(textOf(before))) : OK;
  if (options.only !== null && (options.only === 'XX') !== (before !== undefined)) {
    return options.gets ? reply : NULL_BULK;
  }
  const kept = options.keepsExpiry ? (before?.expireAt ?? null) : null;
  const entry = engine.keyspace.put(client.db, key, { kind: 'string', text });
  const at = options.expireAt ?? kept;
  if (at !== null) engine.keyspace.setExpiry(entry, at);
  engine.effect(client.db, setEffect(words, options));
  return reply;
}

const PLAIN: SetOptions = { expireAt: null, only: null, gets: false, keepsExpiry: false };

function setOptionsOf(engine: Engine, words: readonly string[]): SetOptions {
  let options = PLAIN;
  for (let i = 3; i < words.length; i += 1) {
    const word = (words[i] as string).toUpperCase();
    if (word === 'NX' || word === 'XX') options = { ...options, only: word };
    else if (word === 'GET') options = { ...options, gets: true };
    else if (word === 'KEEPTTL') options = { ...options, keepsExpiry: true };
    else if (['EX', 'PX', 'EXAT', 'PXAT'].includes(word) && i + 1 < words.length) {
      options = { ...options, expireAt: expiryOf(engine, word, words[i + 1] as string) };
      i += 1;
    } else throw new Refusal('ERR syntax error');
  }
  return options;
}

function expiryOf(engine: Engine, word: string, text: string): number {
  const value = integerOf(text) * (word.startsWith('EX') ? 1000 : 1);
  if (value <= 0) throw new Refusal("ERR invalid expire time in 'set' command");
  return word.endsWith('AT') ? value : engine.nowMs() + value;
}

/** Absolute times, and nothing that only the client cares about. */
function setEffect(words: readonly string[], options: SetOptions): readonly string[] {
  if (options.expireAt !== null) {
    if (words.some((word, i) => i > 2 && word.toUpperCase() === 'PXAT')) return words;
    const [, key = '', text = ''] = words;
    return ['SET', key, text, 'PXAT', String(options.expireAt)];
  }
  if (!options.gets) return words;
  return words.filter((word, i) => i < 3 || word.toUpperCase() !== 'GET');
}

function append(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', more = ''] = words;
  const entry = engine.find(client, key);
  const text = (entry === undefined ? '' : textOf(entry)) + more;
  replaceText(engine, client, key, entry, text);
  engine.effect(client.db, words);
  return integer(text.length);
}

function replaceText(
  engine: Engine,
  client: Client,
  key: string,
  entry: Entry | undefined,
  text: string,
): void {
  if (entry === undefined) engine.keyspace.put(client.db, key, { kind: 'string', text });
  else if (entry.value.kind === 'string') {
    entry.value.text = text;
    engine.keyspace.changed(entry);
  }
}

function incrementBy(engine: Engine, client: Client, words: readonly string[]): string {
  const by = parseInteger(words[2] as string);
  if (by === null) throw new Refusal('ERR value is not an integer or out of range');
  return increment(engine, client, words, by);
}

function increment(engine: Engine, client: Client, words: readonly string[], by: bigint): string {
  const key = words[1] as string;
  const entry = engine.find(client, key);
  const before = entry === undefined ? 0n : parseInteger(textOf(entry));
  if (before === null) throw new Refusal('ERR value is not an integer or out of range');
  const sum = before + by;
  if (sum > INTEGER_MAX || sum < INTEGER_MIN) {
    throw new Refusal('ERR increment or decrement would overflow');
  }
  replaceText(engine, client, key, entry, String(sum));
  engine.effect(client.db, words);
  return integer(sum);
}

function remove(engine: Engine, client: Client, words: readonly string[]): string {
  let count = 0;
  for (const key of words.slice(1)) {
    const entry = engine.find(client, key);
    if (entry === undefined) continue;
    engine.keyspace.remove(entry);
    count += 1;
  }
  if (count > 0) engine.effect(client.db, words);
  return integer(count);
}

function exists(engine: Engine, client: Client, words: readonly string[]): string {
  return integer(words.slice(1).filter((key) => engine.find(client, key) !== undefined).length);
}

function expireAt(engine: Engine, client: Client, words: readonly string[], at: number): string {
  const [name = '', key = ''] = words;
  const entry = engine.find(client, key);
  if (entry === undefined) return integer(0);
  if (at <= engine.nowMs() && !engine.link.isOn) {
    engine.keyspace.remove(entry);
    engine.effect(client.db, [engine.flavor.deletion, key]);
    return integer(1);
  }
  engine.keyspace.setExpiry(entry, at);
  const word = name.toUpperCase() === 'PEXPIREAT' ? name : 'PEXPIREAT';
  engine.effect(client.db, [word, key, String(at)]);
  return integer(1);
}

function persist(engine: Engine, client: Client, words: readonly string[]): string {
  const entry = engine.find(client, words[1] as string);
  if (entry === undefined || entry.expireAt === null) return integer(0);
  engine.keyspace.setExpiry(entry, null);
  engine.effect(client.db, words);
  return integer(1);
}

function timeToLive(engine: Engine, client: Client, words: readonly string[]): string {
  const entry = engine.find(client, words[1] as string);
  if (entry === undefined) return integer(-2);
  return integer(entry.expireAt === null ? -1 : Math.max(entry.expireAt - engine.nowMs(), 0));
}
