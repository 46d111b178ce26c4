/** What lies in the directory of a group, by name. */
import { segmentName, sequenceOf } from './segment.ts';
import { snapshotIdOf } from './snapshot-file.ts';
import { PARTIAL } from './snapshot-sink.ts';
import { TEMPORARY } from './whole-file.ts';

export const HARD_STATE_NAME = 'hard-state';

export interface FoundFiles {
  readonly hasHardState: boolean;
  /** The segments that follow one another without a gap up to the newest, in order. */
  readonly sequences: readonly number[];
  /** Segments before a gap: what an interrupted compaction left, or all that is left. */
  readonly strays: readonly string[];
  readonly snapshotIds: readonly string[];
  /** Downloads that may be resumed. */
  readonly partialIds: readonly string[];
  /** Never finished, never acknowledged. */
  readonly temporaries: readonly string[];
}

export function sortFiles(names: readonly string[]): FoundFiles {
  const found = names
    .map((name) => sequenceOf(name))
    .filter((sequence) => sequence !== null)
    .sort((a, b) => a - b);
  let first = Math.max(0, found.length - 1);
  while (first > 0 && found[first - 1] === (found[first] ?? 0) - 1) first -= 1;
  return {
    hasHardState: names.includes(HARD_STATE_NAME),
    sequences: found.slice(first),
    strays: found.slice(0, first).map(segmentName),
    snapshotIds: names.map(snapshotIdOf).filter((id) => id !== null),
    partialIds: names
      .filter((name) => name.endsWith(PARTIAL))
      .map((name) => snapshotIdOf(name.slice(0, -PARTIAL.length)))
      .filter((id) => id !== null),
    temporaries: names.filter((name) => name.endsWith(TEMPORARY)),
  };
}
