/** Which of the listed addresses is this node's own, and where others reach it. */
import { lookup } from 'node:dns/promises';
import { hostname, networkInterfaces } from 'node:os';
import { parseAddress } from './config-schema.ts';

/** A name server that does not answer must not hold up the start. */
const LOOKUP_MS_MAX = 2_000;

function ownHosts(): Set<string> {
  const hosts = new Set(['localhost', hostname(), '127.0.0.1', '::1']);
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address } of addresses ?? []) hosts.add(address);
  return hosts;
}

/** The entry of `peers` that names this node's peer port on one of its own interfaces. */
export async function findOwnAddress(
  peers: readonly string[],
  peerPort: number,
  announce: string | null,
): Promise<string | null> {
  const hosts = ownHosts();
  for (const peer of peers) {
    const address = parseAddress(peer);
    if (address === null || address.port !== peerPort) continue;
    const host = address.host.replace(/^\[|\]$/g, '');
    if (hosts.has(host) || address.host === announce) return peer;
    const found = await Promise.race([
      lookup(host, { all: true }).catch(() => []),
      new Promise<[]>((resolve) => setTimeout(() => resolve([]), LOOKUP_MS_MAX).unref()),
    ]);
    if (found.some(({ address: resolved }) => hosts.has(resolved))) return peer;
  }
  return null;
}

/**
 * A host under which others reach what listens on `bind`, as addresses spell it: nobody can connect
 * to "all addresses", so then the one that the peers use.
 */
export function reachableHost(bind: string, ownAddress: string | null): string {
  if (bind !== '0.0.0.0' && bind !== '::') return bind.includes(':') ? `[${bind}]` : bind;
  return (ownAddress === null ? null : parseAddress(ownAddress)?.host) ?? hostname();
}
