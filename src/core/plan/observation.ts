/** What a control leader sees, as one value: beside the agreed state all that a plan depends on. */
import type { MemberFacts } from '../control/state.ts';
import type { Configuration } from '../raft/protocol.ts';
import type { NodeId } from '../scalars.ts';

/** A node of this deployment that is connected to the control leader, or is it. */
export interface NodeSeen {
  readonly facts: MemberFacts;
  /** It is being stopped, or knows that it was removed: nobody asks it back. */
  readonly isLeaving: boolean;
}

/** The data group, as the leader of its highest term says. */
export interface DataSeen {
  readonly leader: NodeId;
  /** The newest that is committed. */
  readonly configuration: Configuration;
  /** The decision that its leader has read and has nothing left to do for; null: it is at work. */
  readonly carriedOut: number | null;
}

export interface Observation {
  readonly self: NodeId;
  readonly nowMs: number;
  readonly nodes: ReadonlyMap<NodeId, NodeSeen>;
  /** Since anybody saw it, as far as this leader was there to know: of members not in `nodes`. */
  readonly goneMs: (node: NodeId) => number;
  /** The control group's own, in force. */
  readonly control: Configuration;
  /** Null while nobody is known to lead. */
  readonly data: DataSeen | null;
}
