/**
 * What an eventual shard's role is played on: this node's server with its warden, and a file. Calls
 * return at once; what comes of them are events, or the one call of `done`.
 */
import type { HistoryPoint } from '../../core/control/state.ts';

/** As the `history` of a server that was emptied for data that have not come. */
export const NO_HISTORY = '0'.repeat(40);

/** How a server says that it stands. */
export interface ServerSeen {
  readonly role: 'primary' | 'replica';
  /** Its replication id and offset: of the agreed history only where that is known otherwise. */
  readonly history: string;
  readonly offset: number;
  /** Where it left the history before its promotion; null: that was not in this life. */
  readonly leftAt: number | null;
  /** Whom it follows, `host:port`; null: nobody. */
  readonly upstream: string | null;
  readonly isLinkUp: boolean;
  /** It has no data to speak of: it reads them from disk, or takes somebody else's. */
  readonly isLoading: boolean;
  /** Whether it would have all that it holds after it was killed. */
  readonly isOnDisk: boolean;
  /** It takes no writes of clients, though it be a primary. */
  readonly isShut: boolean;
  /** So many replicas an open one needs to take them; of one that is shut it says nothing. */
  readonly minReplicas: number;
  /** The id that it has in its cluster; absent: it is no node of one. */
  readonly clusterServer?: string;
  /** Those that follow it: where clients find them, `host:port`, and what they have. */
  readonly replicas: readonly { readonly address: string; readonly offset: number }[];
}

export type ServerStep =
  /** To take no more writes of clients. */
  | { readonly kind: 'shut' }
  /** To take them while so many replicas follow it, once the warden knows until when it may. */
  | { readonly kind: 'open'; readonly untilMs: number; readonly minReplicas: number }
  /** To keep clients' writes waiting for so long, in ms, and expiry with them. */
  | { readonly kind: 'pause'; readonly forMs: number }
  /** To be a replica of nobody. It is seen to be one before this is done. */
  | { readonly kind: 'detach' }
  | { readonly kind: 'follow'; readonly address: string }
  /**
   * To be a primary, still shut, with a history that begins where it stands. `by`, of a replica in
   * a cluster: it is told to take the place of its primary in this way, and will be seen to have.
   */
  | { readonly kind: 'promote'; readonly by?: TakeOver };

/** planned: in agreement with its primary. force: by a vote. takeover: without one. */
export type TakeOver = 'planned' | 'force' | 'takeover';

export interface EventualServer {
  /** Shut, and a replica of nobody. Its life is told by `up` or `down`. */
  start(life: number): void;
  /** At once, whatever it does; `down` follows. */
  kill(life: number, why: string): void;
  /** Answered by `seen` or `busy`. */
  look(life: number): void;
  take(life: number, step: ServerStep, done: (ok: boolean) => void): void;
  /** The warden lets it be open until then: monotonic, ms. */
  extend(life: number, untilMs: number): void;
  /** It has been seen to be shut, or no primary: there is nothing to end. */
  disarm(life: number): void;
}

export interface EventualServerEvents {
  /** It is about to start with no data. `done`: it may. */
  empty(life: number, done: () => void): void;
  up(life: number): void;
  /** Its process is gone. */
  down(life: number, why: string): void;
  seen(life: number, seen: ServerSeen): void;
  /** It runs a script and answers nothing else. */
  busy(life: number): void;
}

/** What the data beside it are, the last time that this was known; lower bounds. */
export interface DataRecord {
  /** Of an agreed history; null: of none, or of which is not known. */
  readonly point: HistoryPoint | null;
  /** Their server was promoted there, into a history that may have been agreed on since. */
  readonly begun: Begun | null;
}

export interface Begun extends HistoryPoint {
  /** By which it was: as long as that is in force, the history may still be agreed on. */
  readonly decision: number;
  /** Whether its data up to there were on disk by then: else a restart has older ones. */
  readonly isOnDisk: boolean;
}

export const NO_RECORD: DataRecord = { point: null, begun: null };

/** Survives the server, and lies beside its data. */
export interface KeptRecord {
  readonly record: DataRecord;
  /** Durable when `done` is called. */
  save(record: DataRecord, done: () => void): void;
}
