/** What this node says of itself beside its card, and where it is reached. */
import type { Agent } from './agent.ts';
import type { NodeConfig } from './config.ts';
import type { Introduction } from './founding/membership.ts';
import { reachableHost } from './own-address.ts';

export function introductionOf({
  config,
  serverVersion,
  discovery,
  eventual,
}: Pick<Agent, 'config' | 'serverVersion' | 'discovery' | 'eventual'>): Introduction {
  const { ownAddress } = discovery;
  const clusterServer = eventual?.serverId ?? null;
  const { leaseReads, name, zone, ephemeral, witness, sentinelPort } = config;
  return {
    leaseReads,
    name,
    clientAddress: announcedAt(config, 'client', ownAddress),
    httpAddress: announcedAt(config, 'http', ownAddress),
    peerAddress: announcedAt(config, 'peers', ownAddress),
    serverVersion,
    zone,
    ephemeral,
    ...(witness ? { witness } : {}),
    ...(config.eventual === null ? {} : { eventual: true }),
    ...(clusterServer === null ? {} : { clusterServer }),
    ...(sentinelPort === null
      ? {}
      : { sentinelAddress: `${announcedHost(config, 'http', ownAddress)}:${sentinelPort}` }),
  };
}

/** Where others reach what listens here. */
export function announcedAt(
  config: NodeConfig,
  door: keyof NodeConfig['ports'],
  ownAddress: string | null,
): string {
  return `${announcedHost(config, door, ownAddress)}:${config.ports[door]}`;
}

function announcedHost(
  { announce, bind }: NodeConfig,
  door: keyof NodeConfig['ports'],
  ownAddress: string | null,
): string {
  return announce ?? reachableHost(bind[door], ownAddress);
}
