/**
 * What happens to files while nobody looks: bits flip, ends are lost, and a sector turns up where
 * another one belongs.
 *
 * Every damage must be noticed, so the simulator does not do the few that cannot be told from a
 * power cut (`src/io/storage/README.md`): losing or zeroing the end of the newest segment beyond
 * the durable mark. Flipped bits are done everywhere.
 */
import { HARD_STATE_NAME } from '../src/io/storage/found-files.ts';
import { markIn } from '../src/io/storage/hard-state.ts';
import { SECTOR_BYTES, segmentName, sequenceOf } from '../src/io/storage/segment.ts';
import type { SimDisk } from './disk.ts';
import type { Chance } from './time.ts';

export const ROT_KINDS = ['flipped bytes', 'lost end', 'misdirected sector'] as const;
export type RotKind = (typeof ROT_KINDS)[number];

const FLIPS_MAX = 3;
const SNAPSHOT_PERMILLE = 500;

/** Damages one file of the directory; yields what was done, for the event log. */
export function rot(disk: SimDisk, directory: string, kind: RotKind, chance: Chance): string {
  const paths = disk.paths().filter((path) => disk.contentOf(path).length > 0);
  if (paths.length === 0) return 'nothing there to rot';
  const path = pickFile(disk, paths, chance);
  const bytes = disk.contentOf(path).length;
  if (kind === 'flipped bytes') {
    const places = Array.from({ length: chance.between(1, FLIPS_MAX) }, () => chance.below(bytes));
    for (const place of places) disk.flipBit(path, place, chance.below(8));
    return `flips bits of ${path} at ${places.join(', ')}`;
  }
  const proven = provenBytes(disk, directory, path);
  if (proven === 0) return `nothing of ${path} is proven`;
  if (kind === 'lost end') {
    const end = chance.below(proven);
    disk.shorten(path, end);
    return `loses ${path} from ${end} on`;
  }
  const from = chance.pick(paths);
  const source = disk.contentOf(from);
  const fromAt = chance.below(Math.ceil(source.length / SECTOR_BYTES)) * SECTOR_BYTES;
  const at = chance.below(Math.ceil(proven / SECTOR_BYTES)) * SECTOR_BYTES;
  const sector = source.subarray(fromAt, fromAt + Math.min(SECTOR_BYTES, proven - at));
  disk.overwrite(path, at, sector);
  return `has the sector of ${from} at ${fromAt} in ${path} at ${at}`;
}

/**
 * A snapshot as often as not where there is one, since few runs come that far; else each kind of
 * file is as likely as another. Of one kind, the larger of two.
 */
function pickFile(disk: SimDisk, paths: readonly string[], chance: Chance): string {
  const kinds = [...new Set(paths.map(kindOf))];
  const isSnapshot = kinds.includes('snapshot') && chance.permille(SNAPSHOT_PERMILLE);
  const kind = isSnapshot ? 'snapshot' : chance.pick(kinds);
  const files = paths.filter((path) => kindOf(path) === kind);
  const [a, b] = [chance.pick(files), chance.pick(files)];
  return disk.contentOf(a).length >= disk.contentOf(b).length ? a : b;
}

/** `log`, `snapshot`, `hard`. */
function kindOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.slice(0, name.indexOf('-'));
}

/**
 * Up to where the file is known to have been synced, by whoever opens it later. A power cut may
 * come before that, so neither a name nor a mark that is not synced proves anything.
 */
function provenBytes(disk: SimDisk, directory: string, path: string): number {
  const synced = disk.synced();
  const bytes = synced.get(path)?.length ?? 0;
  const sequences = [...synced.keys()]
    .map((each) => sequenceOf(each.slice(directory.length + 1)))
    .filter((sequence) => sequence !== null);
  const newest = Math.max(0, ...sequences);
  if (path !== `${directory}/${segmentName(newest)}`) return bytes;
  const hardState = synced.get(`${directory}/${HARD_STATE_NAME}`);
  const mark = hardState === undefined ? null : markIn(hardState, disk.checksum);
  return mark?.sequence === newest ? Math.min(bytes, mark.position) : 0;
}
