/** What belongs to one consistency only, and what an eventual deployment needs beside. */
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
];

/** Null: the deployment is strong. */
export function eventualOf(values: SettingValues): EventualSpec | null {
  if (values.consistency !== 'eventual') return null;
  return {
    maxLostBytes: values['max-lost-bytes'] ?? null,
    minReplicasToWrite: values['min-replicas-to-write'] ?? 0,
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
