/** A host's disk with what can be wrong with it, and which errors of a node that explains. */
import { StorageError, type StorageErrorCode } from '../src/io/storage/errors.ts';
import { type DiskOperation, type Failing, SimDisk } from './disk.ts';
import { type RotKind, rot } from './rot.ts';
import type { Chance, Timeline } from './time.ts';

const WRITE_MAX_US = 100;
/** How a node says that what it had acknowledged is not there any more. */
const DAMAGE: readonly StorageErrorCode[] = [
  'SEGMENT_CHECKSUM',
  'SEGMENT_HEADER',
  'LOG_GAP',
  'HARD_STATE_DAMAGED',
  'SNAPSHOT_CHECKSUM',
  // Whatever byte of a file is flipped, its version too.
  'FORMAT_UNKNOWN',
];

export interface HostDiskOptions {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly syncMaxUs: number;
  /** In the node's process. */
  readonly complete: (run: () => void) => void;
}

export class HostDisk {
  readonly #o: HostDiskOptions;
  #disk: SimDisk;
  #slowness = 1;
  /** Its files were damaged; from then on, and as long as it keeps this directory. */
  #isRotten = false;
  #failing: Failing = 'nothing';
  /** Requests failed, or may have, since the directory was opened last. */
  #mayFail = false;

  constructor(options: HostDiskOptions) {
    this.#o = options;
    this.#disk = this.#newDisk();
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  get isRotten(): boolean {
    return this.#isRotten;
  }

  slow(factor: number): void {
    this.#slowness = factor;
  }

  fail(failing: Failing): void {
    this.#failing = failing;
    if (failing !== 'nothing') this.#mayFail = true;
    this.#disk.setFailing(failing);
  }

  /** Yields what was done, for the event log. */
  rot(directory: string, kind: RotKind): string {
    this.#isRotten = true;
    return rot(this.#disk, directory, kind, this.#o.chance);
  }

  /** An empty one in its place. */
  renew(): void {
    this.#isRotten = false;
    this.#disk = this.#newDisk();
    this.#disk.setFailing(this.#failing);
  }

  /** The node on it has read it from the beginning. */
  opened(): void {
    this.#mayFail = this.#failing !== 'nothing';
  }

  explains(error: Error): boolean {
    if (!(error instanceof StorageError)) return false;
    const { code } = error;
    if (code === 'DISK_FULL') return true;
    return code === 'DISK_FAILED' ? this.#mayFail : this.#isRotten && DAMAGE.includes(code);
  }

  #newDisk(): SimDisk {
    const { timeline, chance, complete } = this.#o;
    return new SimDisk({
      entropy: () => chance.uint32(),
      schedule: (run, operation) => {
        timeline.after(this.#latencyUs(operation), () => complete(run));
      },
    });
  }

  #latencyUs({ kind }: DiskOperation): number {
    if (kind === 'defer') return 1;
    const isSync = kind === 'sync' || kind === 'syncDirectory';
    const mostUs = isSync ? this.#o.syncMaxUs : WRITE_MAX_US;
    return this.#o.chance.between(1, mostUs) * this.#slowness;
  }
}

/** What whoever runs the node is told to do then: an empty directory in its place. */
export function isDamage(error: Error): boolean {
  return error instanceof StorageError && DAMAGE.includes(error.code);
}
