/**
 * A reign's hold with its fence: one `ROLE` at a time on a connection of its own, and a bound on
 * how long the server may leave it unanswered (H6).
 *
 * The fence connection belongs to one life of the server and is never made again within a reign,
 * so that its answers come from the process that gave the replies (H2).
 */

import type { ReplOffset } from '../../core/scalars.ts';
import type { Hold } from './hold.ts';
import type { RoleSeen } from './ports.ts';

export interface BarrierLimits {
  /** No answer at all. */
  readonly fenceTicksMax: number;
  /** Nothing but `-BUSY`. */
  readonly busyTicksMax: number;
}

/**
 * The offset that a `ROLE` on a lane tells. Whatever is not the word of this reign's primary is no
 * fence: the barrier's own is asked then, and it decides what that means.
 */
export function fenceOf(role: RoleSeen): ReplOffset | null {
  return role.kind === 'primary' && role.replicas > 0 ? role.offset : null;
}

/** A server that gives no replies at all is asked this often whether it lives. */
const PROBE_TICKS = 40;

export class Barrier {
  readonly hold: Hold;
  readonly #limits: BarrierLimits;
  #isOut = false;
  #isBusy = false;
  #ticks = 0;
  #idleTicks = 0;
  readonly #requestFence: () => void;

  constructor(hold: Hold, limits: BarrierLimits, requestFence: () => void) {
    this.hold = hold;
    this.#requestFence = requestFence;
    this.#limits = limits;
  }

  /** True when replies wait that no fence covers yet, and none is on its way. */
  get isFenceWanted(): boolean {
    return !this.#isOut && (this.hold.isFenceWanted || this.#idleTicks >= PROBE_TICKS);
  }

  fenceSent(): void {
    this.#isOut = true;
    this.#isBusy = false;
    this.#ticks = 0;
    this.#idleTicks = 0;
    this.hold.fenceSent();
  }

  /** 'askAgain': a script runs; send another `ROLE`. A text: the reign is over, and why. */
  answered(role: RoleSeen): 'done' | 'askAgain' | { readonly failed: string } {
    if (!this.#isOut) return 'done';
    if (role.kind === 'busy') {
      this.#isBusy = true;
      return 'askAgain';
    }
    this.#isOut = false;
    if (role.kind !== 'primary') return { failed: `the fence was answered by a ${role.kind}` };
    if (role.replicas < 1) return { failed: 'the server has lost the capture' };
    this.hold.fenceAnswered(role.offset);
    return 'done';
  }

  /** Null, or why the reign is over. */
  tick(): string | null {
    this.hold.tick();
    if (!this.#isOut) {
      // No reply, no fence: without a question of our own a hung server would lead for ever.
      this.#idleTicks += 1;
      if (this.#idleTicks >= PROBE_TICKS) this.#requestFence();
      return null;
    }
    this.#ticks += 1;
    if (this.#isBusy)
      return this.#ticks > this.#limits.busyTicksMax ? 'a script blocks the server' : null;
    return this.#ticks > this.#limits.fenceTicksMax ? 'the server does not answer' : null;
  }
}
