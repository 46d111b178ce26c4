/** What `althing recover` may see and do of one data directory, whose agent is stopped. */

/** What a directory holds, as far as it shows by itself. */
export interface Survivor {
  readonly directory: string;
  /** Of the deployment. */
  readonly name: string;
  readonly deployment: string;
  readonly node: string;
  /** The end of its log. Of two, the one with the later term has more, then the higher index. */
  readonly last: { readonly term: number; readonly index: number };
  /** Bytes of the stream up to there. */
  readonly offset: number;
  /** When the log was written last, by the clock of that machine. */
  readonly writtenAtMs: number;
  /** Who counts for the data, by its own log. */
  readonly voters: readonly VoterSeen[];
  /** A recovery was begun on it, and did not come to its end. */
  readonly isUnfinished: boolean;
}

export interface VoterSeen {
  readonly node: string;
  /** Where its peers reached it, `host:port`; empty where nobody knows. */
  readonly address: string;
  readonly isSelf: boolean;
  /** Something listens there now. */
  readonly answers: boolean;
}

export interface Recovery {
  readonly survivor: Survivor;
  /** Founds the deployment anew from it; may be done again after a crash. Its new id. */
  carryOut(): Promise<string>;
  /** Lets go of the directory. */
  close(): Promise<void>;
}

/** Rejects with what is wrong with the directory, in words. */
export type OpenRecovery = (directory: string) => Promise<Recovery>;
