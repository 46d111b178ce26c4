/** Opens the control group's files, or creates them once, as a promise. */
import type { StorageError } from '../io/storage/errors.ts';
import type { Disk } from '../io/storage/ports.ts';
import { CONTROL_GROUP } from './control/control-group.ts';
import { type OpenControlResult, type OpenedControl, openControl } from './control/open-control.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { OwnIdentity } from './own-identity.ts';

export interface OpenControlGroupOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: OwnIdentity;
  readonly journal: Journal;
  /** The open store failed: this node ends. */
  readonly onFailure: (error: StorageError) => void;
}

/** Rejects with an error that names the file and what is wrong with it. */
export async function openControlGroup(options: OpenControlGroupOptions): Promise<OpenedControl> {
  const { disk, directory, identity, journal, onFailure } = options;
  const result = await new Promise<OpenControlResult>((resolve) => {
    const open = {
      group: CONTROL_GROUP,
      // A node that took part once and finds no log has lost what it promised.
      mustExist: identity.now.controlCreated === true,
      segmentBytes: LIMITS.controlSegmentBytes,
      cacheBytes: LIMITS.controlCacheBytes,
      onFailure,
    };
    openControl(disk, directory, open, resolve);
  });
  const { repaired } = result.ok ? result.opened : result;
  for (const { code, path, text } of repaired)
    journal.warn('storage.repaired', { code, path, text });
  if (!result.ok) throw result.error;
  if (identity.now.controlCreated !== true) await identity.update(() => ({ controlCreated: true }));
  const { tornBytes } = result.opened;
  if (tornBytes > 0) journal.warn('log.tornTailCut', { group: CONTROL_GROUP, bytes: tornBytes });
  return result;
}
