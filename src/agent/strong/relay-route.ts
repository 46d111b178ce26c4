/** Where clients go now: to the own server while a reign is open, else to the leader. */

import type { Route } from '../../core/lanes/ports.ts';
import type { NodeId } from '../../core/scalars.ts';
import type { RelayPort } from './ports.ts';

/** What a relay can be told: see there. */
export interface RouteDoor {
  setRoute(route: Route): void;
  endReign(why: string): void;
  pauseReads(): void;
  resumeReads(): void;
  setSpell(spell: number | null): void;
}

export interface RelayRouteOptions {
  readonly relay: RouteDoor;
  readonly ownId: () => NodeId;
  /** A monotonic clock. */
  readonly nowMs: () => number;
  /** A command waits so long for a leader, and a leader is missed so long before none does. */
  readonly leaderWaitMs: number;
}

export class RelayRoute implements RelayPort {
  readonly #relay: RouteDoor;
  readonly #ownId: () => NodeId;
  readonly #nowMs: () => number;
  readonly #leaderWaitMs: number;
  #openReign: number | null = null;
  #leaderlessSinceMs: number | null;
  /** Who has never known a leader is only starting. */
  #hasKnownLeader = false;
  #isLost = false;

  constructor({ relay, ownId, nowMs, leaderWaitMs }: RelayRouteOptions) {
    this.#relay = relay;
    this.#ownId = ownId;
    this.#nowMs = nowMs;
    this.#leaderWaitMs = leaderWaitMs;
    this.#leaderlessSinceMs = nowMs();
  }

  /** For how long nobody has been known to lead, in ms of the monotonic clock. */
  get leaderlessMs(): number {
    return this.#leaderlessSinceMs === null ? 0 : this.#nowMs() - this.#leaderlessSinceMs;
  }

  open(reign: number): void {
    this.#openReign = reign;
    this.#relay.setRoute({ kind: 'open', reign });
  }

  endReign(why: string): void {
    this.#openReign = null;
    this.#relay.endReign(why);
  }

  setLeader(leader: NodeId | null): void {
    if (leader !== null) {
      this.#leaderlessSinceMs = null;
      this.#hasKnownLeader = true;
      this.#isLost = false;
    } else this.#leaderlessSinceMs ??= this.#nowMs();
    if (this.#openReign !== null) return;
    if (leader === null)
      this.#relay.setRoute({ kind: 'none', why: 'no leader is known', isLost: this.#isLost });
    else if (leader === this.#ownId())
      this.#relay.setRoute({ kind: 'none', why: 'this node is opening' });
    else this.#relay.setRoute({ kind: 'leader', node: leader });
  }

  /** Nobody waits for a leader that has been missed for as long as a command waits. */
  tick(): void {
    if (this.#isLost || !this.#hasKnownLeader || this.leaderlessMs < this.#leaderWaitMs) return;
    this.#isLost = true;
    if (this.#openReign === null) this.setLeader(null);
  }

  setSpell(spell: number | null): void {
    this.#relay.setSpell(spell);
  }

  setReadsPaused(isPaused: boolean): void {
    if (isPaused) this.#relay.pauseReads();
    else this.#relay.resumeReads();
  }
}
