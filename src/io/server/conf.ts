/**
 * The server's configuration file. The reasons are in `facts/engine.md` §6.9 and `facts/holes.md`
 * H2, H3: it persists nothing, starts as a replica of the agent's feed, and shows nothing while it
 * is not connected. `min-replicas-*` are left to runtime: they belong to a reign.
 */
import { join } from 'node:path';
import { clientRules, clusterRules, eventualRules, followerRules } from './acl.ts';
import { ServerError } from './errors.ts';
import { extraDirectives, type Flavor } from './flavor.ts';
import { type ClientUser, sha256, userRules } from './users.ts';

/** The agent's own user on its server. */
export const AGENT_USER = 'althing';
export const SOCKET_NAME = 'server.sock';
export const CONF_NAME = 'server.conf';

/** `sun_path` of a unix socket address has 108 bytes on Linux, 104 elsewhere, with a final NUL. */
const SOCKET_PATH_BYTES_MAX = 103;

export interface Feed {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface ConfOptions {
  readonly flavor: Flavor;
  /** Private to this server, emptied before every start. */
  readonly runDir: string;
  /** Of `AGENT_USER`; random, for this life of the server. */
  readonly agentPassword: string;
  /** What clients give to AUTH; null for none. Only its hash is written. */
  readonly clientPassword: string | null;
  /** Who has a name of their own, and fewer rights. */
  readonly users: readonly ClientUser[];
  /** Where the server replicates from at its start; null for a bare primary. */
  readonly feed: Feed | null;
  /** Where it may listen itself while it follows; null: nowhere. It is opened later. */
  readonly localHost: string | null;
  /** From `checkSettings`. */
  readonly settingLines: readonly string[];
  readonly limits: ConfLimits;
}

export interface ConfLimits {
  /** How far the capture may fall behind and still continue after a break. */
  readonly backlogBytes: number;
  /** Above it the server cuts a replica that does not read, which ends a reign. */
  readonly replicaBufferBytesMax: number;
  /**
   * Replies that wait in the server for a client that does not read, by class: hard bound, soft
   * bound, and the seconds above the soft one. The relay stops reading such a session's
   * connection, so that no more than its own bound waits in the agent; beyond that the server's
   * memory is what grows, and at these bounds the server closes the connection, and the relay the
   * client's. The server's default for `normal` is none at all.
   */
  readonly clientBuffers: readonly string[];
  /** Largest single argument. */
  readonly bulkBytesMax: number;
  readonly clientsMax: number;
  /**
   * Buffers of all clients together: a reply that nobody reads waits in the server. Above it the
   * server closes the client that uses most; the agent's own connections are exempt.
   */
  readonly clientsBytesMax: number;
}

export const CONF_LIMITS: ConfLimits = {
  backlogBytes: 256 * 1024 * 1024,
  replicaBufferBytesMax: 512 * 1024 * 1024,
  clientBuffers: [
    // The hard bound is above any one reply that makes sense (eight values of the largest size);
    // the soft one lets a slow reader of a big answer have a minute for it.
    'normal 1gb 256mb 60',
    // As `normal`, but a subscriber is sent without asking: the server's own default is 32 MB.
    'pubsub 256mb 64mb 60',
  ],
  bulkBytesMax: 128 * 1024 * 1024,
  clientsMax: 10_000,
  clientsBytesMax: 1024 * 1024 * 1024,
};

export function socketPathOf(runDir: string): string {
  const path = join(runDir, SOCKET_NAME);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new ServerError(
      'SERVER_FAILED',
      `${path} has over ${SOCKET_PATH_BYTES_MAX} bytes, too long for a unix socket: shorten --dir`,
    );
  }
  return path;
}

/** The file's text. It holds the feed's password: write it with mode 0600. */
export function renderConf(options: ConfOptions): string {
  const { limits, feed } = options;
  const as = feed === null ? 'leader' : 'follower';
  const lines = [
    ...options.settingLines,
    'port 0',
    `unixsocket ${quote(socketPathOf(options.runDir))}`,
    'unixsocketperm 700',
    ...(options.localHost === null ? [] : [`bind ${quote(options.localHost)}`]),
    'protected-mode no',
    'daemonize no',
    'supervised no',
    'logfile ""',
    `dir ${quote(options.runDir)}`,
    'timeout 0',
    `maxclients ${limits.clientsMax}`,
    `maxmemory-clients ${limits.clientsBytesMax}`,
    `proto-max-bulk-len ${limits.bulkBytesMax}`,
    // It keeps nothing: a full sync's file is deleted too, or a restart would load it (H3).
    'save ""',
    'appendonly no',
    'rdb-del-sync-files yes',
    'shutdown-timeout 0',
    // A server that dies must be gone at once: the check would read all of its memory first.
    'crash-memcheck-enabled no',
    // As a primary, towards the capture.
    'repl-diskless-sync yes',
    'repl-diskless-sync-delay 0',
    `repl-backlog-size ${limits.backlogBytes}`,
    'repl-backlog-ttl 0',
    `client-output-buffer-limit replica ${limits.replicaBufferBytesMax} 0 0`,
    ...limits.clientBuffers.map((bound) => `client-output-buffer-limit ${bound}`),
    'repl-ping-replica-period 10',
    // As a replica of the feed.
    'repl-timeout 300',
    'repl-diskless-load disabled',
    'replica-serve-stale-data no',
    'replica-read-only yes',
    'propagation-error-behavior panic-on-replicas',
    'enable-debug-command no',
    'enable-module-command no',
    'enable-protected-configs no',
    ...extraDirectives(options.flavor),
    `user default ${clientUser(options.clientPassword, as)}`,
    ...options.users.map((user) => `user ${user.name} ${userRules(user, as).join(' ')}`),
    `user ${AGENT_USER} reset on #${sha256(options.agentPassword)} ~* &* +@all`,
    ...(feed === null ? [] : feedLines(feed)),
  ];
  return `${lines.join('\n')}\n`;
}

function feedLines(feed: Feed): string[] {
  return [
    `masteruser ${quote(feed.user)}`,
    `masterauth ${quote(feed.password)}`,
    `replicaof 127.0.0.1 ${feed.port}`,
  ];
}

const RULES = {
  leader: clientRules,
  follower: followerRules,
  eventual: eventualRules,
  cluster: clusterRules,
} as const;

/** ACL rules of the clients' user on a server that leads, follows, or has its clients itself. */
export function clientUser(password: string | null, as: keyof typeof RULES): string {
  return `reset on ${clientCredential(password)} ${RULES[as]()}`;
}

function clientCredential(password: string | null): string {
  return password === null ? 'nopass' : `#${sha256(password)}`;
}

/** As the server's own quoting: bytes that would end the word or the line are escaped. */
export function quote(text: string): string {
  let quoted = '';
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    quoted += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${quoted}"`;
}
