/** Opens the data group's files, or creates them once: what the simulator runs, as a promise. */
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { OwnIdentity } from './own-identity.ts';
import { DATA_GROUP } from './shard/data-group.ts';
import { type OpenedShard, type OpenShardResult, openShard } from './shard/open-shard.ts';

export interface OpenDataGroupOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: OwnIdentity;
  readonly logLimitBytes: number;
  readonly journal: Journal;
  /** The open store failed: this node ends. */
  readonly onFailure: (error: StorageError) => void;
}

/** Rejects with a StorageError that names the file and what is wrong with it. */
export async function openDataGroup(options: OpenDataGroupOptions): Promise<OpenedShard> {
  const { disk, directory, identity, logLimitBytes, journal, onFailure } = options;
  const result = await new Promise<OpenShardResult>((resolve) => {
    const open = {
      group: DATA_GROUP,
      // A node that took part once and finds no log has lost what it promised.
      mustExist: identity.now.logCreated,
      segmentBytes: segmentBytesFor(logLimitBytes),
      cacheBytes: LIMITS.tailCacheBytes,
      onFailure,
    };
    openShard(disk, directory, open, resolve);
  });
  const { repaired } = result.ok ? result.opened : result;
  for (const { code, path, text } of repaired)
    journal.warn('storage.repaired', { code, path, text });
  if (!result.ok) throw result.error;
  if (!identity.now.logCreated) await identity.update(() => ({ logCreated: true }));
  const { tornBytes } = result.opened;
  if (tornBytes > 0) journal.warn('log.tornTailCut', { bytes: tornBytes });
  return result;
}

/** Compaction drops whole segments: several of them fit into the limit. */
function segmentBytesFor(logLimitBytes: number): number {
  const wanted = Math.floor(logLimitBytes / LIMITS.segmentsPerLimit);
  return Math.min(LIMITS.segmentBytes, Math.max(LIMITS.segmentBytesMin, wanted));
}
