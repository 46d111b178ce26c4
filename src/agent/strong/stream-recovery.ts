/**
 * Builds the stream index from what recovery finds: the snapshot's description and the log.
 *
 * The log may begin before the snapshot's last entry (a tail is kept for slow peers), so the offset
 * at its base is read off the first entry that has one.
 */
import type { Entry, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import { logIndex, type ReplOffset, replOffset } from '../../core/scalars.ts';
import { decodeEntry } from './entry.ts';
import { type ReignMark, type StreamBase, StreamIndex } from './stream-index.ts';

/** What a data group's snapshot says beside the RDB. */
export interface SnapshotNote {
  /** The stream offset at which the RDB was taken; inside or after entry `last`. */
  readonly offset: number;
  /** Where the stream stands after entry `last`. */
  readonly lastOffset: number;
  readonly reigns: readonly ReignMark[];
  readonly serverVersion: string;
}

/** Null when it is not what this version writes. */
export function readSnapshotNote(extra: Readonly<Record<string, unknown>>): SnapshotNote | null {
  const { offset, lastOffset, reigns, serverVersion } = extra;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value);
  if (!isCount(offset) || !isCount(lastOffset) || !Array.isArray(reigns)) return null;
  if (typeof serverVersion !== 'string') return null;
  const marks: ReignMark[] = [];
  for (const mark of reigns as Record<string, unknown>[]) {
    const { index, term, replid, start } = mark;
    if (!isCount(index) || !isCount(term) || !isCount(start) || typeof replid !== 'string')
      return null;
    marks.push({ index: logIndex(index), term, replid, start: replOffset(start) });
  }
  return { offset, lastOffset, reigns: marks, serverVersion };
}

export function streamBaseOf(snapshot: SnapshotMeta, note: SnapshotNote): StreamBase {
  return { last: snapshot.last, offset: replOffset(note.lastOffset), reigns: note.reigns };
}

/** Takes the entries of the log in order, then gives the index. */
export class StreamRecovery {
  #leading: Entry[] = [];
  #index: StreamIndex | null = null;
  #base: EntryId | null = null;
  readonly #reigns: readonly ReignMark[];

  constructor(note: SnapshotNote | null) {
    this.#reigns = note?.reigns ?? [];
  }

  /** `base`: the entry before the first one held. */
  entry(base: EntryId, entry: Entry): void {
    this.#base = base;
    if (this.#index !== null) {
      this.#index.append(this.#index.last, [entry]);
      return;
    }
    const stream = decodeEntry(entry.payload);
    this.#leading.push(entry);
    if (stream !== null && stream.kind !== 'noop') this.#begin(base, stream.start);
  }

  /** `offset`: where the stream stands at `base` if no entry says it. */
  finish(base: EntryId, offset: ReplOffset): StreamIndex {
    return this.#index ?? this.#begin(this.#base ?? base, offset);
  }

  #begin(base: EntryId, offset: ReplOffset): StreamIndex {
    const reigns = this.#reigns.filter((reign) => reign.index <= base.index);
    this.#index = new StreamIndex({ last: base, offset, reigns });
    this.#index.append(base, this.#leading);
    this.#leading = [];
    return this.#index;
  }
}
