/**
 * What the nodes of a deployment have agreed on: the value that the control group's log makes.
 *
 * Pure: a state and a command make the next state (`apply.ts`), the same on every node. Who the
 * members of the *group* are is Raft's business; here are the members of the deployment, who of
 * them should hold the data, what was decided and why.
 *
 * Invariants: members and voters are sorted, nobody twice; voters of the data are members; a node
 * that was removed for good is no member.
 */
import type { NodeId } from '../scalars.ts';
import type { Spec } from './spec.ts';

/** Far more than one deployment has; the mesh connects every node with every other. */
export const NODES_MAX = 256;
/** Directories that are refused; older ones would come back as members. */
export const REMOVED_MAX = 256;
/** Decisions that are kept for people. */
export const HISTORY_MAX = 64;

/** What a node says of itself; it may be another after each of its starts. */
export interface MemberFacts {
  /** `host:port` each, empty while it was never seen. */
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly httpAddress: string;
  /** Where it stands, for spreading; empty when it was not said. */
  readonly zone: string;
  readonly serverVersion: string;
  /** It has no disk of its own, and leaves when it is stopped. */
  readonly ephemeral: boolean;
  /** It votes and keeps the log for others, and has no server. Absent: it has one. */
  readonly witness?: boolean;
  /** For clients that know Sentinel, `host:port`. Absent: it has no such door. */
  readonly sentinelAddress?: string;
  /** The id that its server has in its cluster, once it has one. Absent: it has none. */
  readonly clusterServer?: string;
}

/** Of a member that has said nothing of itself yet. */
export const UNSEEN: MemberFacts = {
  peerAddress: '',
  clientAddress: '',
  httpAddress: '',
  zone: '',
  serverVersion: '',
  ephemeral: false,
};

/**
 * Who wants it gone. order: somebody, and for good. itself: it is being stopped. absence: it was
 * gone for longer than the spec allows. successor: its directory is lost, another took its name.
 */
export type LeavingBy = 'order' | 'itself' | 'absence' | 'successor';

export interface Leaving {
  readonly by: LeavingBy;
  readonly why: string;
  /** The index of the command, and of its line in the history. */
  readonly since: number;
}

export interface ControlMember {
  readonly node: NodeId;
  readonly facts: MemberFacts;
  readonly leaving: Leaving | null;
}

/** Who should hold the data, by which decision, and whether it has come to pass. */
export interface DataRoles {
  /** The index of the decision: what the data group's configuration carries (holes H10). */
  readonly decision: number;
  readonly voters: readonly NodeId[];
  readonly isSettled: boolean;
}

/** A place in a history of writes: what a server's replication id and offset say. */
export interface HistoryPoint {
  readonly history: string;
  readonly offset: number;
}

/**
 * Who takes the writes of an eventual deployment (`docs/decisions/0012`).
 *
 * It may open once the leases of `former` are over, and has opened when `history` is known: then
 * no lease of an earlier decision is alive, for ever.
 */
export interface Primary {
  /** The index of the appointment: what leases name. */
  readonly decision: number;
  readonly node: NodeId;
  /** A hand-over: the former primary pauses writes and waits for this one, and may take it back. */
  readonly isPlanned: boolean;
  /** What its server must hold to open, and whoever is appointed instead; null: nothing is. */
  readonly base: string | null;
  /** The replication id that it opened under; null: it has not. */
  readonly history: string | null;
  /** Where that history leaves the one before; null for the first, and where it goes on with it. */
  readonly from: HistoryPoint | null;
  /** The last that opened: it may hold a lease until this one has. */
  readonly former: NodeId | null;
}

/** A server of a cluster, and whose it is. */
export interface ServerOf {
  readonly node: NodeId;
  /** Forty hex digits, which the server makes; another one when its data are gone. */
  readonly server: string;
}

/**
 * How a shard got its primary. begin: it is new. planned: from one that works. force and takeover:
 * from one that does not, with and without the votes of the other primaries. again: from itself,
 * after it was started again.
 */
export const LEAD_BY = ['begin', 'planned', 'force', 'takeover', 'again'] as const;

/** Who takes the writes of a shard (`docs/decisions/0015`), as `Primary` does where it is one. */
export interface ShardLead extends ServerOf {
  readonly decision: number;
  readonly by: (typeof LEAD_BY)[number];
  /** What its server must hold to open, and whoever is appointed instead; null: nothing is. */
  readonly base: string | null;
  /** The replication id that it opened under; null: it has not. */
  readonly history: string | null;
  /** The last that opened: it may hold a lease until this one has. */
  readonly former: ServerOf | null;
}

export interface ShardsAgreed {
  /** Slots were given out once: who has none of them never begins again. */
  readonly isFounded: boolean;
  readonly leads: readonly ShardLead[];
}

/** One line of the history. `outcome` is null while it is under way. */
export interface Decision {
  readonly index: number;
  readonly atMs: number;
  readonly kind: 'found' | 'join' | 'spec' | 'data' | 'primary' | 'leave';
  readonly text: string;
  readonly outcome: string | null;
  readonly endedAtMs: number | null;
}

export interface ControlState {
  /** Null before the first leader has said it. */
  readonly spec: Spec | null;
  /** The index of its last change: what `If-Match` compares. */
  readonly specVersion: number;
  readonly members: readonly ControlMember[];
  readonly data: DataRoles;
  /** Absent in a strong deployment, and before anybody was appointed. */
  readonly primary?: Primary;
  /** Whose data are to be the first. Absent: nobody's, or a primary has opened with them. */
  readonly importer?: NodeId;
  /** Absent where servers are no cluster, and before one of them leads. */
  readonly shards?: ShardsAgreed;
  /** Oldest first. */
  readonly removed: readonly NodeId[];
  /** Oldest first. */
  readonly history: readonly Decision[];
}

export const NOTHING_AGREED: ControlState = {
  spec: null,
  specVersion: 0,
  members: [],
  data: { decision: 0, voters: [], isSettled: true },
  removed: [],
  history: [],
};

export function memberOf(state: ControlState, node: NodeId): ControlMember | null {
  return state.members.find((member) => member.node === node) ?? null;
}

/** Those that stay. */
export function activeMembers(state: ControlState): ControlMember[] {
  return state.members.filter(({ leaving }) => leaving === null);
}

/** The name that people gave it, without the id of its directory. */
export function nameOf(id: NodeId): string {
  return id.slice(0, id.lastIndexOf('@'));
}

/** It has said where it is, and so what it is. */
export function isSeen({ peerAddress }: MemberFacts): boolean {
  return peerAddress !== '';
}

export function isWitness({ witness }: MemberFacts): boolean {
  return witness === true;
}

export function isSameFacts(one: MemberFacts, other: MemberFacts): boolean {
  return (
    one.peerAddress === other.peerAddress &&
    one.clientAddress === other.clientAddress &&
    one.httpAddress === other.httpAddress &&
    one.zone === other.zone &&
    one.serverVersion === other.serverVersion &&
    one.ephemeral === other.ephemeral &&
    isWitness(one) === isWitness(other) &&
    one.sentinelAddress === other.sentinelAddress &&
    one.clusterServer === other.clusterServer
  );
}
