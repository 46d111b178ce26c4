/** This node's part of an eventual deployment, connected to the rest of the node. */
import type { LocatedServer } from '../io/server/locate.ts';
import type { Agent } from './agent.ts';
import type { AgreedSettings } from './agreed-settings.ts';
import { EventualShard } from './eventual-shard.ts';
import { addressOf } from './view-members.ts';

export interface OwnProgram {
  /** Null for a witness. */
  readonly located: LocatedServer | null;
  readonly settings: AgreedSettings | null;
}

export function openEventualShard(agent: Agent, program: OwnProgram): Promise<EventualShard> {
  const { config, disk, journal } = agent;
  const { eventual } = config;
  if (eventual === null) throw new Error('a strong node has no part of an eventual deployment');
  return EventualShard.open({
    ...program,
    config: { ...config, eventual },
    disk,
    journal,
    self: () => agent.membership.id,
    deployment: () => agent.identity.now.deployment,
    clientAddress: () => agent.clientAddress,
    peers: () => agent.membership.peersIn.keys(),
    addressOf: (node) => addressOf(agent, node),
    controlLeader: () => agent.assembly.leader,
    note: (to, topic, body) => agent.mesh.note(to, topic, body),
    fatal: (error) => agent.onFatal(error),
  });
}
