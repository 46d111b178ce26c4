/** What `althing restore` and `althing backup` may see and do of data, here and elsewhere. */
import type { BackupShard } from '../core/dataset/backup-manifest.ts';
import type { DatabaseChoice } from '../core/dataset/databases.ts';
import type { TypeTally } from '../core/dataset/tally.ts';
import type { ClusterAccess, ClusterAddress } from './cluster.ts';

export interface RestoreOrder {
  readonly from: string;
  /** The server program that loads it; null: found as a node finds its own. */
  readonly program: string | null;
  readonly target: ClusterAddress;
  readonly access: ClusterAccess;
  /** None: all, each where it was. */
  readonly databases: readonly DatabaseChoice[];
  /** What the target has already: `compare` counts what is the same as done. */
  readonly existing: 'compare' | 'replace' | 'skip';
}

/** Data of one server. */
export interface ShardFound {
  readonly path: string;
  /** Database and number of keys. */
  readonly databases: readonly (readonly [number, number])[];
  /** Names of libraries. */
  readonly functions: readonly string[];
  /** What people should know: an end that is cut off, for one. */
  readonly notes: readonly string[];
}

export interface RestoreSurvey {
  readonly shards: readonly ShardFound[];
  /** What loaded them: product and version. */
  readonly loader: string;
  readonly target: {
    readonly name: string;
    readonly product: string;
    readonly isCluster: boolean;
    readonly primaries: number;
  };
  readonly moves: readonly DatabaseChoice[];
  /** Databases that are not wanted. */
  readonly left: readonly number[];
  readonly keys: number;
  /** In words, why nothing of it can be done; null when it can. */
  readonly refusal: string | null;
}

export interface RestoreProgress {
  readonly phase: 'put' | 'compare';
  readonly keys: number;
  readonly bytes: number;
}

export interface RestoreOutcome {
  readonly types: readonly (TypeTally & { readonly type: string })[];
  /** Keys that this run put, and those that something had already. */
  readonly put: number;
  readonly there: number;
  /** What was found when all was compared. */
  readonly compared: number;
  readonly missing: number;
  readonly differing: number;
  readonly named: readonly { readonly key: string; readonly what: 'missing' | 'differs' }[];
  readonly digests: readonly { readonly source: string; readonly target: string }[];
  /** A backup that does not hold what it held: names of files. */
  readonly changed: readonly string[];
  readonly functions: {
    readonly put: readonly string[];
    readonly same: readonly string[];
    readonly differing: readonly string[];
  };
  readonly isInterrupted: boolean;
}

/** Every method rejects with an `Error` that has a `code`, in words, when somebody fails it. */
export interface Restore {
  readonly survey: RestoreSurvey;
  carryOut(
    onProgress: (progress: RestoreProgress) => void,
    signal: AbortSignal,
  ): Promise<RestoreOutcome>;
  /** Nothing of ours is left running. */
  close(): Promise<void>;
}

/** `onLoading`: which file, and how much of it is loaded, in percent. */
export type OpenRestore = (
  order: RestoreOrder,
  onLoading: (path: string, percent: number) => void,
  signal: AbortSignal,
) => Promise<Restore>;

export interface BackupOrder {
  /** Any node of what is to be backed up. */
  readonly from: ClusterAddress;
  readonly access: ClusterAccess;
  /** Where backups are. */
  readonly to: string;
  /** The server program that looks whether it can be loaded; null: as a node finds its own. */
  readonly program: string | null;
  /** Of this many none goes; null: none goes at all. */
  readonly keep: number | null;
}

export interface BackupTaken {
  readonly name: string;
  readonly shards: readonly BackupShard[];
  /** Names of those that went, since there are newer ones. */
  readonly gone: readonly string[];
}

export interface BackupSeen {
  readonly name: string;
  readonly takenAt: string;
  readonly shards: number;
  readonly keys: number;
  readonly bytes: number;
  /** In words; null when nothing is seen to be wrong. */
  readonly damage: string | null;
}

/** Every method rejects with an `Error` that has a `code`, in words, when somebody fails it. */
export interface Backups {
  /** `onStep`: what is done now, in words. */
  take(
    order: BackupOrder,
    onStep: (text: string) => void,
    signal: AbortSignal,
  ): Promise<BackupTaken>;
  /** The oldest first. `isThorough`: every byte is read. */
  list(directory: string, isThorough: boolean): Promise<readonly BackupSeen[]>;
}
