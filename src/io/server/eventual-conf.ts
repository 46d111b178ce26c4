/**
 * The configuration file of an eventual deployment's server: clients connect to it themselves, it
 * keeps its data in an append-only file, and it starts harmless (`docs/decisions/0012`): a replica
 * of nobody, and shut should it be a primary.
 */
import { isIP } from 'node:net';
import { arrangingRules } from './acl.ts';
import { AGENT_USER, type ConfLimits, clientUser, quote, socketPathOf } from './conf.ts';
import { extraDirectives, type Flavor } from './flavor.ts';
import { type ClientUser, sha256, userRules } from './users.ts';

/** As `min-replicas-to-write`: more than can be, so that no client's write is taken. */
export const SHUT = '2147483647';
/** Whom a replica of nobody follows: nothing can listen at port 0. */
export const NOWHERE = { host: '127.0.0.1', port: 0 } as const;
/** Servers of one deployment are let in as this one by each other. */
export const REPLICA_USER = 'althing-replica';
/** And agents as this one, where the servers are a cluster. */
export const ARRANGING_USER = 'althing-arranging';
/** Beside its data, and kept as long as they are: who it is in its cluster, and whom it knows. */
export const CLUSTER_CONF_NAME = 'nodes.conf';
/** Servers call one silent after so long. Nobody takes over by that: it is for their own state. */
const NODE_TIMEOUT_MS = 5_000;

/** What makes it a node of a cluster (`docs/decisions/0015`). */
export interface ClusterConf {
  /** Where servers of the cluster talk to each other. */
  readonly busPort: number;
  /** Of `ARRANGING_USER`. */
  readonly arrangingPassword: string;
}

export interface EventualConf {
  readonly flavor: Flavor;
  /** Private to this server, emptied before every start. */
  readonly runDir: string;
  /** Where its data are, from one start to the next. */
  readonly dataDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Where clients and other servers find it. */
  readonly announced: { readonly host: string; readonly port: number };
  /** Of `AGENT_USER`; random, for this life of the server. */
  readonly agentPassword: string;
  /** What clients give to AUTH; null for none. Only its hash is written. */
  readonly clientPassword: string | null;
  readonly users: readonly ClientUser[];
  /** With which the servers of this deployment follow one another. */
  readonly replicaPassword: string;
  /** From `checkSettings`. */
  readonly settingLines: readonly string[];
  readonly limits: ConfLimits;
  /** Null: it is no node of a cluster. */
  readonly cluster: ClusterConf | null;
}

/** The file's text. It holds a password: write it with mode 0600. */
export function renderEventualConf(options: EventualConf): string {
  const { limits, listen, announced, cluster } = options;
  const as = cluster === null ? 'eventual' : 'cluster';
  const lines = [
    ...options.settingLines,
    `port ${listen.port}`,
    `bind ${quote(listen.host)}`,
    `unixsocket ${quote(socketPathOf(options.runDir))}`,
    'unixsocketperm 700',
    'protected-mode no',
    'daemonize no',
    'supervised no',
    'logfile ""',
    // What it says when it drops its data is looked for (`agent/eventual-seen.ts`).
    'loglevel notice',
    `dir ${quote(options.dataDir)}`,
    'timeout 0',
    `maxclients ${limits.clientsMax}`,
    `maxmemory-clients ${limits.clientsBytesMax}`,
    // A write is in the file before it is answered, unless the disk is slow: then after up to two
    // seconds. A machine that fails loses about a second.
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'shutdown-timeout 0',
    'crash-memcheck-enabled no',
    // Below what an open server may be silent for (`agent/eventual/server-life.ts`).
    'busy-reply-threshold 500',
    `min-replicas-to-write ${SHUT}`,
    ...(cluster === null
      ? [`replicaof ${NOWHERE.host} ${NOWHERE.port}`]
      : clusterLines(cluster, announced)),
    `masteruser ${REPLICA_USER}`,
    `masterauth ${quote(options.replicaPassword)}`,
    `replica-announce-ip ${quote(announced.host)}`,
    `replica-announce-port ${announced.port}`,
    'replica-read-only yes',
    'replica-serve-stale-data yes',
    // Millions of keys are freed for seconds, and nothing is answered meanwhile.
    'replica-lazy-flush yes',
    // Until it has all of somebody else's data it keeps its own.
    'repl-diskless-load disabled',
    'repl-diskless-sync yes',
    // Replicas that come back at one time share one transfer.
    'repl-diskless-sync-delay 1',
    `repl-backlog-size ${limits.backlogBytes}`,
    'repl-backlog-ttl 0',
    `client-output-buffer-limit replica ${limits.replicaBufferBytesMax} 0 0`,
    ...limits.clientBuffers.map((bound) => `client-output-buffer-limit ${bound}`),
    'enable-debug-command no',
    'enable-module-command no',
    'enable-protected-configs no',
    ...extraDirectives(options.flavor),
    `user default ${clientUser(options.clientPassword, as)}`,
    ...options.users.map((user) => `user ${user.name} ${userRules(user, 'eventual').join(' ')}`),
    `user ${AGENT_USER} reset on #${sha256(options.agentPassword)} ~* &* +@all`,
    `user ${REPLICA_USER} reset on #${sha256(options.replicaPassword)} +psync +replconf +ping`,
  ];
  return `${lines.join('\n')}\n`;
}

/** It begins as a primary without slots, or as what it was: without a lease it takes no writes. */
function clusterLines(cluster: ClusterConf, { host, port }: EventualConf['announced']): string[] {
  const { busPort, arrangingPassword } = cluster;
  return [
    'cluster-enabled yes',
    `cluster-config-file ${CLUSTER_CONF_NAME}`,
    `cluster-port ${busPort}`,
    `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
    // The control group decides who takes over, and who follows whom.
    'cluster-replica-no-failover yes',
    'cluster-allow-replica-migration no',
    // A shard that is lost does not take the others with it.
    'cluster-require-full-coverage no',
    ...(isIP(host) === 0
      ? [`cluster-announce-hostname ${quote(host)}`, 'cluster-preferred-endpoint-type hostname']
      : [`cluster-announce-ip ${quote(host)}`]),
    `cluster-announce-port ${port}`,
    `cluster-announce-bus-port ${busPort}`,
    `user ${ARRANGING_USER} reset on #${sha256(arrangingPassword)} ${arrangingRules()}`,
  ];
}
