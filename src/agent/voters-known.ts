/** Who counts for the data: by the own log if this node is in that group, else as was decided. */
import type { ControlState } from '../core/control/state.ts';
import { isMember } from '../core/raft/configuration.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Membership } from './founding/membership.ts';
import type { ShardMember } from './shard/shard-member.ts';

export function votersKnown(
  group: ShardMember | null,
  { data }: ControlState,
  { id, founders }: Membership,
): readonly NodeId[] {
  const own = group?.raft.configuration ?? null;
  if (own !== null && (data.voters.length === 0 || isMember(own, id))) return own.voters;
  return data.voters.length > 0 ? data.voters : founders;
}
