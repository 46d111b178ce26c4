/**
 * When a node tells how its server stands: after each look, and when another comes to lead the
 * control group, to whoever leads it and chooses by that; to the others, which only show it, more
 * rarely. What an idle agent costs is how often it is woken.
 */
import type { NodeId } from '../../core/scalars.ts';
import type { ServerSeen } from './ports.ts';

/**
 * In ticks of 25 ms. Above the time between two looks, so that each of those is one word; and a few
 * of them fit into the time after which nobody is chosen by what was told.
 */
const AGAIN_TICKS = 12;
const SHOWN_TICKS = 40;

export class Telling {
  #seen: ServerSeen | null = null;
  #leader: NodeId | null = null;
  #ticks = 0;
  #toldTicks = 0;

  /** Once each tick; `seen`: another value for each look. Null: nobody needs to be told now. */
  tick(seen: ServerSeen | null, leader: NodeId | null): 'leader' | 'all' | null {
    this.#ticks += 1;
    const isForAll = this.#ticks % SHOWN_TICKS === 0;
    const isNews = seen !== this.#seen || leader !== this.#leader;
    if (!isForAll && !isNews && this.#ticks < this.#toldTicks + AGAIN_TICKS) return null;
    this.#seen = seen;
    this.#leader = leader;
    this.#toldTicks = this.#ticks;
    return isForAll ? 'all' : 'leader';
  }
}
