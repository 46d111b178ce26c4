/** This node's part of an eventual deployment, connected to the rest of the node. */
import type { LocatedServer } from '../io/server/locate.ts';
import type { Agent } from './agent.ts';
import type { AgreedSettings } from './agreed-settings.ts';
import type { EventualPart } from './eventual-part.ts';
import { EventualShard } from './eventual-shard.ts';
import { importData } from './import-data.ts';
import { ShardedPart } from './sharded-part.ts';
import { addressOf } from './view-members.ts';

export interface OwnProgram {
  /** Null for a witness. */
  readonly located: LocatedServer | null;
  readonly settings: AgreedSettings | null;
}

/** Whether the data of its server were brought in; of a strong node they never are. */
export async function importOwnData(
  { config, identity, journal }: Agent,
  located: LocatedServer | null,
): Promise<boolean> {
  if (config.eventual === null) return false;
  return importData({
    from: config.importData,
    dataDir: `${config.dir}/data`,
    flavor: located?.flavor ?? null,
    phase: identity.now.phase,
    journal,
  });
}

export function openEventualPart(agent: Agent, program: OwnProgram): Promise<EventualPart> {
  const { config, disk, journal } = agent;
  const { eventual } = config;
  if (eventual === null) throw new Error('a strong node has no part of an eventual deployment');
  const part = config.sharded === null ? EventualShard : ShardedPart;
  return part.open({
    ...program,
    config: { ...config, eventual },
    disk,
    journal,
    self: () => agent.membership.id,
    imports: () => agent.membership.hello.imports === true,
    deployment: () => agent.identity.now.deployment,
    clientAddress: () => agent.clientAddress,
    peers: () => agent.membership.peersIn.keys(),
    addressOf: (node) => addressOf(agent, node),
    controlLeader: () => agent.assembly.leader,
    note: (to, topic, body) => agent.mesh.note(to, topic, body),
    announce: () => agent.announce(),
    fatal: (error) => agent.onFatal(error),
  });
}
