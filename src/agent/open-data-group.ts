/** Opens the data group's files, or creates them once, and rebuilds the stream index from them. */
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import { type OpenedGroup, type OpenGroupResult, openGroup } from '../io/storage/recovery.ts';
import { DATA_GROUP } from './data-group.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { OwnIdentity } from './own-identity.ts';
import type { StreamIndex } from './strong/stream-index.ts';
import { readSnapshotNote, StreamRecovery } from './strong/stream-recovery.ts';

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
export async function openDataGroup(
  options: OpenDataGroupOptions,
): Promise<{ readonly opened: OpenedGroup; readonly index: StreamIndex }> {
  const { disk, directory, identity, logLimitBytes, journal, onFailure } = options;
  const recovery = new StreamRecovery();
  const opened = await new Promise<OpenGroupResult>((resolve) => {
    openGroup(
      disk,
      directory,
      {
        group: DATA_GROUP,
        // A node that took part once and finds no log has lost what it promised.
        mustExist: identity.now.logCreated,
        segmentBytes: segmentBytesFor(logLimitBytes),
        cacheBytes: LIMITS.tailCacheBytes,
        onFailure,
      },
      (entry) => recovery.entry(entry),
      resolve,
    );
  });
  if (!opened.ok) throw opened.error;
  if (!identity.now.logCreated) await identity.update(() => ({ logCreated: true }));
  if (opened.tornBytes > 0) journal.warn('log.tornTailCut', { bytes: opened.tornBytes });
  const note = opened.extra === null ? null : readSnapshotNote(opened.extra);
  if (opened.extra !== null && note === null)
    throw new Error('SNAPSHOT_UNKNOWN: the snapshot was written by another version of althing');
  return { opened, index: recovery.finish(opened.base, note) };
}

/** Compaction drops whole segments: several of them fit into the limit. */
function segmentBytesFor(logLimitBytes: number): number {
  const wanted = Math.floor(logLimitBytes / LIMITS.segmentsPerLimit);
  return Math.min(LIMITS.segmentBytes, Math.max(LIMITS.segmentBytesMin, wanted));
}
