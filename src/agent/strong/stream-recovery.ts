/**
 * Builds the stream index from what recovery finds: the snapshot's description and the log.
 *
 * The log may begin before the snapshot's last entry (a tail is kept for slow peers), so the offset
 * at its base is read off the first entry that has one.
 */
import { decodeConfiguration } from '../../core/raft/configuration.ts';
import type { ConfigurationAt, Entry, EntryId, SnapshotMeta } from '../../core/raft/protocol.ts';
import { isCount, logIndex, type ReplOffset, replOffset, term } from '../../core/scalars.ts';
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
  if (!isCount(offset) || !isCount(lastOffset) || !Array.isArray(reigns)) return null;
  if (typeof serverVersion !== 'string') return null;
  const marks: ReignMark[] = [];
  for (const mark of reigns as Record<string, unknown>[]) {
    const { index, term: reignTerm, replid, start } = mark;
    if (!isCount(index) || !isCount(reignTerm) || !isCount(start) || typeof replid !== 'string')
      return null;
    marks.push({ index: logIndex(index), term: reignTerm, replid, start: replOffset(start) });
  }
  return { offset, lastOffset, reigns: marks, serverVersion };
}

export function streamBaseOf(snapshot: SnapshotMeta, note: SnapshotNote): StreamBase {
  return { last: snapshot.last, offset: replOffset(note.lastOffset), reigns: note.reigns };
}

/** Takes the entries of the log in order, then gives the index. */
export class StreamRecovery {
  readonly #leading: Entry[] = [];
  /** Those of the log, for Raft. */
  readonly configurations: ConfigurationAt[] = [];
  #index: StreamIndex | null = null;

  entry(entry: Entry): void {
    const configuration = decodeConfiguration(entry.payload);
    if (configuration !== null) this.configurations.push({ index: entry.index, configuration });
    if (this.#index !== null) {
      this.#index.append(this.#index.last, [entry]);
      return;
    }
    this.#leading.push(entry);
    const stream = decodeEntry(entry.payload);
    // The base's term is told only at the end.
    if (stream?.kind === 'data' || stream?.kind === 'reign')
      this.#begin({ ...NOTHING }, stream.start);
  }

  /** `base`: the entry before the first one held. `note`: of the newest snapshot. */
  finish(base: EntryId, note: SnapshotNote | null): StreamIndex {
    const index = this.#index ?? this.#begin(base, replOffset(note?.lastOffset ?? 0));
    index.rebase(base, note?.reigns ?? []);
    return index;
  }

  #begin(base: EntryId, offset: ReplOffset): StreamIndex {
    const first = this.#leading[0]?.index ?? base.index + 1;
    const before = { index: logIndex(first - 1), term: base.term };
    this.#index = new StreamIndex({ last: before, offset, reigns: [] });
    this.#index.append(before, this.#leading);
    return this.#index;
  }
}

const NOTHING: EntryId = { index: logIndex(0), term: term(0) };
