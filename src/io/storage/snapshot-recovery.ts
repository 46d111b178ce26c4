/**
 * Verifies the snapshots that a start finds, every byte of them, and says which of the damaged ones
 * the log makes superfluous.
 *
 * A damaged snapshot may go when everything that it stands for is still held: by a newer sound one,
 * or by the log, from a point that a sound one (or the very beginning) reaches up to and past the
 * snapshot's own last entry. So its description must be sound, or nobody knows what it stood for.
 */
import type { SnapshotMeta } from '../../core/raft/protocol.ts';
import type { EntryTable } from './entry-table.ts';
import { StorageError } from './errors.ts';
import type { Disk } from './ports.ts';
import { type SnapshotContent, snapshotName, verifySnapshot } from './snapshot-file.ts';

export interface DamagedSnapshot {
  readonly name: string;
  readonly error: StorageError;
  /** What it stood for; null when that is damaged too. */
  readonly described: SnapshotMeta | null;
}

export interface FoundSnapshots {
  readonly newest: SnapshotContent | null;
  readonly damaged: readonly DamagedSnapshot[];
}

/** Fails only when the disk does, or a newer version wrote one of the files. */
export function verifySnapshots(
  disk: Disk,
  directory: string,
  ids: readonly string[],
  done: (error: StorageError | null, found: FoundSnapshots) => void,
): void {
  let newest: SnapshotContent | null = null;
  const damaged: DamagedSnapshot[] = [];
  const verifyFrom = (i: number): void => {
    const id = ids[i];
    if (id === undefined) {
      done(null, { newest, damaged });
      return;
    }
    const name = snapshotName(id);
    const path = `${directory}/${name}`;
    disk.open(path, 'existing', (openError, file) => {
      if (file === null) return done(openError, { newest, damaged });
      verifySnapshot(disk, file, (verifyError, content, described) => {
        file.close(() => {
          const error = verifyError ?? misnamed(path, id, content);
          if (error?.code === 'SNAPSHOT_CHECKSUM') damaged.push({ name, error, described });
          else if (error !== null) return done(error, { newest, damaged });
          else if (content !== null && content.meta.last.index > (newest?.meta.last.index ?? -1))
            newest = content;
          verifyFrom(i + 1);
        });
      });
    });
  };
  verifyFrom(0);
}

/** A file that somebody renamed: by that name nobody would find it again. */
function misnamed(path: string, id: string, content: SnapshotContent | null): StorageError | null {
  const found = content?.meta.id ?? id;
  if (found === id) return null;
  return new StorageError('SNAPSHOT_CHECKSUM', { path, text: `holds snapshot ${found}` });
}

/** The first damaged snapshot that nothing makes up for; `table` is null when there is no log. */
export function irreplaceable(
  { newest, damaged }: FoundSnapshots,
  table: EntryTable | null,
): StorageError | null {
  const reached = newest?.meta.last.index ?? 0;
  const isLogReached = table !== null && table.base.index <= reached;
  for (const { described, error } of damaged) {
    if (described === null) return error;
    const { index, term } = described.last;
    const isHeld = isLogReached && table.termAt(index) === term;
    if (index > reached && !isHeld) return error;
  }
  return null;
}
