/** What this node says of itself beside its card, and where it is reached. */
import type { NodeConfig } from './config.ts';
import type { Introduction } from './founding/membership.ts';
import { reachableHost } from './own-address.ts';

/** `ownAddress`: of this machine, as far as discovery has found out. */
export function introductionOf(
  config: NodeConfig,
  serverVersion: string,
  ownAddress: string | null,
): Introduction {
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
