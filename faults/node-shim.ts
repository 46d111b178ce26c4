/** What stands between one node's processes and their disk and clock. */
import type { Chance } from '../sim/time.ts';
import type { ShimControl } from './shims/control.ts';
import type { LostWrites } from './shims/lost-writes.ts';
import { NodeShims } from './shims/node-shims.ts';

const FRACTIONS = 2 ** 20;

export class NodeShim {
  readonly #shims: NodeShims;

  /** `directory`: the node's own. `beside`: on the same disk, for what the shim keeps. */
  constructor(library: string, directory: string, beside: string) {
    this.#shims = new NodeShims({ library, dataDirectory: directory, scratch: beside });
  }

  get control(): ShimControl {
    return this.#shims.control;
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#shims.environment;
  }

  /** The node's processes must be dead: what they wrote and did not sync is gone, or torn. */
  losePower(chance: Chance): LostWrites {
    const fraction = (): number => chance.below(FRACTIONS) / FRACTIONS;
    return this.#shims.loseUnsynced(chance.permille(300) ? 'all' : fraction);
  }
}
