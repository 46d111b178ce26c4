/**
 * INFO of the server as samples, named as oliver006/redis_exporter names them, so that its
 * dashboards and alerts work unchanged. What INFO does not hold gets no sample.
 */
import type { Sample } from '../view.ts';

type Naming = readonly [field: string, name: string];

const GAUGES: readonly Naming[] = [
  ['uptime_in_seconds', 'uptime_in_seconds'],
  ['connected_clients', 'connected_clients'],
  ['blocked_clients', 'blocked_clients'],
  ['tracking_clients', 'tracking_clients'],
  ['maxclients', 'max_clients'],
  ['used_memory', 'memory_used_bytes'],
  ['used_memory_rss', 'memory_used_rss_bytes'],
  ['used_memory_peak', 'memory_used_peak_bytes'],
  ['used_memory_overhead', 'memory_used_overhead_bytes'],
  ['used_memory_dataset', 'memory_used_dataset_bytes'],
  ['used_memory_lua', 'memory_used_lua_bytes'],
  ['maxmemory', 'memory_max_bytes'],
  ['mem_fragmentation_ratio', 'mem_fragmentation_ratio'],
  ['loading', 'loading_dump_file'],
  ['instantaneous_ops_per_sec', 'instantaneous_ops_per_sec'],
  ['latest_fork_usec', 'latest_fork_usec'],
  ['connected_slaves', 'connected_slaves'],
  ['repl_backlog_size', 'replication_backlog_bytes'],
  ['master_repl_offset', 'master_repl_offset'],
  ['slave_repl_offset', 'slave_repl_offset'],
  ['master_last_io_seconds_ago', 'master_last_io_seconds_ago'],
  ['sync_full', 'replica_resyncs_full'],
  ['sync_partial_ok', 'replica_partial_resync_accepted'],
  ['sync_partial_err', 'replica_partial_resync_denied'],
];

const COUNTERS: readonly Naming[] = [
  ['total_connections_received', 'connections_received_total'],
  ['rejected_connections', 'rejected_connections_total'],
  ['total_commands_processed', 'commands_processed_total'],
  ['total_net_input_bytes', 'net_input_bytes_total'],
  ['total_net_output_bytes', 'net_output_bytes_total'],
  ['keyspace_hits', 'keyspace_hits_total'],
  ['keyspace_misses', 'keyspace_misses_total'],
  ['expired_keys', 'expired_keys_total'],
  ['evicted_keys', 'evicted_keys_total'],
  ['used_cpu_sys', 'cpu_sys_seconds_total'],
  ['used_cpu_user', 'cpu_user_seconds_total'],
];

/** Commands that have a metric of their own; a server knows fewer than 500, modules add some. */
const COMMANDS_MAX = 1000;

export function serverSamples(info: string | null): readonly Sample[] {
  const up = sample('gauge', 'up', info === null ? 0 : 1);
  if (info === null) return [up];
  const fields = fieldsOf(info);
  return [
    up,
    ...named('gauge', GAUGES, fields),
    ...named('counter', COUNTERS, fields),
    ...linkSamples(fields),
    ...keyspaceSamples(fields),
    ...commandSamples(fields),
    sample('gauge', 'instance_info', 1, {
      redis_version: fields.get('valkey_version') ?? fields.get('redis_version') ?? '',
      redis_mode: fields.get('redis_mode') ?? '',
      role: fields.get('role') ?? '',
      os: fields.get('os') ?? '',
    }),
  ];
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

function named(
  type: Sample['type'],
  namings: readonly Naming[],
  fields: ReadonlyMap<string, string>,
): Sample[] {
  return namings.flatMap(([field, name]) => numeric(type, name, fields.get(field)));
}

function linkSamples(fields: ReadonlyMap<string, string>): Sample[] {
  const link = fields.get('master_link_status');
  return link === undefined ? [] : [sample('gauge', 'master_link_up', Number(link === 'up'))];
}

/** `db0:keys=2,expires=1,avg_ttl=0` */
function keyspaceSamples(fields: ReadonlyMap<string, string>): Sample[] {
  return [...fields].flatMap(([db, text]) => {
    if (!/^db\d+$/.test(db)) return [];
    const facts = factsOf(text);
    return [
      ...numeric('gauge', 'db_keys', facts.get('keys'), { db }),
      ...numeric('gauge', 'db_keys_expiring', facts.get('expires'), { db }),
    ];
  });
}

/** `cmdstat_get:calls=3,usec=12,…`, which only `INFO everything` and `INFO commandstats` hold. */
function commandSamples(fields: ReadonlyMap<string, string>): Sample[] {
  const commands = [...fields].filter(([field]) => field.startsWith('cmdstat_'));
  return commands.slice(0, COMMANDS_MAX).flatMap(([field, text]) => {
    const cmd = field.slice('cmdstat_'.length);
    const facts = factsOf(text);
    const seconds = Number(facts.get('usec')) / 1e6;
    return [
      ...numeric('counter', 'commands_total', facts.get('calls'), { cmd }),
      ...numeric('counter', 'commands_duration_seconds_total', String(seconds), { cmd }),
    ];
  });
}

function factsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(',').map((fact) => {
      const [key = '', value = ''] = fact.split('=');
      return [key, value];
    }),
  );
}

/** One sample, or none when the server said nothing that is a number. */
function numeric(
  type: Sample['type'],
  name: string,
  text: string | undefined,
  labels?: Sample['labels'],
): Sample[] {
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isFinite(value) || value < 0) return [];
  return [sample(type, name, value, labels)];
}

function sample(
  type: Sample['type'],
  name: string,
  value: number,
  labels: Sample['labels'] = {},
): Sample {
  return { type, name: `redis_${name}`, help: `${name} of the server's INFO.`, value, labels };
}
