/** What a node says of itself and sees of the others, as values: what is planned by. */
import type { ControlState, MemberFacts } from '../../core/control/state.ts';
import type { NodeSeen, Observation, PrimarySeen } from '../../core/plan/observation.ts';
import { isMember } from '../../core/raft/configuration.ts';
import type { Configuration } from '../../core/raft/protocol.ts';
import type { Raft } from '../../core/raft/raft.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { DataMembers } from './data-members.ts';
import type { Report } from './report.ts';
import type { Sightings } from './sightings.ts';

/** Of a node by itself, as its hello has it. */
export type Said = Omit<MemberFacts, 'zone' | 'ephemeral' | 'witness'> & {
  readonly zone?: string;
  readonly ephemeral?: boolean;
  readonly witness?: boolean;
};

export interface Reporting {
  /** Of the data group here; null before this node belongs to a deployment. */
  readonly raft: Raft | null;
  readonly dataMembers: Pick<DataMembers, 'carriedOut' | 'waits'>;
  readonly controlLeader: NodeId | null;
  /** Nodes of this deployment that are connected. */
  readonly peers: ReadonlyMap<NodeId, Said>;
  readonly isLeaving: boolean;
}

export function reportOf({
  raft,
  dataMembers,
  controlLeader,
  peers,
  isLeaving,
}: Reporting): Report {
  const isLeader = raft?.role === 'leader';
  const agreed = isLeader ? raft.configurationAt(raft.committed) : null;
  return {
    term: raft?.term ?? 0,
    leader: raft?.leader ?? null,
    // The newest, once it is committed: what was before it says nothing any more.
    configuration: agreed !== null && agreed === raft?.configuration ? agreed : null,
    carriedOut: dataMembers.carriedOut,
    waits: dataMembers.waits,
    controlLeader,
    up: [...peers.keys()],
    addresses: [...peers.values()].map(({ peerAddress }) => peerAddress),
    isLeaving,
  };
}

export interface Observing {
  readonly self: NodeId;
  readonly nowMs: number;
  readonly own: Said;
  readonly isLeaving: boolean;
  /** Nodes of this deployment that are connected. */
  readonly peers: ReadonlyMap<NodeId, Said>;
  /** What this node reported is among them. */
  readonly sightings: Sightings;
  readonly control: Configuration | null;
  /** Absent in a strong deployment. */
  readonly eventual?: PrimarySeen;
}

export function observationOf(seen: Observing): Observation {
  const { self, nowMs, own, isLeaving, peers, sightings, control } = seen;
  const nodes = new Map<NodeId, NodeSeen>([[self, nodeSeen(own, isLeaving)]]);
  for (const [node, said] of peers)
    nodes.set(node, nodeSeen(said, sightings.of(node)?.isLeaving ?? false));
  sightings.look(nodes.keys());
  const leading = sightings.dataLeader();
  const configuration = leading?.report.configuration ?? null;
  return {
    self,
    nowMs,
    nodes,
    goneMs: (node) => sightings.goneMs(node),
    control: control ?? { voters: [], learners: [], decision: 0 },
    data:
      leading === null || configuration === null
        ? null
        : { leader: leading.node, configuration, carriedOut: leading.report.carriedOut },
    eventual: seen.eventual ?? null,
  };
}

/** Removed for good, and out of both groups: its vote may be needed until that is committed. */
export function isOut(
  { removed }: ControlState,
  rafts: readonly (Raft | null)[],
  node: NodeId,
): boolean {
  if (!removed.includes(node)) return false;
  return rafts.every((raft) => {
    const agreed = raft?.configurationAt(raft.committed) ?? null;
    return agreed === null ? raft === null : !isMember(agreed, node);
  });
}

function nodeSeen(said: Said, isLeaving: boolean): NodeSeen {
  const { peerAddress, clientAddress, httpAddress, serverVersion } = said;
  const { zone = '', ephemeral = false, witness = false, sentinelAddress, clusterServer } = said;
  const facts = { peerAddress, clientAddress, httpAddress, zone, serverVersion, ephemeral };
  return {
    facts: {
      ...facts,
      ...(witness ? { witness } : {}),
      ...(sentinelAddress === undefined ? {} : { sentinelAddress }),
      ...(clusterServer === undefined ? {} : { clusterServer }),
    },
    isLeaving,
  };
}
