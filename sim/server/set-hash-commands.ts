/** Sets and hashes. */
import type { Client } from './client.ts';
import { type Command, command } from './command.ts';
import type { Engine } from './engine.ts';
import type { Entry } from './keyspace.ts';
import {
  bulk,
  bulks,
  INTEGER_MAX,
  INTEGER_MIN,
  integer,
  integerOf,
  NULL_BULK,
  parseInteger,
  Refusal,
} from './resp.ts';
import { WRONG_TYPE } from './string-commands.ts';

export const SET_HASH_COMMANDS: readonly Command[] = [
  command('SADD', -3, 'w', addMembers),
  command('SREM', -3, 'w', removeMembers),
  command('SMEMBERS', 2, '', (engine, client, words) => {
    return bulks([...membersOf(engine.find(client, words[1] as string))]);
  }),
  command('SISMEMBER', 3, '', (engine, client, words) => {
    const [, key = '', member = ''] = words;
    return integer(membersOf(engine.find(client, key)).has(member) ? 1 : 0);
  }),
  command('SCARD', 2, '', (engine, client, words) => {
    return integer(membersOf(engine.find(client, words[1] as string)).size);
  }),
  command('SPOP', -2, 'w', popMember),
  command('HSET', -4, 'w', setFields),
  command('HGET', 3, '', (engine, client, words) => {
    const [, key = '', field = ''] = words;
    const text = fieldsOf(engine.find(client, key)).get(field);
    return text === undefined ? NULL_BULK : bulk(text);
  }),
  command('HGETALL', 2, '', (engine, client, words) => {
    return bulks([...fieldsOf(engine.find(client, words[1] as string))].flat());
  }),
  command('HLEN', 2, '', (engine, client, words) => {
    return integer(fieldsOf(engine.find(client, words[1] as string)).size);
  }),
  command('HDEL', -3, 'w', removeFields),
  command('HINCRBY', 4, 'w', incrementField),
];

function membersOf(entry: Entry | undefined): Set<string> {
  if (entry === undefined) return new Set();
  if (entry.value.kind !== 'set') throw new Refusal(WRONG_TYPE);
  return entry.value.members;
}

function fieldsOf(entry: Entry | undefined): Map<string, string> {
  if (entry === undefined) return new Map();
  if (entry.value.kind !== 'hash') throw new Refusal(WRONG_TYPE);
  return entry.value.fields;
}

function addMembers(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', ...added] = words;
  const entry = engine.find(client, key);
  const members = membersOf(entry);
  const before = members.size;
  for (const member of added) members.add(member);
  if (entry === undefined) engine.keyspace.put(client.db, key, { kind: 'set', members });
  else if (members.size > before) engine.keyspace.changed(entry);
  if (members.size > before) engine.effect(client.db, words);
  return integer(members.size - before);
}

function removeMembers(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', ...removed] = words;
  const entry = engine.find(client, key);
  const members = membersOf(entry);
  const count = removed.filter((member) => members.delete(member)).length;
  settle(engine, entry, members.size, count);
  if (count > 0) engine.effect(client.db, words);
  return integer(count);
}

/** A container that is empty is no key. */
function settle(engine: Engine, entry: Entry | undefined, left: number, changes: number): void {
  if (entry === undefined || changes === 0) return;
  if (left === 0) engine.keyspace.remove(entry);
  else engine.keyspace.changed(entry);
}

/** Which one is chance, so that the stream says which it was. */
function popMember(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', count] = words;
  const entry = engine.find(client, key);
  const members = membersOf(entry);
  const wanted = count === undefined ? 1 : integerOf(count);
  if (wanted < 0) throw new Refusal('ERR value is out of range, must be positive');
  if (entry === undefined) return count === undefined ? NULL_BULK : '*0\r\n';
  if (wanted === 0) return '*0\r\n';
  const isAll = count !== undefined && wanted >= members.size;
  const chosen = isAll ? [...members] : choose(engine, [...members], wanted);
  for (const member of chosen) members.delete(member);
  settle(engine, entry, members.size, chosen.length);
  if (isAll) engine.effect(client.db, [engine.flavor.deletion, key]);
  else if (engine.flavor.popsInOneEffect) engine.effect(client.db, ['SREM', key, ...chosen]);
  else for (const member of chosen) engine.effect(client.db, ['SREM', key, member]);
  return count === undefined ? bulk(chosen[0] as string) : bulks(chosen);
}

function choose(engine: Engine, members: string[], count: number): string[] {
  const chosen: string[] = [];
  while (chosen.length < count) {
    const at = (engine.entropy() >>> 0) % members.length;
    chosen.push(...members.splice(at, 1));
  }
  return chosen;
}

function setFields(engine: Engine, client: Client, words: readonly string[]): string {
  if (words.length % 2 !== 0) throw new Refusal("ERR wrong number of arguments for 'hset' command");
  const key = words[1] as string;
  const entry = engine.find(client, key);
  const fields = fieldsOf(entry);
  const before = fields.size;
  for (let i = 2; i < words.length; i += 2) fields.set(words[i] as string, words[i + 1] as string);
  if (entry === undefined) engine.keyspace.put(client.db, key, { kind: 'hash', fields });
  else engine.keyspace.changed(entry);
  engine.effect(client.db, words);
  return integer(fields.size - before);
}

function removeFields(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', ...removed] = words;
  const entry = engine.find(client, key);
  const fields = fieldsOf(entry);
  const count = removed.filter((field) => fields.delete(field)).length;
  settle(engine, entry, fields.size, count);
  if (count > 0) engine.effect(client.db, words);
  return integer(count);
}

function incrementField(engine: Engine, client: Client, words: readonly string[]): string {
  const [, key = '', field = '', by = ''] = words;
  const step = parseInteger(by);
  if (step === null) throw new Refusal('ERR value is not an integer or out of range');
  const entry = engine.find(client, key);
  const fields = fieldsOf(entry);
  const before = parseInteger(fields.get(field) ?? '0');
  if (before === null) throw new Refusal('ERR hash value is not an integer');
  const sum = before + step;
  if (sum > INTEGER_MAX || sum < INTEGER_MIN) {
    throw new Refusal('ERR increment or decrement would overflow');
  }
  fields.set(field, String(sum));
  if (entry === undefined) engine.keyspace.put(client.db, key, { kind: 'hash', fields });
  else engine.keyspace.changed(entry);
  engine.effect(client.db, words);
  return integer(sum);
}
