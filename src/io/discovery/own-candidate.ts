/** Which candidate is this node itself: by its own network interfaces. Pure. */
import { isLoopbackHost, placeHost } from './address.ts';
import type { Candidate } from './candidates.ts';

/** As `os.networkInterfaces()` has it. */
export type Interfaces = Readonly<
  Record<string, readonly { readonly address: string; readonly cidr: string | null }[] | undefined>
>;

/**
 * The candidate at `peerPort` on an own interface, or null. Of several, one that others can reach
 * goes before loopback, and an address with a network before one without: Swarm has put the virtual
 * IP of a service, which belongs to no node, onto interfaces as a /32. Then the first by text.
 */
export function ownCandidate(
  candidates: readonly Candidate[],
  peerPort: number,
  interfaces: Interfaces,
): Candidate | null {
  const ranks = new Map<string, number>();
  for (const { address, cidr } of Object.values(interfaces).flatMap((all) => all ?? [])) {
    const host = placeHost(address);
    if (host !== null) ranks.set(host, rankOf(host, cidr));
  }
  let own: Candidate | null = null;
  let ownRank = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const rank = ranks.get(candidate.address.host);
    if (rank === undefined || candidate.address.port !== peerPort || rank >= ownRank) continue;
    own = candidate;
    ownRank = rank;
  }
  return own;
}

function rankOf(host: string, cidr: string | null): number {
  if (isLoopbackHost(host)) return 2;
  return cidr !== null && /\/(32|128)$/.test(cidr) ? 1 : 0;
}
