/**
 * What the planner of many shards is given and gives: the agreed wish, what is seen, and the next
 * actions, each with its reason (`docs/decisions/0015`).
 */
import type { KeyCounts } from '../../cluster/fix.ts';
import type { ClusterNodeId } from '../../cluster/nodes-text.ts';
import type { Observation } from '../../cluster/observation.ts';
import type { Slot } from '../../cluster/slots.ts';
import type { Step } from '../../cluster/steps.ts';
import type { NodeId } from '../../scalars.ts';
import type { Standing } from '../observation.ts';

/** A member of the deployment, by agreement, with its server. */
export interface ShardedMember {
  readonly node: NodeId;
  /**
   * The id that its server has in its cluster, as its agent last said; null: it has not said yet.
   * Of two members never the same.
   */
  readonly server: ClusterNodeId | null;
  /** What fails as one. */
  readonly host: string;
  /** Likewise; the same for all where nobody said one. */
  readonly zone: string;
  /** Above 0. Slots are shared out in proportion while it is a primary. */
  readonly weight: number;
  /** It is to hold nothing, and to go. */
  readonly isLeaving: boolean;
}

export interface ShardedWish {
  /** By agreement: slots were given out once, and who has none of them waits for who has. */
  readonly isFounded: boolean;
  /** At least 1. */
  readonly shards: number;
  /** Of every shard, beside its primary. */
  readonly replicas: number;
  readonly members: readonly ShardedMember[];
}

export interface Memory {
  readonly usedBytes: number;
  /** Null: the server has no limit. */
  readonly maxBytes: number | null;
}

/** As the control leader sees it. Times are since something was noticed here, in ms. */
export interface ShardedSeen {
  /** Whose server answers, by its own view. */
  readonly cluster: Observation;
  /** What each server that answers holds; none of one whose agent has not said. */
  readonly standings: ReadonlyMap<ClusterNodeId, Standing>;
  /** Replication ids under which primaries opened, as agreed on. */
  readonly histories: ReadonlyMap<ClusterNodeId, string>;
  /** No lease of this primary is alive: it was seen shut or gone, or its time is over. */
  readonly isFenced: (primary: ClusterNodeId) => boolean;
  /** For how long this primary has been in trouble. */
  readonly troubleMs: (primary: ClusterNodeId) => number;
  /** Since a failover by force was ordered for this primary's shard; 0: none was. */
  readonly orderedMs: (primary: ClusterNodeId) => number;
  /** Since anybody saw this server, of those that do not answer. */
  readonly goneMs: (server: ClusterNodeId) => number;
  /** Counted for the slots of `slotsToCount`, and for `strays`. */
  readonly keys: KeyCounts;
  /**
   * Slots of which somebody has keys who does not own them, as far as it was looked for: after a
   * failover it has to be, for who took over from both ends of a move knows of none.
   */
  readonly strays: readonly Slot[];
  readonly memory: ReadonlyMap<ClusterNodeId, Memory>;
}

/**
 * A replica becomes the primary of its shard. planned: its primary stops writes and waits for it,
 * nothing is lost. force: the other primaries vote. takeover: nobody is asked. again: no replica, a
 * primary that was started again goes on with what it has.
 */
export interface Failover {
  readonly kind: 'failover';
  readonly node: ClusterNodeId;
  readonly primary: ClusterNodeId;
  readonly by: 'planned' | 'force' | 'takeover' | 'again';
}

export interface ShardedAction {
  readonly step: Step | Failover;
  readonly why: string;
}

export interface ShardedProblem {
  readonly code: /** A server with data that no other knows: it is left alone. */
    | 'STRANGE_DATA'
    /** A primary is gone, and nobody can take over from it. */
    | 'SHARD_LOST'
    /** Slots of nobody, which a member that was not seen may have. */
    | 'SLOTS_UNCOVERED'
    /** Fewer nodes than shards. */
    | 'TOO_FEW_NODES'
    /** Fewer copies than wanted. */
    | 'COPIES_MISSING'
    /** Nobody has room for what is to be moved. */
    | 'DOES_NOT_FIT'
    /** A node is to go, and nobody can have what it holds. */
    | 'CANNOT_LEAVE'
    /** A primary has keys, and nobody has slots, or none of its own. */
    | 'STRAY_KEYS';
  readonly text: string;
}

export interface ShardedPlan {
  /** In the order to be carried out. Empty with nothing in `waits`: all is done that can be. */
  readonly actions: readonly ShardedAction[];
  /** What will be otherwise by itself before there is more to do. */
  readonly waits: readonly string[];
  /** What cannot be as it is wanted. */
  readonly problems: readonly ShardedProblem[];
}
