/** Opens a shard's files, or creates them once, and rebuilds the stream index from them. */
import type { ConfigurationAt } from '../../core/raft/protocol.ts';
import type { StorageError } from '../../io/storage/errors.ts';
import type { Disk } from '../../io/storage/ports.ts';
import { type OpenedGroup, type OpenGroupOptions, openGroup } from '../../io/storage/recovery.ts';
import type { StreamIndex } from '../strong/stream-index.ts';
import { readSnapshotNote, StreamRecovery } from '../strong/stream-recovery.ts';

export interface OpenedShard {
  readonly ok: true;
  readonly opened: OpenedGroup;
  readonly index: StreamIndex;
  /** Those of the entries held. */
  readonly configurations: readonly ConfigurationAt[];
}

export type OpenShardResult =
  | OpenedShard
  /** Names the file and what is wrong with it. */
  | {
      readonly ok: false;
      readonly error: StorageError | Error;
      readonly repaired: readonly StorageError[];
    };

export function openShard(
  disk: Disk,
  directory: string,
  options: OpenGroupOptions,
  done: (result: OpenShardResult) => void,
): void {
  const recovery = new StreamRecovery();
  const onEntry = recovery.entry.bind(recovery);
  openGroup(disk, directory, options, onEntry, (opened) => {
    if (!opened.ok) {
      done(opened);
      return;
    }
    const note = opened.extra === null ? null : readSnapshotNote(opened.extra);
    if (opened.extra !== null && note === null) {
      const text = 'SNAPSHOT_UNKNOWN: the snapshot was written by another version of althing';
      done({ ok: false, error: new Error(text), repaired: opened.repaired });
      return;
    }
    const index = recovery.finish(opened.base, note);
    done({ ok: true, opened, index, configurations: recovery.configurations });
  });
}
