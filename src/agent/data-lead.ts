/** The data group as whoever brings its members to what was decided sees it. */
import type { NodeId } from '../core/scalars.ts';
import type { DataLead } from './control/data-members.ts';
import { LIMITS } from './limits.ts';
import type { ShardMember } from './shard/shard-member.ts';

export function dataLeadOf(group: ShardMember | null, self: NodeId): DataLead | null {
  if (group === null) return null;
  const { raft, isLeader } = group;
  const peers = isLeader ? raft.view().peers : [];
  return {
    isLeader,
    configuration: raft.configuration,
    isHeard: (node) => {
      const silentTicks = peers.find(({ peer }) => peer === node)?.silentTicks;
      return node === self || (silentTicks ?? LIMITS.electionTicksMin) < LIMITS.electionTicksMin;
    },
    changeMembers: (change, options, done) => group.changeMembers(change, options, done),
    handOver: (to, done) => group.handOver(to, done),
  };
}
