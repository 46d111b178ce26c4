/** Where clients go now: to the own server while a reign is open, else to the leader. */

import type { Route } from '../core/lanes/ports.ts';
import type { NodeId } from '../core/scalars.ts';
import type { RelayPort } from './strong/ports.ts';

/** What a relay can be told: see there. */
export interface RouteDoor {
  setRoute(route: Route): void;
  endReign(why: string): void;
  pauseReads(): void;
  resumeReads(): void;
}

export class RelayRoute implements RelayPort {
  readonly #relay: RouteDoor;
  readonly #ownId: () => NodeId;
  #openReign: number | null = null;
  #leaderlessSinceMs: number | null = performance.now();

  constructor(relay: RouteDoor, ownId: () => NodeId) {
    this.#relay = relay;
    this.#ownId = ownId;
  }

  /** For how long nobody has been known to lead, in ms of the monotonic clock. */
  get leaderlessMs(): number {
    return this.#leaderlessSinceMs === null ? 0 : performance.now() - this.#leaderlessSinceMs;
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
    if (leader !== null) this.#leaderlessSinceMs = null;
    else this.#leaderlessSinceMs ??= performance.now();
    if (this.#openReign !== null) return;
    if (leader === null) this.#relay.setRoute({ kind: 'none', why: 'no leader is known' });
    else if (leader === this.#ownId())
      this.#relay.setRoute({ kind: 'none', why: 'this node is opening' });
    else this.#relay.setRoute({ kind: 'leader', node: leader });
  }

  setReadsPaused(isPaused: boolean): void {
    if (isPaused) this.#relay.pauseReads();
    else this.#relay.resumeReads();
  }
}
