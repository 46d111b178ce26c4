/** The journal that the shim writes: every change of a file, with what it replaced, and the syncs. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface Change {
  readonly kind: 'write' | 'truncate' | 'create' | 'rename' | 'unlink';
  /** Where in the journal, which orders changes, and names what was buried. */
  readonly at: number;
  readonly inode: bigint;
  readonly position: number;
  /** Of the file before; of a rename: 1 when it replaced something. */
  readonly size: number;
  /** Of a rename: from, to. */
  readonly paths: readonly [string, string];
  readonly replaced: Buffer;
}

const MAGIC = 0x4a4e524c;
const HEADER_BYTES = 48;
const KINDS = [null, 'write', 'truncate', 'create', 'rename', 'unlink', 'synced', 'namesSynced'];

/** The changes that no sync covers, oldest first. */
export function unsyncedChanges(journalPath: string): readonly Change[] {
  const journal = readWhole(journalPath);
  const ofBytes = new Map<bigint, Change[]>();
  const ofNames = new Map<string, Change[]>();
  for (let at = 0; at < journal.length; ) {
    const { kind, change, end } = recordAt(journal, at);
    const [path] = change.paths;
    if (kind === 'synced') drop(ofBytes, change.inode, change.position);
    else if (kind === 'namesSynced') drop(ofNames, path, change.position);
    else if (kind === 'write' || kind === 'truncate') add(ofBytes, change.inode, change);
    else add(ofNames, path.slice(0, path.lastIndexOf('/')), change);
    at = end;
  }
  return [...ofBytes.values(), ...ofNames.values()].flat().sort((a, b) => a.at - b.at);
}

function recordAt(journal: Buffer, at: number) {
  // A process that is killed inside its write leaves nothing of it, or all: one call, to memory.
  if (at + HEADER_BYTES > journal.length || journal.readUInt32LE(at) !== MAGIC)
    throw new Error(`the journal of changes is not readable at byte ${at}`);
  const kind = KINDS[journal.readUInt32LE(at + 4)];
  if (kind === null || kind === undefined) throw new Error(`an unknown change at byte ${at}`);
  const firstBytes = journal.readUInt32LE(at + 32);
  const secondBytes = journal.readUInt32LE(at + 36);
  const firstAt = at + HEADER_BYTES;
  const replacedAt = firstAt + firstBytes + secondBytes;
  const end = replacedAt + Number(journal.readBigUInt64LE(at + 40));
  const first = journal.toString('utf8', firstAt, firstAt + firstBytes);
  const change = {
    kind: kind as Change['kind'],
    at,
    inode: journal.readBigUInt64LE(at + 8),
    position: Number(journal.readBigInt64LE(at + 16)),
    size: Number(journal.readBigInt64LE(at + 24)),
    paths: [first, journal.toString('utf8', firstAt + firstBytes, replacedAt)] as const,
    replaced: journal.subarray(replacedAt, end),
  };
  return { kind, change, end };
}

function add<Key>(to: Map<Key, Change[]>, key: Key, change: Change): void {
  const list = to.get(key);
  if (list === undefined) to.set(key, [change]);
  else list.push(change);
}

function drop<Key>(from: Map<Key, Change[]>, key: Key, before: number): void {
  const left = from.get(key)?.filter(({ at }) => at >= before) ?? [];
  if (left.length === 0) from.delete(key);
  else from.set(key, left);
}

/** In parts: what one call reads is bounded. */
function readWhole(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(file).size);
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(file, bytes, at, Math.min(bytes.length - at, 1 << 26), at);
      if (count === 0) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
