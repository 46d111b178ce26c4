/** Where a node looks for others, and how many it needs to begin: settings that hang together. */
import { existsSync } from 'node:fs';
import { majority } from '../core/raft/quorum.ts';
import { isLoopback } from '../doors/access.ts';
import { kubernetesPlace } from '../io/discovery/kubernetes-api.ts';
import { parseSources, type SourceSpec, sourceLabel } from '../io/discovery/specification.ts';
import type { ConfigIssue } from './config-issue.ts';
import type { SettingValues } from './config-schema.ts';
import type { ConfigInput, Gathered, Place } from './config-sources.ts';

/** The fewest that go on without one of them. */
const EXPECTED_WITH_DISCOVERY = 3;

/** None where nothing is given, or what is given cannot be read: `#take` has said so. */
export function sourcesOf({ discover }: SettingValues, peerPort: number): readonly SourceSpec[] {
  if (discover === undefined) return [];
  const parsed = parseSources(discover, peerPort);
  return parsed.ok ? parsed.specs : [];
}

/** `listed`: how many nodes the typed list names, this one included. */
export function nodesExpected(
  given: number | null,
  sources: readonly SourceSpec[],
  listed: number,
): number {
  if (given !== null) return given;
  return sources.length === 0 ? listed : Math.max(EXPECTED_WITH_DISCOVERY, listed);
}

/** The first place among the sources that may be on another machine, in words; null: none is. */
export function farSource(sources: readonly SourceSpec[]): string | null {
  for (const spec of sources) {
    const hosts = spec.kind === 'static' ? spec.addresses.map(({ host }) => host) : [];
    const far = hosts.find((host) => !isLoopback(host));
    if (far !== undefined) return far;
    const isHere = spec.kind === 'dns' && isLoopback(spec.name);
    if (spec.kind !== 'static' && !isHere) return sourceLabel(spec);
  }
  return null;
}

export function refusedSources(
  { values, places }: Gathered,
  sources: readonly SourceSpec[],
  environment: ConfigInput['environment'],
): ConfigIssue[] {
  const place = places.get('discover') ?? { path: '--discover', source: 'rule' };
  const found: ConfigIssue[] = [];
  if (values.join === true && values.peers === undefined && values.discover === undefined)
    found.push({
      path: '--join',
      source: 'rule',
      text: 'has nowhere to look for a deployment',
      todo: 'give --discover, or --peers with an address of one of its nodes',
    });
  const why = sources.some(({ kind }) => kind === 'kubernetes')
    ? missingInPod(sources, environment)
    : null;
  if (why !== null) found.push({ ...place, ...why });
  return [...found, ...tooFewExpected(values, places.get('expect'))];
}

/** Half of the nodes and the other half would each found a deployment (holes.md H8). */
function tooFewExpected(
  { expect, peers = [] }: SettingValues,
  place: Place | undefined,
): ConfigIssue[] {
  const listed = new Set(peers).size;
  if (place === undefined || expect === undefined || expect * 2 > listed) return [];
  return [
    {
      ...place,
      text: `${expect} of ${listed} listed peers could found a deployment, and so could the others`,
      todo: `give more than half: ${majority(listed)} at least`,
    },
  ];
}

function missingInPod(
  sources: readonly SourceSpec[],
  environment: ConfigInput['environment'],
): { readonly text: string; readonly todo: string } | null {
  const pod = kubernetesPlace(environment);
  if (pod === null)
    return {
      text: 'kubernetes works in a pod only: KUBERNETES_SERVICE_HOST is not set',
      todo: 'use another source here, for example a DNS name',
    };
  const isOwnNamespace = sources.some((s) => s.kind === 'kubernetes' && s.namespace === null);
  const files = ['token', 'ca.crt', ...(isOwnNamespace ? ['namespace'] : [])];
  const missing = files.map((name) => `${pod.accountDir}/${name}`).find((p) => !existsSync(p));
  if (missing === undefined) return null;
  return {
    text: `kubernetes needs the service account of the pod: there is no ${missing}`,
    todo: 'set automountServiceAccountToken: true, and let the account list and watch pods',
  };
}
