/** `/metrics`: our own as `althing_…`, the server's under the names of redis_exporter. */
import { Counter, Gauge, Registry } from '@prometheus-io/client';
import type { Role, Sample, Status, View } from '../view.ts';
import { serverSamples } from './server-metrics.ts';
import { within } from './within.ts';

const ROLES: readonly Role[] = [
  'leader',
  'follower',
  'primary',
  'replica',
  'candidate',
  'learner',
  'witness',
  'spare',
  'starting',
  'removed',
];

/** A server that hangs must not take the agent's own metrics with it. */
const SERVER_INFO_MS_MAX = 2_000;

export async function metricsText(view: View): Promise<string> {
  // The server may be down or slow; what the agent itself knows is shown all the same.
  const info = await within(
    SERVER_INFO_MS_MAX,
    view.serverInfo().catch(() => null),
    null,
  );
  const own = [...statusSamples(view), ...view.samples()];
  const named = own.map((sample) => ({ ...sample, name: `althing_${sample.name}` }));
  return exposition([...named, ...serverSamples(info)]);
}

function statusSamples(view: View): Sample[] {
  const status = view.status();
  const { offsets, log, snapshot, members, problems } = status;
  return [
    gauge('info', 'Names of this node, as labels.', 1, {
      name: status.name,
      version: status.version,
      deployment: status.deployment,
      node: status.node,
      server_version: status.server.version,
    }),
    ...ROLES.map((state) =>
      gauge('role', 'The role of this node: 1 for the one it has.', Number(status.role === state), {
        state,
      }),
    ),
    gauge('open', '1 while this node leads and serves clients.', Number(view.isOpenLeader())),
    gauge('ready', '1 while clients are served through this node.', Number(view.isReady())),
    gauge('has_leader', '1 while a leader is known.', Number(status.leader !== null)),
    gauge('term', 'Election term.', status.term),
    ...Object.entries(offsets).map(([stage, value]) =>
      gauge('offset_bytes', "Byte offset of the server's stream, by stage.", value, { stage }),
    ),
    gauge('log_bytes', 'Size of the log on disk.', log.bytes),
    gauge('log_entries', 'Entries that the log holds.', log.entries),
    ...(['last', 'committed', 'applied'] as const).map((stage) =>
      gauge('log_index', 'Index of the last entry, by stage.', log[stage], { stage }),
    ),
    gauge('snapshot_bytes', 'Size of the last snapshot.', snapshot.bytes),
    gauge('snapshot_offset_bytes', 'Offset of the last snapshot.', snapshot.offset),
    ...members.flatMap(({ node, lagBytes }) =>
      lagBytes === null
        ? []
        : [gauge('member_lag_bytes', 'Committed, not yet acknowledged.', lagBytes, { node })],
    ),
    gauge('problems', 'Problems that /status puts in words.', problems.length),
    ...codesOf(status).map((code) => gauge('problem', '1 for each present problem.', 1, { code })),
  ];
}

function codesOf(status: Status): string[] {
  return [...new Set(status.problems.map(({ code }) => code))];
}

function gauge(name: string, help: string, value: number, labels: Sample['labels'] = {}): Sample {
  return { name, help, type: 'gauge', value, labels };
}

/** Samples of one name become one metric, with the help and type of the first. */
export function exposition(samples: readonly Sample[]): Promise<string> {
  const registry = new Registry();
  const byName = Map.groupBy(samples, (sample) => sample.name);
  for (const [name, [first, ...more]] of byName) {
    if (first === undefined) continue;
    const all = [first, ...more];
    const labelNames = [...new Set(all.flatMap(({ labels }) => Object.keys(labels ?? {})))];
    const options = { name, help: first.help, labelNames, registers: [registry] };
    if (first.type === 'gauge') {
      const metric = new Gauge(options);
      for (const { labels, value } of all) metric.set(labels ?? {}, value);
    } else {
      const metric = new Counter(options);
      for (const { labels, value } of all) metric.inc(labels ?? {}, value);
    }
  }
  return registry.metrics();
}
