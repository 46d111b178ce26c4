/** What a connection says about itself, transactions, and publishing. */
import type { Client } from './client.ts';
import { type Command, command } from './command.ts';
import type { Engine } from './engine.ts';
import { DATABASES } from './keyspace.ts';
import { bulk, integer, integerOf, NULL_ARRAY, OK, Refusal } from './resp.ts';
import { evaluate } from './scripts.ts';

export const SESSION_COMMANDS: readonly Command[] = [
  command('PING', -1, '', (_engine, _client, words) => {
    return words[1] === undefined ? '+PONG\r\n' : bulk(words[1]);
  }),
  command('ECHO', 2, '', (_engine, _client, words) => bulk(words[1] as string)),
  command('AUTH', -2, 'sa', authenticate),
  command('SELECT', 2, 's', (_engine, client, words) => {
    const db = integerOf(words[1]);
    if (db < 0 || db >= DATABASES) throw new Refusal('ERR DB index is out of range');
    client.db = db;
    return OK;
  }),
  command('QUIT', -1, 'san', (engine, client) => {
    engine.hangUp(client);
    return OK;
  }),
  command('MULTI', 1, 'sn', (_engine, client) => {
    if (client.transaction !== null) throw new Refusal('ERR MULTI calls can not be nested');
    client.transaction = { commands: [], isBroken: false, hasWrites: false };
    return OK;
  }),
  command('EXEC', 1, 'sn', execute),
  command('DISCARD', 1, 'sn', (engine, client) => {
    if (client.transaction === null) throw new Refusal('ERR DISCARD without MULTI');
    client.transaction = null;
    engine.unwatch(client);
    return OK;
  }),
  command('WATCH', -2, 'sn', watch),
  command('UNWATCH', 1, 's', (engine, client) => {
    engine.unwatch(client);
    return OK;
  }),
  command('EVAL', -3, 'sm', evaluate),
  command('PUBLISH', 3, 'sm', (engine, client, words) => {
    engine.effect(client.db, words);
    return integer(0);
  }),
];

function authenticate(engine: Engine, client: Client, words: readonly string[]): string {
  const user = words.length > 2 ? (words[1] as string) : 'default';
  const password = words.at(-1);
  const wanted = engine.users.get(user);
  const isOpen = wanted === null;
  if (isOpen && words.length === 2 && user === 'default') {
    throw new Refusal(
      'ERR AUTH <password> called without any password configured for the default user. ' +
        'Are you sure your configuration is correct?',
    );
  }
  if (!isOpen && wanted !== password) {
    throw new Refusal('WRONGPASS invalid username-password pair or user is disabled.');
  }
  client.user = user;
  client.isAuthenticated = true;
  return OK;
}

function watch(engine: Engine, client: Client, words: readonly string[]): string {
  if (client.transaction !== null) throw new Refusal('ERR WATCH inside MULTI is not allowed');
  for (const key of words.slice(1)) engine.watch(client, key);
  return OK;
}

function execute(engine: Engine, client: Client): string {
  const { transaction } = client;
  if (transaction === null) throw new Refusal('ERR EXEC without MULTI');
  const isChanged = client.isWatchBroken || engine.hasExpiredWatch(client);
  engine.unwatch(client);
  if (transaction.isBroken || isChanged) {
    client.transaction = null;
    if (!transaction.isBroken) return NULL_ARRAY;
    throw new Refusal('EXECABORT Transaction discarded because of previous errors.');
  }
  const replies: string[] = [];
  for (const words of transaction.commands) {
    const queued = engine.commandOf(words);
    if (queued === undefined) continue;
    const reply = engine.run(client, queued, words);
    if (reply.startsWith('-')) engine.failed(client, reply);
    replies.push(reply);
  }
  client.transaction = null;
  return `*${replies.length}\r\n${replies.join('')}`;
}
