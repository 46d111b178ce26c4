/**
 * The settings of one node, each with its three spellings: flag, environment variable, key of the
 * YAML file. `agent/config.ts` reads them; this table is all that `--help` knows.
 */
import { type Command, Option } from 'commander';

export type SettingKey =
  | 'name'
  | 'consistency'
  | 'shards'
  | 'replicas'
  | 'bus-port'
  | 'max-lost-bytes'
  | 'min-replicas-to-write'
  | 'priority'
  | 'primary-port'
  | 'import-data'
  | 'node'
  | 'dir'
  | 'peers'
  | 'discover'
  | 'expect'
  | 'port'
  | 'peer-port'
  | 'http-port'
  | 'local-port'
  | 'sentinel-port'
  | 'sentinel-alias'
  | 'bind'
  | 'announce'
  | 'secret-file'
  | 'password-file'
  | 'users-file'
  | 'server-path'
  | 'log-limit'
  | 'lease-reads'
  | 'join'
  | 'ephemeral'
  | 'witness'
  | 'zone'
  | 'forget-after'
  | 'reads'
  | 'relay-threads'
  | 'log-level';

export interface StartSetting {
  /** The key in the YAML file. */
  readonly key: SettingKey;
  readonly flag: string;
  readonly placeholder: string;
  /** What commander calls it. */
  readonly attribute: string;
  readonly environment: string;
  readonly help: string;
  /** Its value may be left out. */
  readonly isOption?: boolean;
  /** It may be given several times. */
  readonly isList?: boolean;
}

function setting(
  key: SettingKey,
  placeholder: string,
  help: string,
  word: string = key,
): StartSetting {
  return {
    key,
    flag: `--${word}`,
    placeholder,
    attribute: word.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    environment: `ALTHING_${word.replaceAll('-', '_').toUpperCase()}`,
    help,
  };
}

/** Yes when it is given without a value. */
function option(key: SettingKey, help: string): StartSetting {
  return { ...setting(key, 'YES', help), isOption: true };
}

export const START_SETTINGS: readonly StartSetting[] = [
  setting('name', 'NAME', 'name of the deployment (default: althing)'),
  setting('consistency', 'KIND', 'strong or eventual, the same on all nodes (default: strong)'),
  setting(
    'shards',
    'N',
    'eventual: pieces of the data, each with a primary; 2 or more make a cluster (default: 1)',
  ),
  setting('replicas', 'N', 'with --shards: copies of each beside its primary (default: 1)'),
  setting('bus-port', 'PORT', 'with --shards: where servers meet (default: 10000 above --port)'),
  setting('node', 'NAME', 'name of this node (default: HOSTNAME-PEERPORT)'),
  setting('dir', 'DIR', 'data directory of this node; required'),
  setting('peers', 'LIST', 'peer addresses of every node, host:port,… (default: this one alone)'),
  {
    ...setting(
      'discover',
      'SOURCES',
      'where nodes are found, several with ";": HOST[:PORT], a DNS NAME[:PORT], srv:NAME, ' +
        'kubernetes:[NAMESPACE:]SELECTOR[:PORT]',
    ),
    isList: true,
  },
  setting(
    'expect',
    'N',
    'nodes that found it, more than half of all that may start before ' +
      '(default: 3 with --discover, else all peers)',
  ),
  setting('port', 'PORT', 'port for clients (default: 6379)'),
  setting('peer-port', 'PORT', 'port for the other nodes (default: 7379)'),
  setting('http-port', 'PORT', 'port for HTTP (default: 8379)'),
  setting('sentinel-port', 'PORT', 'port for clients that know Sentinel, or none (default: 26379)'),
  setting(
    'sentinel-alias',
    'NAME',
    'name of the primary there beside that of the deployment, or none (default: mymaster)',
  ),
  setting('local-port', 'PORT', 'port of the server itself, for reads, while it follows'),
  setting('bind', 'ADDRESS', 'address to listen on (default: all with a secret and a password)'),
  setting('announce', 'HOST', 'host under which clients and other nodes reach this node'),
  setting('secret-file', 'FILE', 'file with the secret that all nodes share, at least 128 bits'),
  setting('password-file', 'FILE', 'file with the password that clients must give'),
  setting('users-file', 'FILE', 'file with users of clients that have fewer rights, as ACL lines'),
  // `server:` in the file is the map of settings for the server, so its path has a name of its own.
  setting('server-path', 'PATH', 'the server to run (default: the one on PATH)', 'server'),
  option('join', 'only join a deployment that is there, found none (default: no)'),
  option('ephemeral', 'no disk to come back with: leave when stopped (default: no)'),
  option('witness', 'vote and keep the log for others, without a server (default: no)'),
  setting('zone', 'NAME', 'where this node stands: copies are spread over zones'),
  setting('forget-after', 'TIME', 'gone for so long, a node is replaced; never (default: 10m)'),
  setting('reads', 'MODE', 'on followers: leader, local or linearizable (default: leader)'),
  setting(
    'max-lost-bytes',
    'BYTES',
    'eventual: a failover that would lose more waits for somebody; any (default: any)',
  ),
  setting(
    'min-replicas-to-write',
    'N',
    'eventual: the primary takes writes while so many follow it (default: 0)',
  ),
  setting('priority', 'N', 'eventual: higher is chosen first among equals, 0 never (default: 100)'),
  setting(
    'primary-port',
    'PORT',
    'eventual: port that always lands on the primary (default: none)',
  ),
  setting(
    'import-data',
    'PATH',
    'eventual: begin with the data of a server (its directory, AOF or RDB), once; on one node',
  ),
  setting('log-limit', 'BYTES', 'size of the log that starts a snapshot (default: 64mb)'),
  setting('lease-reads', 'YES', 'reads by lease, on clocks that can be trusted (default: no)'),
  setting('relay-threads', 'N', 'threads that serve clients, 0 to 64 or auto (default: auto)'),
  setting(
    'log-level',
    'LEVEL',
    'least of what is logged: debug, info, warn, error (default: info)',
  ),
];

/** Adds every flag of `althing start`. Values stay text: agent/config.ts checks them. */
export function addStartOptions(command: Command): Command {
  for (const { flag, placeholder, help, environment, isOption, isList } of START_SETTINGS) {
    const value = isOption ? `[${placeholder}]` : `<${placeholder}>`;
    const option = new Option(`${flag} ${value}`, `${help} [${environment}]`);
    if (isList) option.argParser((given: string, all: string[] = []) => [...all, given]);
    command.addOption(option);
  }
  return command.addOption(
    new Option('--config <FILE>', 'YAML file with the same keys [ALTHING_CONFIG]'),
  );
}
