/**
 * What a node is called that was not named: as its directory says. A container that is made anew
 * has another host name, and with its volume it is still the same node.
 */
import { type Identity, loadIdentity } from '../io/storage/identity.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { NodeConfig } from './config.ts';

/** Never rejects: what is wrong with a directory is said when it is opened. */
export async function namedByDirectory(config: NodeConfig, disk: Disk): Promise<NodeConfig> {
  if (config.provenance.has('node')) return config;
  const identity = await new Promise<Identity | null>((resolve) =>
    loadIdentity(disk, `${config.dir}/identity`, (_error, found) => resolve(found)),
  );
  return identity === null ? config : { ...config, node: identity.node };
}
