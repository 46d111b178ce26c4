/** An eventual deployment as people should see it, from what one of its nodes knows. */
import { memberOf, nameOf } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Member, Problem, Role } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import type { EventualPart } from './eventual-part.ts';
import { primaryOf, shardedOf, shardedProblems, shardedRole } from './sharded-view.ts';

/** A failover takes about this long: nobody needs to hear of it. */
const WITHOUT_PRIMARY_MS_MAX = 4_000;

/** Whom this node takes for the primary, open or about to be; others replicate from it. */
export function eventualRole(agent: Agent, shard: EventualPart): Role {
  const { assembly, membership, config } = agent;
  if (assembly.state.spec === null) return 'starting';
  if (config.witness) return 'witness';
  return roleAgreed(agent, shard, membership.id);
}

/** Of another node, which is there. */
export function eventualRoleOf(agent: Agent, shard: EventualPart, node: NodeId): Member['role'] {
  const { assembly, membership } = agent;
  if (membership.up.get(node)?.witness === true) return 'witness';
  if (memberOf(assembly.state, node) === null) return 'starting';
  return roleAgreed(agent, shard, node);
}

function roleAgreed(agent: Agent, shard: EventualPart, node: NodeId): Role {
  const sharded = shardedOf(shard);
  if (sharded !== null) return shardedRole(agent, sharded, node);
  if (shard.primary?.node === node) return 'primary';
  return agent.assembly.state.data.voters.includes(node) ? 'replica' : 'spare';
}

/** Bytes of the primary's history that it is known not to have; null when nobody knows. */
export function eventualLagOf(agent: Agent, shard: EventualPart, node: NodeId): number | null {
  const sharded = shardedOf(shard);
  const primary =
    sharded === null ? (shard.primary?.node ?? null) : primaryOf(agent, sharded, node);
  const own = shard.standingOf(node);
  const first = primary === null ? null : shard.standingOf(primary);
  if (own === null || first === null || own.history === null) return null;
  return own.history === first.history ? Math.max(0, first.offset - own.offset) : null;
}

/** Open as the primary, or following it; a spare has nothing to follow. */
export function isEventualHealthy({ keeper, isOpen }: EventualPart, role: Role): boolean {
  if (role === 'spare') return keeper?.standing.isUp === true;
  const seen = keeper?.seenShown ?? null;
  return isOpen || (seen?.role === 'replica' && seen.isLinkUp && !seen.isLoading);
}

export function eventualProblems(agent: Agent, shard: EventualPart): Problem[] {
  const lost = shard.losses?.problems ?? [];
  const sharded = shardedOf(shard);
  return [
    ...(sharded === null ? withoutPrimary(agent, shard) : shardedProblems(agent, sharded)),
    ...withoutReplicas(agent, shard),
    ...serverDown(shard),
    ...lost,
  ];
}

const TODO =
  'only a node that holds the newest data is chosen: start those that are away, ' +
  'and look at their servers';

function todoForImport(importer: string): string {
  return (
    `it begins with the data that ${importer} brings in: see that its server can load them; ` +
    'to begin otherwise, stop all nodes and empty their directories'
  );
}

function withoutPrimary({ assembly }: Agent, shard: EventualPart): Problem[] {
  const { primary, withoutPrimaryMs } = shard;
  const { importer } = assembly.state;
  if (assembly.group === null || withoutPrimaryMs < WITHOUT_PRIMARY_MS_MAX) return [];
  const seconds = Math.round(withoutPrimaryMs / 1000);
  const who =
    primary === null ? 'nobody was appointed' : `${nameOf(primary.node)} was, and is not there`;
  return [
    {
      code: 'NO_PRIMARY',
      text: `there is no primary since ${seconds} s: ${who}`,
      todo: importer === undefined ? TODO : todoForImport(nameOf(importer)),
    },
  ];
}

/** Of a primary that is open, and takes no writes. */
function withoutReplicas({ assembly }: Agent, { keeper, isOpen }: EventualPart): Problem[] {
  const wanted = assembly.state.spec?.eventual?.minReplicasToWrite ?? 0;
  const count = keeper?.seenLast?.replicas.length ?? wanted;
  if (!isOpen || count >= wanted) return [];
  return [
    {
      code: 'TOO_FEW_REPLICAS',
      text: `writes are refused: ${count} replicas follow, and they need ${wanted}`,
      todo: 'start those that are away, or lower minReplicasToWrite in the spec',
    },
  ];
}

function serverDown({ server, keeper }: EventualPart): Problem[] {
  if (server === null || keeper === null || keeper.standing.isUp || server.pid !== null) return [];
  if (server.lastDown === null) return [];
  return [
    {
      code: 'SERVER_DOWN',
      text: `the server beside this node is not running: ${server.lastDown}`,
      todo: 'its last words say why; the agent starts it again by itself',
    },
  ];
}
