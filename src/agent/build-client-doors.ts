/** Where clients of a strong node come in, connected to what decides over their replies. */
import type { Agent } from './agent.ts';
import { ClientDoors } from './client-doors.ts';
import type { NodeConfig } from './config.ts';
import type { Journal } from './journal.ts';
import { relayHold } from './strong/relay-hold.ts';

/** Nothing is open yet. */
export function buildClientDoors(
  agent: Pick<Agent, 'server' | 'mesh' | 'group' | 'onFatal'>,
  config: NodeConfig,
  journal: Journal,
): ClientDoors {
  return new ClientDoors({
    config,
    ports: {
      connectServer: () => agent.server.connect(),
      connectLeader: (node, signal) => agent.mesh.openRelay(node, signal),
      readPoint: (reached) => agent.group?.reads.follower.point(reached),
      nextRound: () => agent.group?.nextRound ?? 0,
      hold: relayHold(() => agent.group?.strong.hold ?? null),
    },
    replicasHolding: () => agent.group?.replicasHolding ?? 0,
    serverDoor: () => agent.server.door,
    wantRound: (round) => agent.group?.wantRound(round),
    reignFailed: (why) => agent.group?.strong.detached(agent.group.strong.life, why),
    acceptFailed: (error) => journal.warn('clients.acceptFailed', { error }),
    fatal: (error) => agent.onFatal(error),
  });
}
