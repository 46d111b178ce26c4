/** What `althing cluster` may see and do of a cluster of servers, whoever runs it. */
import type { MoveWay } from '../core/cluster/migrations.ts';
import type { ClusterNodeId } from '../core/cluster/nodes-text.ts';
import type { Observation, SeenNode } from '../core/cluster/observation.ts';
import type { Slot } from '../core/cluster/slots.ts';
import type { Step } from '../core/cluster/steps.ts';
import type { Reply } from '../core/resp/reply-reader.ts';

export interface ClusterAddress {
  readonly host: string;
  readonly port: number;
}

export interface ClusterAccess {
  /** Empty for the default user. */
  readonly user: string;
  /** Empty for none. */
  readonly password: string;
  /** Null for a plain connection; names of files. */
  readonly tls: ClusterTls | null;
}

export interface ClusterTls {
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly serverName: string | null;
  /** Any certificate will do. */
  readonly isInsecure: boolean;
}

/** How keys are moved. */
export interface MovePace {
  /** Most keys at a time. */
  readonly keysMax: number;
  /** Null for as fast as it goes. */
  readonly keysPerSecond: number | null;
  readonly keyBytesMax: number;
  /** Of one batch. */
  readonly migrateMsMax: number;
  /** Of a key that is on both sides with two values, the giving side's counts. */
  readonly replace: boolean;
  readonly way: MoveWay;
}

/** What has been moved since the last report. */
export interface Moved {
  readonly slots: number;
  readonly keys: number;
  /** Where servers move whole slots: what they are at, in their words. */
  readonly state?: string;
}

/** Every method rejects with an `Error` that has a `code`, in words, when a node fails it. */
export interface Cluster {
  observe(): Promise<Observation>;
  /** Looks until nothing is open that passes by itself, or `msMax` are over. */
  settled(msMax: number): Promise<Observation>;
  /** One node, whether it belongs to a cluster or not. */
  look(address: ClusterAddress): Promise<SeenNode>;
  /** An empty node forgets all it knew and takes a new id, since the old one may be banned. */
  renew(node: SeenNode): Promise<SeenNode>;
  countKeys(
    nodes: readonly SeenNode[],
    slots: readonly Slot[],
  ): Promise<(node: ClusterNodeId, slot: Slot) => number>;
  /** `seen` has every node that a step names. What stayed undone, in words. */
  carryOut(order: ClusterOrder): Promise<readonly string[]>;
  /** One command on one node; texts of its reply have one character per byte. */
  call(node: ClusterAddress, words: readonly string[]): Promise<Reply>;
  close(): Promise<void>;
}

export interface ClusterOrder {
  readonly steps: readonly Step[];
  readonly seen: Observation;
  readonly pace: MovePace;
  readonly onMoved: (moved: Moved) => void;
  /** Something that people should know, and that is no fault. */
  readonly onNote: (text: string) => void;
  /** Ends after what is under way; no slot stays open. */
  readonly signal: AbortSignal;
}

/** Rejects when a file that was named cannot be read. */
export type OpenCluster = (entry: ClusterAddress, access: ClusterAccess) => Promise<Cluster>;
