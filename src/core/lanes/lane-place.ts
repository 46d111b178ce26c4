/** One session's place on a lane: of which lanes, and until it leaves it. */
import type { LaneLink } from './lane-link.ts';
import type { LaneSession, Lanes } from './lanes.ts';

/** What it must be told to carry the session. */
export interface LaneRider {
  readonly key: string;
  readonly laneOwed: number;
  readonly heldBytes: number;
  laneReplay(): readonly Buffer[];
}

export class LanePlace<S extends LaneSession> {
  readonly #session: S;
  #link: LaneLink<S> | null = null;
  #lanes: Lanes<S> | null = null;

  constructor(session: S) {
    this.#session = session;
  }

  get link(): LaneLink<S> | null {
    return this.#link;
  }

  isOf(lanes: Lanes<S> | undefined): boolean {
    return this.#lanes !== null && this.#lanes === lanes;
  }

  /**
   * Takes a lane of `lanes`, shared or `isAlone`, and leaves another for it, unless it is owed
   * something there, or something is held: 'owed', that comes first. 'crowded': there are too many
   * lanes.
   */
  take(lanes: Lanes<S>, rider: LaneRider, isAlone: boolean): 'here' | 'owed' | 'crowded' {
    const link = this.#link;
    if (link !== null && !link.isOver) {
      // What is held comes before what another lane brings, which has a fence of its own.
      const isOwed = rider.laneOwed > 0 || rider.heldBytes > 0;
      const isFit = !link.isRetired && this.isOf(lanes) && link.key === rider.key;
      if (isFit && (isOwed || link.isAlone || !isAlone)) return 'here';
      if (isOwed) return 'owed';
    }
    this.leave();
    this.#link = lanes.join(this.#session, rider.key, rider.laneReplay(), isAlone);
    this.#lanes = this.#link === null ? null : lanes;
    return this.#link === null ? 'crowded' : 'here';
  }

  send(bytes: Buffer, count: number): void {
    if (this.#link !== null) this.#lanes?.send(this.#link, this.#session, bytes, count);
  }

  /** Nobody new comes to it. */
  retire(): void {
    if (this.#link !== null) this.#lanes?.retire(this.#link);
  }

  leave(): void {
    if (this.#link !== null) this.#lanes?.leave(this.#session, this.#link);
    this.#link = null;
    this.#lanes = null;
  }
}
