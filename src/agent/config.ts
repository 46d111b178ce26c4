/**
 * The configuration of one node: flags > ALTHING_* variables > YAML file > defaults.
 *
 * Invariants: nothing but loopback is bound without a credential (the secret for peers, the
 * password for clients and HTTP); credentials come from files only and appear in no message.
 */
import { type EventualSpec, FORGET_AFTER_MS_DEFAULT } from '../core/control/spec.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import { isLoopback } from '../doors/access.ts';
import type { SettingKey } from '../doors/cli/start-options.ts';
import { addressText } from '../io/discovery/address.ts';
import type { SourceSpec } from '../io/discovery/specification.ts';
import type { ClientUser } from '../io/server/users.ts';
import { farSource, refusedSources, sourcesOf } from './config-discovery.ts';
import {
  eventualOf,
  PRIORITY_DEFAULT,
  refusedConsistency,
  refusedImport,
  refusedShards,
  type ShardedConfig,
  sentinelPortOf,
  shardedOf,
} from './config-eventual.ts';
import type { ConfigIssue } from './config-issue.ts';
import { parseAddress, type SettingValues } from './config-schema.ts';
import { readPassword, readSecret, readUsers, type SecretResult } from './config-secret.ts';
import { type ConfigInput, type Gathered, gatherSettings, type Place } from './config-sources.ts';
import type { JournalLevel } from './journal.ts';

