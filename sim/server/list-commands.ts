/** Lists, and the pops that wait. */
import type { Client } from './client.ts';
import { type Command, command } from './command.ts';
import type { Engine } from './engine.ts';
import type { Entry } from './keyspace.ts';
import { bulk, bulks, integer, integerOf, NULL_ARRAY, NULL_BULK, Refusal } from './resp.ts';
import { WRONG_TYPE } from './string-commands.ts';

type Side = 'left' | 'right';

export const LIST_COMMANDS: readonly Command[] = [
  command('RPUSH', -3, 'w', (engine, client, words) => push(engine, client, words, 'right')),
  command('LPUSH', -3, 'w', (engine, client, words) => push(engine, client, words, 'left')),
  command('LPOP', -2, 'w', (engine, client, words) => pop(engine, client, words, 'left')),
  command('RPOP', -2, 'w', (engine, client, words) => pop(engine, client, words, 'right')),
  command('LRANGE', 4, '', range),
  command('LLEN', 2, '', (engine, client, words) => {
    return integer(itemsOf(engine.find(client, words[1] as string)).length);
  }),
  command('BLPOP', -3, 'w', (engine, client, words) => popOrWait(engine, client, words, 'left')),
  command('BRPOP', -3, 'w', (engine, client, words) => popOrWait(engine, client, words, 'right')),
];

function itemsOf(entry: Entry | undefined): string[] {
  if (entry === undefined) return [];
  if (entry.value.kind !== 'list') throw new Refusal(WRONG_TYPE);
  return entry.value.items;
}

function push(engine: Engine, client: Client, words: readonly string[], side: Side): string {
  const [, key = '', ...added] = words;
  let entry = engine.find(client, key);
  const items = itemsOf(entry);
  if (side === 'right') items.push(...added);
  else items.unshift(...added.reverse());
  entry ??= engine.keyspace.put(client.db, key, { kind: 'list', items });
  engine.keyspace.changed(entry);
  engine.blocked.signal(client.db, key);
  engine.effect(client.db, words);
  return integer(items.length);
}

function take(engine: Engine, entry: Entry, side: Side): string {
  const items = itemsOf(entry);
  const item = (side === 'left' ? items.shift() : items.pop()) as string;
  if (items.length === 0) engine.keyspace.remove(entry);
  else engine.keyspace.changed(entry);
  return item;
}

function pop(engine: Engine, client: Client, words: readonly string[], side: Side): string {
  const [, key = '', count] = words;
  const wanted = count === undefined ? 1 : integerOf(count);
  if (wanted < 0) throw new Refusal('ERR value is out of range, must be positive');
  const entry = engine.find(client, key);
  const length = itemsOf(entry).length;
  if (entry === undefined) return count === undefined ? NULL_BULK : NULL_ARRAY;
  if (wanted === 0) return '*0\r\n';
  const taken: string[] = [];
  while (taken.length < Math.min(wanted, length)) taken.push(take(engine, entry, side));
  engine.effect(client.db, words);
  return count === undefined ? bulk(taken[0] as string) : bulks(taken);
}

function range(engine: Engine, client: Client, words: readonly string[]): string {
  const items = itemsOf(engine.find(client, words[1] as string));
  const [first, last] = [integerOf(words[2]), integerOf(words[3])];
  const from = first < 0 ? Math.max(items.length + first, 0) : first;
  const to = last < 0 ? items.length + last : last;
  return bulks(items.slice(from, to + 1));
}

function popOrWait(engine: Engine, client: Client, words: readonly string[], side: Side): string {
  const keys = words.slice(1, -1);
  const seconds = Number(words.at(-1));
  if (!Number.isFinite(seconds)) throw new Refusal('ERR timeout is not a float or out of range');
  if (seconds < 0) throw new Refusal('ERR timeout is negative');
  for (const key of keys) {
    const entry = engine.find(client, key);
    if (itemsOf(entry).length === 0 || entry === undefined) continue;
    const item = take(engine, entry, side);
    engine.effect(client.db, [side === 'left' ? 'LPOP' : 'RPOP', key]);
    return bulks([key, item]);
  }
  // Inside a transaction nobody can wait.
  if (client.transaction !== null || client.isPrimary) return NULL_ARRAY;
  const until = seconds === 0 ? null : engine.nowMs() + Math.ceil(seconds * 1000);
  engine.blocked.add(client, { side, db: client.db, keys, until });
  return '';
}
