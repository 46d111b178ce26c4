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

/** What a node's server holds of an eventual deployment's data, by its agent's word. */
export interface Standing {
  /** Of which it has a completed sync, or which it began; null: of none. */
  readonly history: string | null;
  /** How far in it; 0 without a history. */
  readonly offset: number;
  /** Its server has counted that itself; else a lower bound, from before it was started. */
  readonly isExact: boolean;
  /** It answers, and is not loading. */
  readonly isUp: boolean;
  /** Higher goes first among equals; 0: it is never appointed. */
  readonly priority: number;
  /** It has read this decision, and its server is open by no earlier one. */
  readonly released: number;
}

/** Of an eventual deployment. Times are since something was noticed here, in ms. */
export interface PrimarySeen {
  /** Fresh ones, of nodes that are there. */
  readonly standings: ReadonlyMap<NodeId, Standing>;
  /** Since the primary has last asked for its lease here. */
  readonly silentMs: number;
  /** For how long the primary has been in trouble; 0 when it is not. */
  readonly troubleMs: number;
  /** For how long the appointment in force has not opened; 0 when it has. */
  readonly unopenedMs: number;
  /** For how long the same node leads the control group under the same appointment. */
  readonly leadMs: number;
  /** It has not, and its server, which lived when it was made, has been started again since. */
  readonly isSetBack: boolean;
  /** How far the primary was in its history at its last word; null: nobody has heard it. */
  readonly offset: number | null;
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
  /** Null in a strong deployment. */
  readonly eventual: PrimarySeen | null;
  /** In many shards: whose servers hold nothing that is needed. Absent elsewhere. */
  readonly spareServers?: ReadonlySet<NodeId>;
}
