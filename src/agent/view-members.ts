/** Every node that this one knows of, as people should see it: what it is, and how far behind. */
import { type ControlMember, memberOf, nameOf } from '../core/control/state.ts';
import { isMember } from '../core/raft/configuration.ts';
import type { NodeId } from '../core/scalars.ts';
import type { AssemblyMember, AssemblyView, ControlRole, Member, Role } from '../doors/view.ts';
import type { Agent } from './agent.ts';
import { eventualLagOf, eventualRole, eventualRoleOf } from './eventual-view.ts';
import { primaryOf, shardedOf } from './sharded-view.ts';

export function ownRole(agent: Agent): Role {
  const { shard, membership, isRemoved, config, eventual } = agent;
  if (isRemoved) return 'removed';
  if (eventual !== null) return eventualRole(agent, eventual);
  if (shard === null) return 'starting';
  if (config.witness) return 'witness';
  const { configuration, role } = shard.raft;
  if (configuration.learners.includes(membership.id)) return 'learner';
  if (!isMember(configuration, membership.id)) return 'spare';
  return role === 'preCandidate' ? 'candidate' : role;
}

export function ownControlRole({ assembly, membership }: Agent): ControlRole {
  const { group } = assembly;
  if (group === null) return 'starting';
  if (group.raft.configuration.learners.includes(membership.id)) return 'learner';
  if (!isMember(group.raft.configuration, membership.id)) return 'none';
  return group.raft.role === 'preCandidate' ? 'candidate' : group.raft.role;
}

export function membersSeen(agent: Agent): Member[] {
  const { membership, assembly, shard, voters } = agent;
  const { id, up } = membership;
  const known = assembly.state.members.map(({ node }) => node);
  const learners = shard?.raft.configuration.learners ?? [];
  const all = [...voters, ...learners, ...known, id, ...up.keys()];
  return [...new Set(all)].toSorted().map((node) => ({
    node: nameOf(node),
    role: roleOf(agent, node),
    address: addressOf(agent, node),
    ...shardNamed(agent, node),
    lagBytes: lagOf(agent, node),
  }));
}

function shardNamed(agent: Agent, node: NodeId): Pick<Member, 'shard'> {
  const sharded = shardedOf(agent.eventual);
  const primary = sharded === null ? null : primaryOf(agent, sharded, node);
  return primary === null ? {} : { shard: nameOf(primary) };
}

export function assemblySeen(agent: Agent): AssemblyView {
  const { state } = agent.assembly;
  return {
    members: state.members.map((each) => memberSeen(agent, each)),
    decisions: state.history,
  };
}

function memberSeen(agent: Agent, { node, facts, leaving }: ControlMember): AssemblyMember {
  const control = agent.assembly.group?.raft.configuration;
  return {
    node: nameOf(node),
    id: node,
    role: roleOf(agent, node),
    control: control?.voters.includes(node) ? 'voter' : 'learner',
    ...facts,
    leaving: leaving?.why ?? null,
  };
}

function roleOf(agent: Agent, node: NodeId): Member['role'] {
  const { membership, assembly, shard, voters, dataLeader } = agent;
  if (node === membership.id) return ownRole(agent);
  const hello = membership.up.get(node);
  if (hello === undefined) return 'unreachable';
  if (agent.eventual !== null) return eventualRoleOf(agent, agent.eventual, node);
  if (hello.witness === true) return 'witness';
  if (node === dataLeader) return 'leader';
  if (voters.includes(node)) return 'follower';
  if (shard?.raft.configuration.learners.includes(node)) return 'learner';
  return memberOf(assembly.state, node) === null ? 'starting' : 'spare';
}

export function addressOf({ membership, assembly, clientAddress }: Agent, node: NodeId): string {
  if (node === membership.id) return clientAddress;
  return (
    membership.up.get(node)?.clientAddress ??
    memberOf(assembly.state, node)?.facts.clientAddress ??
    ''
  );
}

export function lagOf(agent: Agent, node: NodeId): number | null {
  const { shard, group, membership, eventual } = agent;
  if (eventual !== null) return eventualLagOf(agent, eventual, node);
  if (shard === null) return null;
  const committed = shard.committedOffset;
  if (node === membership.id)
    return group === null ? 0 : Math.max(0, committed - group.strong.executedOffset);
  const peer = shard.raft.view().peers.find((seen) => seen.peer === node);
  if (peer === undefined || !shard.index.holds(peer.match)) return null;
  return Math.max(0, committed - shard.index.endAt(peer.match));
}
