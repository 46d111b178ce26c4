/** A data group's Raft node, built from what recovery found and the shard's limits. */
import type { RaftLimits } from '../../core/raft/options.ts';
import { Raft } from '../../core/raft/raft.ts';
import type { DataGroupOptions } from './group-options.ts';

type RaftParts = Pick<
  DataGroupOptions,
  'id' | 'configuration' | 'configurations' | 'opened' | 'entropy' | 'limits' | 'leases'
>;

export function raftOf(options: RaftParts): Raft {
  const { id, configuration, configurations, opened, entropy, limits, leases } = options;
  const { hardState, base, heads, snapshot } = opened;
  const raftLimits: RaftLimits = {
    heartbeatTicks: limits.heartbeatTicks,
    electionTicksMin: limits.electionTicksMin,
    electionTicksMax: limits.electionTicksMax,
    appendBytesMax: limits.appendBytesMax,
    windowBytesMax: limits.appendWindowBytes,
    // Strong mode paces by its own cap; the core's is a second wall with room for one unit more,
    // and for the header that each entry adds to the stream's bytes.
    uncommittedBytesMax: 2 * limits.uncommittedBytesMax + limits.unitBytesMax,
  };
  return new Raft({
    id,
    configuration,
    configurations,
    hardState,
    base,
    heads,
    snapshot,
    entropy,
    limits: raftLimits,
    keepsPromises: leases !== undefined && leases !== null,
  });
}
