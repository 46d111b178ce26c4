/** Opens the files of a group, or creates them once: what the simulator runs, as a promise. */
import type { GroupId } from '../core/scalars.ts';
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { OpenedGroup, OpenGroupOptions } from '../io/storage/recovery.ts';
import { CONTROL_GROUP } from './control/control-group.ts';
import { type OpenedControl, openControl } from './control/open-control.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { OwnIdentity } from './own-identity.ts';
import { DATA_GROUP } from './shard/data-group.ts';
import { type OpenedShard, openShard } from './shard/open-shard.ts';

export interface OpenOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: OwnIdentity;
  readonly journal: Journal;
  /** The open store failed: this node ends. */
  readonly onFailure: (error: StorageError) => void;
}

interface Opened {
  readonly ok: true;
  readonly opened: OpenedGroup;
}

interface NotOpened {
  readonly ok: false;
  readonly error: Error;
  readonly repaired: readonly StorageError[];
}

/** How a group's files are opened, and where the identity says that they were created. */
interface Kind<Files extends Opened> {
  readonly group: GroupId;
  readonly created: 'logCreated' | 'controlCreated';
  readonly segmentBytes: number;
  readonly cacheBytes: number;
  readonly open: (
    disk: Disk,
    directory: string,
    options: OpenGroupOptions,
    done: (result: Files | NotOpened) => void,
  ) => void;
}

/** Rejects with an error that names the file and what is wrong with it. */
export function openControlGroup(options: OpenOptions): Promise<OpenedControl> {
  return openOnce<OpenedControl>(options, {
    group: CONTROL_GROUP,
    created: 'controlCreated',
    segmentBytes: LIMITS.controlSegmentBytes,
    cacheBytes: LIMITS.controlCacheBytes,
    open: openControl,
  });
}

/** Rejects with an error that names the file and what is wrong with it. */
export function openDataGroup(options: OpenOptions, logLimitBytes: number): Promise<OpenedShard> {
  return openOnce<OpenedShard>(options, {
    group: DATA_GROUP,
    created: 'logCreated',
    segmentBytes: segmentBytesFor(logLimitBytes),
    cacheBytes: LIMITS.tailCacheBytes,
    open: openShard,
  });
}

async function openOnce<Files extends Opened>(
  { disk, directory, identity, journal, onFailure }: OpenOptions,
  { group, created, segmentBytes, cacheBytes, open }: Kind<Files>,
): Promise<Files> {
  // A node that took part once and finds no log has lost what it promised.
  const mustExist = identity.now[created] === true;
  const result = await new Promise<Files | NotOpened>((resolve) => {
    open(disk, directory, { group, mustExist, segmentBytes, cacheBytes, onFailure }, resolve);
  });
  const { repaired } = result.ok ? result.opened : result;
  for (const { code, path, text } of repaired)
    journal.warn('storage.repaired', { code, path, text });
  if (!result.ok) throw result.error;
  if (!mustExist) await identity.update(() => ({ [created]: true }));
  const { tornBytes } = result.opened;
  if (tornBytes > 0) journal.warn('log.tornTailCut', { group, bytes: tornBytes });
  return result;
}

/** Compaction drops whole segments: several of them fit into the limit. */
function segmentBytesFor(logLimitBytes: number): number {
  const wanted = Math.floor(logLimitBytes / LIMITS.segmentsPerLimit);
  return Math.min(LIMITS.segmentBytes, Math.max(LIMITS.segmentBytesMin, wanted));
}
