/** What a door may see of the agent. The JSON of `GET /status` is exactly `Status`. */

import type { Decision, MemberFacts } from '../core/control/state.ts';
import type { ReadsMode } from '../core/reads-mode.ts';
import type { Topology } from './topology.ts';

/**
 * In an eventual deployment `primary` and `replica`, as it was agreed on. In the data group of a
 * strong one: `learner` gets everything and does not vote, `witness` votes and has no
 * server, `spare` is a node that the spec does not need for the data, `removed` one that was taken
 * out for good.
 */
export type Role =
  | 'leader'
  | 'follower'
  | 'primary'
  | 'replica'
  | 'candidate'
  | 'learner'
  | 'witness'
  | 'spare'
  | 'starting'
  | 'removed';

/** In the control group; `none`: not in it yet, or not any more. */
export type ControlRole = 'leader' | 'follower' | 'candidate' | 'learner' | 'starting' | 'none';

export interface Member {
  readonly node: string;
  readonly role: Role | 'unreachable';
  /** Where its clients connect, `host:port`; empty while it was never seen. */
  readonly address: string;
  /** In many shards: the node whose shard it has, its own name of a primary; absent: none. */
  readonly shard?: string;
  /** Committed bytes of the stream that it has not acknowledged; null when nobody knows. */
  readonly lagBytes: number | null;
}

/** Something wrong, in words: what it is, and what to do about it. */
export interface Problem {
  /** Stable, UPPER_SNAKE. */
  readonly code: string;
  readonly text: string;
  readonly todo: string;
}

export interface Status {
  /** Of the agent. */
  readonly version: string;
  readonly name: string;
  /** The deployment id; empty until one is founded. */
  readonly deployment: string;
  readonly node: string;
  readonly role: Role;
  readonly consistency: 'strong' | 'eventual';
  /** The node that leads, or is the primary; null when none is known. */
  readonly leader: string | null;
  /** Of the data group; in an eventual deployment the decision that names the primary. */
  readonly term: number;
  /** Whom this node gave its vote in that term, null for nobody. */
  readonly votedFor: string | null;
  readonly pid: number;
  /** Threads that serve clients; 0: the main one does. */
  readonly relayThreads: number;
  readonly server: { readonly pid: number | null; readonly version: string };
  /**
   * Stream offsets: executed by this node's server as primary, committed, applied to its server.
   */
  readonly offsets: {
    readonly executed: number;
    readonly committed: number;
    readonly applied: number;
  };
  /**
   * Its size on disk, the entries that it holds, and the index of the last one: held, committed,
   * and applied to this node's server (0 for a witness, and while the server is behind the log).
   */
  readonly log: {
    readonly bytes: number;
    readonly entries: number;
    readonly last: number;
    readonly committed: number;
    readonly applied: number;
  };
  readonly snapshot: { readonly bytes: number; readonly offset: number };
  readonly control: {
    readonly role: ControlRole;
    readonly leader: string | null;
    readonly term: number;
    readonly voters: readonly string[];
  };
  /** What is wanted of the deployment; null while that is not agreed on. */
  readonly spec: SpecView | null;
  /** Of the server beside this node: whether it has what the spec wants. */
  readonly settings: readonly SettingView[];
  readonly members: readonly Member[];
  /** Absent where there is one. */
  readonly shards?: ShardsView;
  /** Where this node looks for others, beside the typed list of peers. */
  readonly discovery: readonly SourceView[];
  readonly problems: readonly Problem[];
}

/** The shards of a deployment whose servers are a cluster. */
export interface ShardsView {
  /** All slots take writes, as far as this node knows. */
  readonly isServed: boolean;
  readonly shards: readonly {
    /** Names of nodes. */
    readonly primary: string;
    readonly replicas: readonly string[];
    /** As the server of this node has heard. */
    readonly slots: number;
    /** It may take writes, while it has its lease. */
    readonly hasOpened: boolean;
  }[];
  /** What has to be otherwise before there is more to do, in words. */
  readonly waits: readonly string[];
  /** Slots on their way, since they began to move; null: none are. */
  readonly move: {
    readonly slots: number;
    readonly slotsLeft: number;
    readonly keys: number;
    readonly slotsPerSecond: number;
  } | null;
}

/** A source of addresses, as it was written, and how it fares. */
export interface SourceView {
  readonly source: string;
  /** `host:port` each: of its last answer, and of earlier ones still kept. */
  readonly addresses: readonly string[];
  /** Null: it has never answered. */
  readonly lastAnswer: { readonly msAgo: number; readonly addresses: number } | null;
  /** Null when the last look was well. */
  readonly lastError: { readonly msAgo: number; readonly text: string } | null;
  /** Null while it is looking, or watching, or has nothing more to ask. */
  readonly nextTryInMs: number | null;
}

export interface SpecView {
  /** Grows with every change. */
  readonly version: number;
  /** Of an eventual deployment whose servers are a cluster. */
  readonly shards?: number;
  /** Copies of the data, or of each shard, beside the leader's. */
  readonly replicas: number;
  /** A time like `10m`, or `never`. */
  readonly forgetAfter: string;
  /** Who answers reads that come in on a follower. */
  readonly reads: ReadsMode;
  /** Settings of all servers, by name. */
  readonly server: Readonly<Record<string, string>>;
  /** In an eventual deployment: a failover that loses more bytes waits; null: none does. */
  readonly maxLostBytes?: number | null;
  /** In an eventual deployment: its primary takes writes while so many follow it. */
  readonly minReplicasToWrite?: number;
}

/** A setting of the own server that is wanted, or was. */
export interface SettingView {
  readonly name: string;
  /** Null: it was taken out of the spec. */
  readonly value: string | null;
  /** Why it is not in force here yet, in words; null when it is. */
  readonly pending: string | null;
}

/** A node as it was agreed on, with what it says of itself. */
export interface AssemblyMember extends MemberFacts {
  readonly node: string;
  /** Its name and the beginning of its directory's id: two may have one name for a while. */
  readonly id: string;
  readonly role: Member['role'];
  readonly control: 'voter' | 'learner';
  /** Why it leaves; null when it stays. */
  readonly leaving: string | null;
}

export interface AssemblyView {
  readonly members: readonly AssemblyMember[];
  /** The last ones, oldest first, each with its reason and what became of it. */
  readonly decisions: readonly Decision[];
}

export interface Peer {
  readonly node: string;
  /** `host:port`, as it says itself; empty while not known. */
  readonly peerAddress: string;
  readonly httpAddress: string;
}

/** The JSON of `GET /peers` is exactly this: how others learn of nodes that they do not know. */
export interface PeerList {
  readonly name: string;
  /** The deployment id; empty until one is founded. */
  readonly deployment: string;
  /** This node first, then those it is connected to now: never what it has merely heard of. */
  readonly peers: readonly Peer[];
}

/** Process counters for /metrics; names without the `althing_` prefix. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface View {
  status(): Status;
  /** Who is a member, and what was decided and why. */
  assembly(): AssemblyView;
  peers(): PeerList;
  /** Who serves the data, and where. */
  topology(): Topology;
  /** True when clients can be served through this node now: open leader, or a path to one. */
  isReady(): boolean;
  /** True when this node is leader and open to clients. */
  isOpenLeader(): boolean;
  /** True when the server beside this node answers and is level or following. */
  isHealthy(): boolean;
  samples(): readonly Sample[];
  /** INFO of the server as text, null when it does not answer. */
  serverInfo(): Promise<string | null>;
  /** Every bound of the program with its reason, for `status --limits`. */
  limits(): readonly { readonly name: string; readonly value: number; readonly why: string }[];
}
