/**
 * Everything of one node that the shim needs: its control file, its journal, the place where names
 * are buried, and the environment that its agent (and through it the server) is started with.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShimControl } from './control.ts';
import { type LostWrites, loseUnsynced, type PowerCut } from './lost-writes.ts';

export interface NodeShimsOptions {
  /** As `buildShims` made it. */
  readonly library: string;
  /** Of the node, absolute, as the agent is told it. */
  readonly dataDirectory: string;
  /** For the files of the shim: on the same file system, and not in the data directory. */
  readonly scratch: string;
}

export class NodeShims {
  readonly control: ShimControl;
  /** For the agent; the server inherits it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #dataDirectory: string;
  readonly #journal: string;
  readonly #graves: string;

  constructor({ library, dataDirectory, scratch }: NodeShimsOptions) {
    this.#dataDirectory = dataDirectory;
    this.#graves = join(scratch, 'graves');
    this.#journal = join(scratch, 'journal');
    mkdirSync(this.#graves, { recursive: true });
    writeFileSync(this.#journal, '');
    this.control = new ShimControl(join(scratch, 'control'));
    this.environment = {
      LD_PRELOAD: library,
      SHIM_CONTROL: this.control.path,
      SHIM_JOURNAL: this.#journal,
      SHIM_GRAVES: this.#graves,
      SHIM_DIRECTORY: dataDirectory,
      // The server keeps nothing: what it writes is never counted on.
      SHIM_EXCEPT: join(dataDirectory, 'server'),
      // What goes to the kernel through a ring does not pass through libc.
      UV_USE_IO_URING: '0',
    };
  }

  /** The power goes, for this node alone. Its processes must be dead, and changes be journaled. */
  loseUnsynced(chance: PowerCut['chance'] = 'all'): LostWrites {
    if (this.control.hasJournalOverflowed)
      throw new Error('the journal of unsynced changes has become too large to go by');
    const directory = this.#dataDirectory;
    if (!existsSync(directory)) return { writes: 0, names: 0 };
    return loseUnsynced({ directory, journal: this.#journal, graves: this.#graves, chance });
  }
}
