/** What the agent and other servers say to a server. */
import type { Client } from './client.ts';
import { type Command, command } from './command.ts';
import type { Engine } from './engine.ts';
import { infoText, roleReply } from './report.ts';
import { bulk, bulks, integer, integerOf, OK, Refusal } from './resp.ts';

export const ADMIN_COMMANDS: readonly Command[] = [
  command('ROLE', 1, 's', (engine) => roleReply(engine)),
  command('INFO', -1, 's', (engine, _client, words) => bulk(infoText(engine, words.slice(1)))),
  command('CONFIG', -2, 's', configure),
  command('CLIENT', -2, 's', ofClients),
  command('REPLICAOF', 3, 's', replicateFrom),
  command('REPLCONF', -1, 's', configureReplica),
  command('PSYNC', -3, 'r', (engine, client, words) => {
    engine.replicas.sync(client, words[1] as string, integerOf(words[2]));
    return '';
  }),
];

function configure(engine: Engine, _client: Client, words: readonly string[]): string {
  const what = (words[1] as string).toUpperCase();
  if (what === 'GET')
    return bulks(words.slice(2).flatMap((name) => engine.settings.matching(name)));
  if (what !== 'SET' || words.length < 4 || words.length % 2 !== 0) {
    throw new Refusal("ERR wrong number of arguments for 'config|set' command");
  }
  engine.settings.set(words.slice(2));
  engine.replicas.countGood();
  return OK;
}

function ofClients(engine: Engine, client: Client, words: readonly string[]): string {
  const [, what = '', first = '', second = ''] = words;
  switch (what.toUpperCase()) {
    case 'ID':
      return integer(client.id);
    case 'NO-EVICT':
    case 'SETNAME':
    case 'SETINFO':
      return OK;
    case 'LIST':
      return bulk([...engine.clients.values()].map(lineOf).join(''));
    case 'KILL':
      return kill(engine, client, words);
    case 'PAUSE': {
      const isForAll = second.toUpperCase() !== 'WRITE';
      engine.pause(engine.nowMs() + integerOf(first), isForAll);
      return OK;
    }
    case 'UNPAUSE':
      engine.resume();
      return OK;
    default:
      throw new Refusal(`ERR unknown subcommand '${what}'. Try CLIENT HELP.`);
  }
}

function lineOf(client: Client): string {
  const flags = client.replica === null || client.replica.phase === 'none' ? 'N' : 'S';
  return `id=${client.id} addr=? name= flags=${flags} db=${client.db} user=${client.user}\n`;
}

function kill(engine: Engine, client: Client, words: readonly string[]): string {
  const filter = (words[2] ?? '').toUpperCase();
  const wanted = words[3] ?? '';
  const isMatch = (other: Client): boolean => {
    if (other === client) return false;
    if (filter === 'USER') return other.user === wanted;
    if (filter === 'ID') return other.id === Number(wanted);
    const isReplica = other.replica !== null && other.replica.phase !== 'none';
    if (filter === 'TYPE') return isReplica === ['replica', 'slave'].includes(wanted.toLowerCase());
    throw new Refusal('ERR syntax error');
  };
  const killed = [...engine.clients.values()].filter(isMatch);
  for (const other of killed) engine.cut(other);
  return integer(killed.length);
}

function replicateFrom(engine: Engine, _client: Client, words: readonly string[]): string {
  const [, host = '', port = ''] = words;
  const { link } = engine;
  if (host.toLowerCase() === 'no' && port.toLowerCase() === 'one') {
    link.leave();
    return OK;
  }
  if (link.isOn && link.host === host && link.port === integerOf(port)) {
    return '+OK Already connected to specified master\r\n';
  }
  link.follow(host, integerOf(port));
  link.dial();
  return OK;
}

function configureReplica(engine: Engine, client: Client, words: readonly string[]): string {
  if (words.length % 2 === 0) throw new Refusal('ERR syntax error');
  for (let i = 1; i < words.length; i += 2) {
    const option = (words[i] as string).toLowerCase();
    const value = words[i + 1] as string;
    if (option === 'getack') {
      if (client.isPrimary) engine.link.acknowledge();
      return '';
    }
    if (option === 'ack') {
      engine.replicas.acknowledge(client, integerOf(value));
      return '';
    }
    remember(engine, client, option, value);
  }
  return OK;
}

function remember(engine: Engine, client: Client, option: string, value: string): void {
  const state = engine.replicas.stateOf(client);
  switch (option) {
    case 'listening-port':
      state.port = integerOf(value);
      return;
    case 'ip-address':
    case 'rdb-filter-only':
      return;
    case 'capa':
      if (value.toLowerCase() === 'eof') state.knowsEof = true;
      if (value.toLowerCase() === 'psync2') state.knowsPsync2 = true;
      return;
    case 'rdb-only':
      state.isRdbOnly = integerOf(value) === 1;
      return;
    case 'version':
      if (engine.flavor.knowsVersion) return;
      break;
  }
  throw new Refusal(`ERR Unrecognized REPLCONF option: ${option}`);
}
