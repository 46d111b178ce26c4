/**
 * A power cut for one node: takes back what its processes changed and no sync covers. They must be
 * dead; what they wrote is all still there, since only they died and not the machine.
 *
 * The disk of a run is chosen per file: it lost everything, or kept a beginning of it; and where it
 * kept only a part of a write, the cut is at a sector. The names of a directory likewise.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Change, unsyncedChanges } from './undo-journal.ts';

const SECTOR_BYTES = 512;

export interface LostWrites {
  /** Writes and truncations taken back, whole or in part. */
  readonly writes: number;
  /** Creations, renames and removals taken back. */
  readonly names: number;
}

export interface PowerCut {
  readonly directory: string;
  readonly journal: string;
  readonly graves: string;
  /** 'all' is lost, or by chance (uniform in [0, 1)) a beginning is kept. */
  readonly chance: 'all' | (() => number);
}

export function loseUnsynced(cut: PowerCut): LostWrites {
  const changes = unsyncedChanges(cut.journal);
  const lost = changesLost(changes, cut.chance);
  const files = filesByInode(cut);
  // Bytes first, while the names are those that were found.
  for (const { change, keptBytes } of lost.toReversed())
    if (isOfBytes(change)) restoreBytes(files.get(change.inode), change, keptBytes);
  for (const { change } of lost.toReversed()) undoName(change, cut.graves);
  fs.truncateSync(cut.journal, 0);
  for (const name of fs.readdirSync(cut.graves)) fs.rmSync(join(cut.graves, name));
  const writes = lost.filter(({ change }) => isOfBytes(change)).length;
  return { writes, names: lost.length - writes };
}

interface Lost {
  readonly change: Change;
  /** Of a write, its first bytes that reached the disk. */
  readonly keptBytes: number;
}

function isOfBytes({ kind }: Change): boolean {
  return kind === 'write' || kind === 'truncate';
}

function changesLost(changes: readonly Change[], chance: PowerCut['chance']): readonly Lost[] {
  if (chance === 'all') return changes.map((change) => ({ change, keptBytes: 0 }));
  const lost: Lost[] = [];
  const streams = Map.groupBy(changes, (change) =>
    isOfBytes(change) ? String(change.inode) : change.paths[0].replace(/[^/]*$/, ''),
  );
  for (const stream of streams.values()) {
    const kept = Math.floor(chance() * (stream.length + 1));
    for (const [i, change] of stream.slice(kept).entries()) {
      const isTorn = i === 0 && change.kind === 'write';
      lost.push({ change, keptBytes: isTorn ? Math.floor(chance() * 8) * SECTOR_BYTES : 0 });
    }
  }
  return lost.sort((a, b) => a.change.at - b.change.at);
}

function undoName(change: Change, graves: string): void {
  const [path, to] = change.paths;
  const grave = join(graves, String(change.at));
  switch (change.kind) {
    case 'write':
    case 'truncate':
      return;
    case 'create':
      if (fs.existsSync(path)) fs.unlinkSync(path);
      return;
    case 'rename':
      // The process may have died between the note and the deed.
      if (inodeOf(to) !== change.inode) return;
      fs.renameSync(to, path);
      if (change.size === 1) fs.linkSync(grave, to);
      return;
    case 'unlink':
      if (!fs.existsSync(path)) fs.linkSync(grave, path);
      return;
  }
}

function restoreBytes(path: string | undefined, change: Change, keptBytes: number): void {
  // Gone with its last name: nobody can miss its bytes.
  if (path === undefined) return;
  const { position, size, replaced } = change;
  const file = fs.openSync(path, 'r+');
  try {
    // Sectors are counted from the beginning of the file.
    const from = keptBytes === 0 ? position : sectorAfter(position) + keptBytes - SECTOR_BYTES;
    const skip = from - position;
    if (skip < replaced.length) fs.writeSync(file, replaced, skip, replaced.length - skip, from);
    const length = fs.fstatSync(file).size;
    const isKept = keptBytes > 0 && from < length;
    fs.ftruncateSync(file, isKept ? Math.max(size, from) : size);
  } finally {
    fs.closeSync(file);
  }
}

function sectorAfter(position: number): number {
  return (Math.floor(position / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

function inodeOf(path: string): bigint | null {
  return fs.statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null;
}

function filesByInode({ directory, graves }: PowerCut): Map<bigint, string> {
  const files = new Map<bigint, string>();
  for (const parent of [directory, graves]) {
    for (const entry of fs.readdirSync(parent, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      const inode = entry.isFile() ? inodeOf(path) : null;
      if (inode !== null) files.set(inode, path);
    }
  }
  return files;
}