export interface NodeConfig {
  readonly name: string;
  readonly node: string;
  /** Of a deployment that this node founds, and must find; null: it is strong. */
  readonly eventual: EventualSpec | null;
  /** In one of many shards; null: in any other. */
  readonly sharded: ShardedConfig | null;
  /** In an eventual one: how gladly it is made the primary, 0 for never. */
  readonly priority: number;
  /** In an eventual one: where clients always land on the primary; null: nowhere. */
  readonly primaryPort: number | null;
  /** In an eventual one: where its first data are, absolute; null: this node brings none in. */
  readonly importData: string | null;
  /** Absolute. */
  readonly dir: string;
  /** Addresses to listen on, without brackets. */
  readonly bind: { readonly client: string; readonly peers: string; readonly http: string };
  readonly ports: { readonly client: number; readonly peers: number; readonly http: number };
  /** Where the server itself listens, for reads, while it follows; null: nowhere. */
  readonly localPort: number | null;
  /** For clients that know Sentinel; null: there is none. */
  readonly sentinelPort: number | null;
  /** What they may call the primary, beside the deployment's name; null: nothing else. */
  readonly sentinelAlias: string | null;
  /** The host that others and clients use, IPv6 in brackets; null when none was given. */
  readonly announce: string | null;
  /** `host:port` of every node, this one perhaps included, IPv6 in brackets. */
  readonly peers: readonly string[];
  /** Where nodes are looked for beside `peers`, for ever. */
  readonly discover: readonly SourceSpec[];
  /** The fewest nodes that found a deployment; null: not said. */
  readonly expect: number | null;
  readonly secret: Buffer | null;
  readonly password: string | null;
  /** Of clients that give a name beside a password; the same on all nodes. */
  readonly users: readonly ClientUser[];
  readonly serverPath: string | null;
  /** Settings passed to the server. */
  readonly server: Readonly<Record<string, string>>;
  /** It joins a deployment that is there, and founds none. */
  readonly joinsOnly: boolean;
  /** It leaves the deployment when it is stopped. */
  readonly ephemeral: boolean;
  /** It votes and keeps the log, and has no server. */
  readonly witness: boolean;
  /** Empty: not said. */
  readonly zone: string;
  /** Of a deployment that this node founds; null: never. */
  readonly forgetAfterMs: number | null;
  /** Of a deployment that this node founds: who answers reads that come in on a follower. */
  readonly reads: ReadsMode;
  readonly logLimitBytes: number;
  /** Reads are confirmed by a lease on the monotonic clock; the same on all nodes. */
  readonly leaseReads: boolean;
  /** Threads that serve clients; 0: the main one does, which also has Raft and the log. */
  readonly relayThreads: number;
  /** The least of what the journal says. */
  readonly logLevel: JournalLevel;
  /** Where each value came from; a default has no entry. */
  readonly provenance: ReadonlyMap<SettingKey, string>;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: NodeConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

const NAME_DEFAULT = 'althing';
const PORTS_DEFAULT = { client: 6379, peers: 7379, http: 8379 };
/** What Sentinel's own documents call it, and many clients by default. */
const SENTINEL_ALIAS_DEFAULT = 'mymaster';
const LOG_LIMIT_BYTES_DEFAULT = 64 * 1024 * 1024;
const NODE_NAME_LENGTH_MAX = 63;
/** For what no single place is to blame. */
const BY_RULE: Place = { path: 'settings', source: 'rule' };

export function loadConfig(input: ConfigInput): ConfigResult {
  const gathered = gatherSettings(input);
  const { values } = gathered;
  const credentials = readCredentials(gathered);
  const { secret, password } = credentials;
  const ports = {
    client: values.port ?? PORTS_DEFAULT.client,
    peers: values['peer-port'] ?? PORTS_DEFAULT.peers,
    http: values['http-port'] ?? PORTS_DEFAULT.http,
  };
  const discover = sourcesOf(values, ports.peers);
  const bind = bindAddresses(values, discover, { secret, password });
  const issues = [
    ...gathered.issues,
    ...credentials.issues,
    ...missing(gathered),
    ...refusedPorts(ports, values),
    ...refusedSources(gathered, discover, input.environment),
    ...refusedExposure(gathered, discover, credentials),
    ...refusedThreads(gathered, input),
    ...refusedWitness(gathered),
    ...refusedUsers(gathered),
    ...refusedConsistency(gathered, discover, bind.client),
    ...refusedImport(gathered),
    ...refusedShards(gathered),
  ];
  if (issues.length > 0) return { ok: false, issues };
  const config = configOf(input, gathered, { bind, ports, discover, credentials });
  return { ok: true, config, warnings: [...credentials.warnings, ...doubts(config)] };
}

interface Derived extends Pick<NodeConfig, 'bind' | 'ports' | 'discover'> {
  readonly credentials: Credentials;
}

/** What nobody gave is by default what it says here. */
function configOf(input: ConfigInput, { values, places, server }: Gathered, derived: Derived) {
  const { bind, ports, discover, credentials } = derived;
  const { secret, password, users } = credentials;
  const config: NodeConfig = {
    name: values.name ?? NAME_DEFAULT,
    eventual: eventualOf(values),
    sharded: shardedOf(values, ports.client),
    priority: values.priority ?? PRIORITY_DEFAULT,
    primaryPort: values['primary-port'] ?? null,
    importData: values['import-data'] ?? null,
    node: values.node ?? defaultNodeName(input.hostname, ports.peers),
    dir: values.dir ?? '',
    bind,
    ports,
    localPort: values['local-port'] ?? null,
    sentinelPort: sentinelPortOf(values),
    sentinelAlias: given(values['sentinel-alias'], SENTINEL_ALIAS_DEFAULT),
    announce: values.announce ?? null,
    peers: values.peers ?? [],
    discover,
    expect: values.expect ?? null,
    secret,
    password,
    users,
    serverPath: values['server-path'] ?? null,
    server,
    joinsOnly: values.join ?? false,
    ephemeral: values.ephemeral ?? false,
    witness: values.witness ?? false,
    zone: values.zone ?? '',
    forgetAfterMs: given(values['forget-after'], FORGET_AFTER_MS_DEFAULT),
    reads: values.reads ?? 'leader',
    logLimitBytes: values['log-limit'] ?? LOG_LIMIT_BYTES_DEFAULT,
    leaseReads: values['lease-reads'] ?? false,
    relayThreads: relayThreadsOf(values, input),
    logLevel: values['log-level'] ?? 'info',
    provenance: new Map([...places].map(([key, { path, source }]) => [key, `${path} (${source})`])),
  };
  return config;
}

/** Null is a value: it was switched off. */
function given<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

/**
 * One core is the server's, one is Raft's and the log's. A server executes in one thread: by what
 * a command costs here and there (docs/PERFORMANCE.md) four threads are about as much as it serves.
 */
const OTHER_CORES = 2;
const THREADS_AUTO_MAX = 4;

/** Clients of an eventual deployment connect to the servers. */
function relayThreadsOf(
  { 'relay-threads': given, consistency }: SettingValues,
  { cores, canSharePorts }: ConfigInput,
): number {
  if (consistency === 'eventual') return 0;
  if (given !== undefined && given !== 'auto') return given;
  if (!canSharePorts) return 0;
  return Math.min(THREADS_AUTO_MAX, Math.max(0, cores - OTHER_CORES));
}

function refusedThreads({ values, places }: Gathered, { canSharePorts }: ConfigInput) {
  const threads = values['relay-threads'] ?? 'auto';
  if (canSharePorts || threads === 'auto' || threads === 0) return [];
  return [
    {
      ...(places.get('relay-threads') ?? BY_RULE),
      text: 'threads share the client port, which needs Linux and Node 23.1 or newer',
      todo: 'give 0 or auto, or use a newer Node',
    },
  ];
}

interface Credentials {
  readonly secret: Buffer | null;
  readonly password: string | null;
  readonly users: readonly ClientUser[];
  readonly isSecretGiven: boolean;
  readonly isPasswordGiven: boolean;
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly string[];
}

function readCredentials({ values, places }: Gathered): Credentials {
  const issues: ConfigIssue[] = [];
  const warnings: string[] = [];
  function take<T>(
    key: 'secret-file' | 'password-file' | 'users-file',
    read: (path: string) => SecretResult<T>,
  ) {
    const path = values[key];
    if (path === undefined) return null;
    const result = read(path);
    if (!result.ok) {
      const { text, todo } = result;
      issues.push({ ...(places.get(key) ?? BY_RULE), text, todo });
      return null;
    }
    if (result.warning !== null) warnings.push(result.warning);
    return result.value;
  }
  return {
    secret: take('secret-file', readSecret),
    password: take('password-file', readPassword),
    users: take('users-file', readUsers) ?? [],
    isSecretGiven: places.has('secret-file'),
    isPasswordGiven: places.has('password-file'),
    issues,
    warnings,
  };
}

function bindAddresses(
  values: SettingValues,
  discover: readonly SourceSpec[],
  { secret, password }: Pick<Credentials, 'secret' | 'password'>,
): NodeConfig['bind'] {
  const hosts = (values.peers ?? []).map((peer) => parseAddress(peer)?.host ?? '');
  const isOpen = discover.some(({ kind }) => kind !== 'static');
  for (const spec of discover)
    if (spec.kind === 'static') hosts.push(...spec.addresses.map(addressText));
  const isIPv6 = !isOpen && hosts.length > 0 && hosts.every((host) => host.startsWith('['));
  const [loopback, all] = isIPv6 ? ['::1', '::'] : ['127.0.0.1', '0.0.0.0'];
  const given = values.bind?.replace(/^\[|\]$/g, '');
  const forClients = given ?? (password === null ? loopback : all);
  return {
    client: forClients,
    peers: given ?? (secret === null ? loopback : all),
    http: forClients,
  };
}

function missing({ values, issues }: Gathered): ConfigIssue[] {
  const found: ConfigIssue[] = [];
  const isRefused = (...paths: string[]) => issues.some(({ path }) => paths.includes(path));
  if (values.dir === undefined && !isRefused('--dir', 'ALTHING_DIR', 'dir'))
    found.push({
      path: '--dir',
      source: 'rule',
      text: 'is missing',
      todo: 'give the directory that holds the data of this node',
    });
  if (new Set(values.peers).size < (values.peers?.length ?? 0))
    found.push({
      path: '--peers',
      source: 'rule',
      text: 'names an address twice',
      todo: 'name every node once',
    });
  return found;
}

function refusedWitness({ values, places }: Gathered): ConfigIssue[] {
  const isAlone = values.peers === undefined && values.discover === undefined;
  if (values.witness !== true || !isAlone) return [];
  return [
    {
      ...(places.get('witness') ?? BY_RULE),
      text: 'a witness keeps what others serve, and this one is told of no others',
      todo: 'give --peers or --discover',
    },
  ];
}

/** Who gives no name has all rights: then it takes a password to be that. */
function refusedUsers({ values, places }: Gathered): ConfigIssue[] {
  if (values['users-file'] === undefined || values['password-file'] !== undefined) return [];
  return [
    {
      ...(places.get('users-file') ?? BY_RULE),
      text: 'whoever gives no password has all rights, whatever the users in it have',
      todo: 'give --password-file as well',
    },
  ];
}

function refusedPorts(ports: NodeConfig['ports'], values: SettingValues): ConfigIssue[] {
  const named: [flag: string, port: number | null | undefined][] = [
    ['--port', ports.client],
    ['--peer-port', ports.peers],
    ['--http-port', ports.http],
    ['--sentinel-port', sentinelPortOf(values)],
    ['--bus-port', shardedOf(values, ports.client)?.busPort],
    ['--local-port', values['local-port']],
    ['--primary-port', values['primary-port']],
  ];
  const used = named.flatMap(([flag, port]) => (port == null ? [] : [{ flag, port }]));
  if (new Set(used.map(({ port }) => port)).size === used.length) return [];
  return [
    {
      path: used.map(({ flag }) => flag).join(', '),
      source: 'rule',
      text: `${used.map(({ port }) => port).join(', ')} are not ${used.length} different ports`,
      todo: 'give each its own',
    },
  ];
}

/** What would be open to the network with nothing that protects it. */
function refusedExposure(
  { values, places }: Gathered,
  discover: readonly SourceSpec[],
  { isSecretGiven, isPasswordGiven }: Credentials,
): ConfigIssue[] {
  const found: ConfigIssue[] = [];
  const far = (values.peers ?? []).filter((peer) => !isLoopback(parseAddress(peer)?.host ?? ''));
  if (far.length > 0 && !isSecretGiven)
    found.push({
      ...(places.get('peers') ?? BY_RULE),
      text: `${far[0]} is not on loopback, and without a secret peers listen on loopback only`,
      todo: 'give every node the same --secret-file (openssl rand -hex 32)',
    });
  const source = farSource(discover);
  if (source !== null && !isSecretGiven)
    found.push({
      ...(places.get('discover') ?? BY_RULE),
      text: `${source} may be elsewhere, and without a secret peers listen on loopback only`,
      todo: 'give every node the same --secret-file (openssl rand -hex 32)',
    });
  const bind = values.bind;
  if (bind === undefined || isLoopback(bind)) return found;
  const place = places.get('bind') ?? BY_RULE;
  if (!isPasswordGiven)
    found.push({
      ...place,
      text: `${bind} would let anyone who reaches it read and write: there is no client password`,
      todo: 'give --password-file, or bind to 127.0.0.1',
    });
  if (!isSecretGiven)
    found.push({
      ...place,
      text: `${bind} would let anyone who reaches it join the deployment: there is no secret`,
      todo: 'give --secret-file, or bind to 127.0.0.1',
    });
  return found;
}

/** What is allowed, and probably not meant. */
function doubts(config: NodeConfig): string[] {
  const { bind, peers, discover, secret, password, witness, server } = config;
  const found: string[] = [];
  const isFar = peers.some((peer) => !isLoopback(parseAddress(peer)?.host ?? ''));
  if ((isFar || farSource(discover) !== null) && isLoopback(bind.peers))
    found.push(`peers are on other machines, but this node listens on ${bind.peers} only`);
  if (secret === null) found.push(`no secret: other nodes can connect from this machine only`);
  if (password === null) found.push('no password: clients can connect from this machine only');
  if (witness && Object.keys(server).length > 0)
    found.push('a witness has no server: what `server:` says is for the other nodes');
  return found;
}

function defaultNodeName(hostname: string, peerPort: number): string {
  const suffix = `-${peerPort}`;
  const usable = hostname.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return (usable || 'node').slice(0, NODE_NAME_LENGTH_MAX - suffix.length) + suffix;
}
