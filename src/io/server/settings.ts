/**
 * The `server:` map of the configuration: settings that people may pass to their server, such as
 * `maxmemory`. What the guarantees rest on is ours, and is refused with the reason.
 */

export type SettingValue = string | number | boolean;

const ADDRESS = 'clients come through the agent; the server listens on a private socket only';
const PERSISTENCE = 'the agent’s log and snapshots keep the data; the server itself keeps nothing';
const REPLICATION = 'the agent decides who replicates from whom, and how';
const WRITES =
  'by it the agent shuts a primary; what an open one needs is `minReplicasToWrite` of the spec';
const ACCESS = 'the agent owns users and passwords; set the clients’ password with --password-file';
const PROCESS = 'the agent runs the server and reads what it says';
const BUSY = 'by it the agent tells a server that runs a script from one that hangs';
const CONNECTIONS = 'it would close the connections that the agent itself needs';

/** Name, or a prefix followed by `*`, to the reason why it is ours. */
export const OWNED_SETTINGS: Readonly<Record<string, string>> = {
  port: ADDRESS,
  bind: ADDRESS,
  'bind-source-addr': ADDRESS,
  'unixsocket*': ADDRESS,
  'protected-mode': ADDRESS,
  'tls-*': ADDRESS,
  'tcp-backlog': ADDRESS,
  save: PERSISTENCE,
  'append*': PERSISTENCE,
  'aof-*': PERSISTENCE,
  'auto-aof-*': PERSISTENCE,
  'rdb*': PERSISTENCE,
  'no-appendfsync-on-rewrite': PERSISTENCE,
  dbfilename: PERSISTENCE,
  dir: PERSISTENCE,
  'stop-writes-on-bgsave-error': PERSISTENCE,
  replicaof: REPLICATION,
  slaveof: REPLICATION,
  'repl-*': REPLICATION,
  'replica-*': REPLICATION,
  'slave-*': REPLICATION,
  'min-replicas-to-write': WRITES,
  'min-replicas-*': REPLICATION,
  'min-slaves-*': REPLICATION,
  'primary*': REPLICATION,
  'propagation-error-behavior': REPLICATION,
  'dual-channel-*': REPLICATION,
  'import-mode': REPLICATION,
  'cluster-*': 'a strong deployment needs servers that are no cluster nodes',
  'client-output-buffer-limit': 'the agent sets it so that a slow capture is cut at a known bound',
  'proto-max-bulk-len': 'it must be equal on all nodes, and below the largest execution unit',
  maxclients: 'the agent sizes it by its own limit for clients',
  'maxmemory-clients': CONNECTIONS,
  timeout: CONNECTIONS,
  'masterauth*': ACCESS,
  'masteruser*': ACCESS,
  requirepass: ACCESS,
  'acl*': ACCESS,
  user: ACCESS,
  'enable-*': 'debug, module and protected-configuration commands would break the guarantees',
  'loadmodule*': 'modules may write without replicating it',
  'rename-command': 'the agent calls commands by their names',
  include: 'what it includes would not be checked',
  daemonize: PROCESS,
  supervised: PROCESS,
  pidfile: PROCESS,
  'busy-reply-threshold': BUSY,
  'lua-time-limit': BUSY,
  'crash-memcheck-enabled': 'a server that dies must be gone at once',
  logfile: PROCESS,
  loglevel: PROCESS,
  'syslog-*': PROCESS,
  'shutdown-*': PROCESS,
  'proc-title-template': PROCESS,
};

const SEEING = 'what the server notes about itself';
const ENCODING = 'how values are kept in memory, which no reply and no replicated command shows';
const FREEING = 'when memory is given back';

/**
 * What a client may `CONFIG SET`, to why that is harmless: it changes neither what is replicated
 * nor who may do what, and may differ between nodes. Such a change is one of the leader's server
 * only and lasts until the next failover or restart; the `server:` map is for what shall last.
 * Everything else is refused, among it all that must be equal everywhere (`databases`,
 * `proto-max-bulk-len`, `maxmemory`, `maxmemory-policy`), and `hll-sparse-max-bytes`, since GET
 * shows how a HyperLogLog is kept.
 */
export const CLIENT_SETTINGS: Readonly<Record<string, string>> = {
  'slowlog-log-slower-than': SEEING,
  'slowlog-max-len': SEEING,
  'latency-monitor-threshold': SEEING,
  'latency-tracking': SEEING,
  'latency-tracking-info-percentiles': SEEING,
  'notify-keyspace-events': 'messages of the leader to its own subscribers, which no log carries',
  'maxmemory-samples': 'how well the leader guesses what to evict; evictions are replicated',
  'lfu-log-factor': 'how well the leader guesses what to evict; evictions are replicated',
  'lfu-decay-time': 'how well the leader guesses what to evict; evictions are replicated',
  'hash-max-listpack-entries': ENCODING,
  'hash-max-listpack-value': ENCODING,
  'hash-max-ziplist-entries': ENCODING,
  'hash-max-ziplist-value': ENCODING,
  'list-max-listpack-size': ENCODING,
  'list-max-ziplist-size': ENCODING,
  'set-max-intset-entries': ENCODING,
  'set-max-listpack-entries': ENCODING,
  'set-max-listpack-value': ENCODING,
  'zset-max-listpack-entries': ENCODING,
  'zset-max-listpack-value': ENCODING,
  'zset-max-ziplist-entries': ENCODING,
  'zset-max-ziplist-value': ENCODING,
  activerehashing: 'when a table is rehashed',
  'lazyfree-lazy-eviction': FREEING,
  'lazyfree-lazy-expire': FREEING,
  'lazyfree-lazy-server-del': FREEING,
  'lazyfree-lazy-user-del': FREEING,
  'lazyfree-lazy-user-flush': FREEING,
};

/** Why the setting is ours, or null when people may set it. */
export function ownedBecause(name: string): string | null {
  const lower = name.toLowerCase();
  for (const [pattern, reason] of Object.entries(OWNED_SETTINGS)) {
    const isOwned = pattern.endsWith('*')
      ? lower.startsWith(pattern.slice(0, -1))
      : lower === pattern;
    if (isOwned) return reason;
  }
  return null;
}

export interface SettingProblem {
  readonly name: string;
  readonly reason: string;
}

export type CheckedSettings =
  | { readonly ok: true; readonly lines: readonly string[] }
  | { readonly ok: false; readonly problems: readonly SettingProblem[] };

/** Lines for the server's configuration file, or everything that is wrong. */
export function checkSettings(settings: Readonly<Record<string, SettingValue>>): CheckedSettings {
  const lines: string[] = [];
  const problems: SettingProblem[] = [];
  for (const [name, value] of Object.entries(settings)) {
    const text = render(value);
    const reason = problemOf(name, text);
    if (reason === null) lines.push(`${name} ${text === '' ? '""' : text}`);
    else problems.push({ name, reason });
  }
  return problems.length === 0 ? { ok: true, lines } : { ok: false, problems };
}

function problemOf(name: string, text: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name)) return 'is no name of a setting';
  const owned = ownedBecause(name);
  if (owned !== null) return `is set by the agent: ${owned}`;
  // A control character would begin a new line, and with it another setting.
  if (hasControlCharacter(text)) return 'has a value with a control character';
  return null;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20) return true;
  return false;
}

function render(value: SettingValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}
