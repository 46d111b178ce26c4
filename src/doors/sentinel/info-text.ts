/** INFO of the door: the sections that a Sentinel has. */
import { type Scene, serverId } from './fields.ts';

export interface DoorStats {
  readonly clients: number;
  readonly connectionsTotal: number;
  readonly rejectedTotal: number;
  readonly commandsTotal: number;
  readonly channels: number;
  readonly patterns: number;
  readonly uptimeMs: number;
  readonly clientsMax: number;
}

type Section = readonly [name: string, fields: Readonly<Record<string, string | number>>];

const EVERYTHING = ['default', 'all', 'everything'];

export function infoText(
  wanted: readonly string[],
  scene: Scene,
  names: readonly string[],
  stats: DoorStats,
): string {
  const asked = wanted.map((name) => name.toLowerCase());
  const isAll = asked.length === 0 || asked.some((name) => EVERYTHING.includes(name));
  return sectionsOf(scene, names, stats)
    .filter(([name]) => isAll || asked.includes(name.toLowerCase()))
    .map(([name, fields]) => {
      const lines = Object.entries(fields).map(([field, value]) => `${field}:${value}\r\n`);
      return `# ${name}\r\n${lines.join('')}`;
    })
    .join('\r\n');
}

function sectionsOf(scene: Scene, names: readonly string[], stats: DoorStats): Section[] {
  const { self, serverVersion } = scene.topology;
  const seconds = Math.floor(stats.uptimeMs / 1000);
  const cpu = process.cpuUsage();
  const cpuSeconds = (micros: number) => (micros / 1e6).toFixed(6);
  return [
    [
      'Server',
      {
        redis_version: serverVersion,
        redis_mode: 'sentinel',
        arch_bits: 64,
        process_id: process.pid,
        run_id: serverId(self),
        tcp_port: self.port,
        server_time_usec: Date.now() * 1000,
        uptime_in_seconds: seconds,
        uptime_in_days: Math.floor(seconds / 86_400),
      },
    ],
    ['Clients', { connected_clients: stats.clients, maxclients: stats.clientsMax }],
    [
      'Stats',
      {
        total_connections_received: stats.connectionsTotal,
        total_commands_processed: stats.commandsTotal,
        rejected_connections: stats.rejectedTotal,
        pubsub_channels: stats.channels,
        pubsub_patterns: stats.patterns,
      },
    ],
    ['CPU', { used_cpu_sys: cpuSeconds(cpu.system), used_cpu_user: cpuSeconds(cpu.user) }],
    ['Sentinel', sentinelSection(scene, names)],
  ];
}

function sentinelSection({ topology }: Scene, names: readonly string[]): Section[1] {
  const { primary, replicas, others } = topology;
  const all = primary === null ? [] : names;
  const status =
    primary?.isUp === true ? 'ok' : topology.votersUp >= topology.quorum ? 'odown' : 'sdown';
  const facts = [
    `status=${status}`,
    `address=${primary?.host}:${primary?.port}`,
    `slaves=${replicas.length}`,
    `sentinels=${others.length + 1}`,
  ].join(',');
  return {
    sentinel_masters: all.length,
    sentinel_tilt: 0,
    sentinel_tilt_since_seconds: -1,
    sentinel_running_scripts: 0,
    sentinel_scripts_queue_length: 0,
    sentinel_simulate_failure_flags: 0,
    ...Object.fromEntries(all.map((name, i) => [`master${i}`, `name=${name},${facts}`])),
  };
}
