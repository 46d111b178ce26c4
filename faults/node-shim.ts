/** What stands between one node's processes and their disk and clock. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chance } from '../sim/time.ts';
import { ShimControl } from './shims/control.ts';
import { type LostWrites, loseUnsynced } from './shims/lost-writes.ts';

const FRACTIONS = 2 ** 20;

export class NodeShim {
  readonly control: ShimControl;
  readonly environment: Readonly<Record<string, string>>;
  readonly #directory: string;
  readonly #journal: string;
  readonly #graves: string;

  /** `directory`: the node's own. `beside`: on the same disk, for what the shim keeps. */
  constructor(library: string, directory: string, beside: string) {
    this.#directory = directory;
    this.#journal = join(beside, 'journal');
    this.#graves = join(beside, 'graves');
    mkdirSync(this.#graves, { recursive: true });
    writeFileSync(this.#journal, '');
    this.control = new ShimControl(join(beside, 'control'));
    this.environment = {
      LD_PRELOAD: library,
      SHIM_DIRECTORY: directory,
      // The server's own directory is emptied before every start.
      SHIM_EXCEPT: join(directory, 'server'),
      SHIM_CONTROL: this.control.path,
      SHIM_JOURNAL: this.#journal,
      SHIM_GRAVES: this.#graves,
    };
  }

  /** The node's processes must be dead: what they wrote and did not sync is gone, or torn. */
  losePower(chance: Chance): LostWrites {
    if (this.control.hasJournalOverflowed) throw new Error('more was written than can be undone');
    return loseUnsynced({
      directory: this.#directory,
      journal: this.#journal,
      graves: this.#graves,
      chance: chance.permille(300) ? 'all' : () => chance.below(FRACTIONS) / FRACTIONS,
    });
  }
}
