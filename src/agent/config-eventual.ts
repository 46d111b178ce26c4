/** What belongs to one consistency only, and what an eventual deployment needs beside. */
import { BUS_PORT_ABOVE } from '../core/cluster/nodes-text.ts';
import type { EventualSpec } from '../core/control/spec.ts';
import { isLoopback } from '../doors/access.ts';
import type { SettingKey } from '../doors/cli/start-options.ts';
import type { SourceSpec } from '../io/discovery/specification.ts';
import { farSource } from './config-discovery.ts';
import type { ConfigIssue } from './config-issue.ts';
import { parseAddress, type SettingValues } from './config-schema.ts';
import type { Gathered } from './config-sources.ts';

/** As servers have it; candidates that are equal otherwise are chosen by it. */
export const PRIORITY_DEFAULT = 100;

const OF_STRONG: readonly SettingKey[] = [
  'reads',
  'lease-reads',
  'local-port',
  'log-limit',
  'relay-threads',
];
const OF_EVENTUAL: readonly SettingKey[] = [
  'max-lost-bytes',
  'min-replicas-to-write',
  'priority',
  'primary-port',
  'import-data',
  'shards',
  'replicas',
  'bus-port',
];
/** Each is about the one primary that there is elsewhere. */
const OF_ONE_SHARD: readonly SettingKey[] = [
  'max-lost-bytes',
  'primary-port',
  'import-data',
  'sentinel-port',
  'sentinel-alias',
];
const OF_MANY_SHARDS: readonly SettingKey[] = ['replicas', 'bus-port'];
const SENTINEL_PORT_DEFAULT = 26_379;
const PORT_MAX = 65_535;

/** What a node of a cluster has beside. */
export interface ShardedConfig {
  /** Of a deployment that this node founds: of every shard, beside its primary. */
  readonly replicas: number;
  /** Where servers of the cluster talk to each other. */
  readonly busPort: number;
}

/** Null: its server is no node of a cluster. */
export function shardedOf(values: SettingValues, clientPort: number): ShardedConfig | null {
  if (values.consistency !== 'eventual' || (values.shards ?? 1) === 1) return null;
  const usual = clientPort + BUS_PORT_ABOVE;
  // Of the servers' own choice is only the first; the others are told of either.
  const chosen = usual <= PORT_MAX ? usual : clientPort - BUS_PORT_ABOVE;
  return { replicas: values.replicas ?? 1, busPort: values['bus-port'] ?? chosen };
}

/** Null: there is no such door. Clients of a cluster ask any of its servers. */
export function sentinelPortOf(values: SettingValues): number | null {
  const given = values['sentinel-port'];
  if (given !== undefined) return given;
  return shardedOf(values, 0) === null ? SENTINEL_PORT_DEFAULT : null;
}

/** What has a meaning with one shard only, or with more. */
export function refusedShards({ values, places }: Gathered): ConfigIssue[] {
  if (values.consistency !== 'eventual') return [];
  const isSharded = shardedOf(values, 0) !== null;
  const foreign = isSharded ? OF_ONE_SHARD : OF_MANY_SHARDS;
  return foreign.flatMap((key) => {
    const place = places.get(key);
    // To have no door for clients of Sentinel is what is meant anyway.
    if (place === undefined || values[key] === null) return [];
    const text = isSharded
      ? 'has no meaning here: there is one primary for each shard'
      : 'has no meaning here: it is for deployments with --shards 2 or more';
    return [{ ...place, text, todo: 'remove it' }];
  });
}

/** Null: the deployment is strong. */
export function eventualOf(values: SettingValues): EventualSpec | null {
  if (values.consistency !== 'eventual') return null;
  const { shards = 1 } = values;
  return {
    maxLostBytes: values['max-lost-bytes'] ?? null,
    minReplicasToWrite: values['min-replicas-to-write'] ?? 0,
    ...(shards === 1 ? {} : { shards }),
  };
}

/** Who brings the first data in begins the deployment, as its first primary. */
export function refusedImport({ values, places }: Gathered): ConfigIssue[] {
  const place = places.get('import-data');
  if (place === undefined) return [];
  const { witness, join, priority } = values;
  const against = [
    ...(witness === true ? ['--witness: it has no server'] : []),
    ...(join === true ? ['--join: who joins takes the data that are there'] : []),
    ...(priority === 0 ? ['--priority 0: it would not become the first primary'] : []),
  ];
  return against.map((why) => ({
    ...place,
    text: `does not go with ${why}`,
    todo: 'remove one of the two',
  }));
}

/** `clientHost`: where the server would listen. */
export function refusedConsistency(
  { values, places }: Gathered,
  discover: readonly SourceSpec[],
  clientHost: string,
): ConfigIssue[] {
  const isEventual = values.consistency === 'eventual';
  const [foreign, consistency] = isEventual ? [OF_STRONG, 'strong'] : [OF_EVENTUAL, 'eventual'];
  const found = foreign.flatMap((key) => {
    const place = places.get(key);
    if (place === undefined) return [];
    const text = `has no meaning here: it is for deployments with --consistency ${consistency}`;
    return [{ ...place, text, todo: 'remove it' }];
  });
  if (!isEventual || !isLoopback(clientHost)) return found;
  const far = (values.peers ?? []).find((peer) => !isLoopback(parseAddress(peer)?.host ?? ''));
  const elsewhere = far ?? farSource(discover);
  if (elsewhere === null) return found;
  return [
    ...found,
    {
      path: '--consistency',
      source: 'rule',
      text:
        `servers of an eventual deployment follow one another at their port for clients, ` +
        `${elsewhere} may be elsewhere, and this node's listens on ${clientHost} only`,
      todo: 'give --password-file, and --bind if it is given',
    },
  ];
}
