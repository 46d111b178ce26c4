/**
 * Rounds: proof that this node was leader at a known moment (thesis §6.4, read index).
 *
 * Every broadcast of a term has a number, every later message carries the newest one, and a peer
 * echoes the highest it has seen. A majority of echoes >= r, in the term, shows that no later
 * leader had been elected when round r began. Numbers are never used again within a term, so that
 * the echo of an earlier round cannot confirm a later one.
 *
 * Bound: at most one question that only asks for echoes is under way; what is wanted meanwhile
 * shares the next one. It goes to no more voters than a majority needs, since each costs a message
 * and a wake-up there and back; where they do not answer within two ticks, all are asked.
 */

/** The first tick may come right behind the question. */
const PATIENCE_TICKS = 2;

export class Rounds {
  #last = 0;
  #confirmed = 0;
  /** The newest broadcast of heartbeats: peers answer it at once, however busy their disks are. */
  #heartbeat = 0;
  #wanted = 0;
  #waitedTicks = 0;

  get last(): number {
    return this.#last;
  }

  get next(): number {
    return this.#last + 1;
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  begin(): void {
    this.#last++;
  }

  beginHeartbeat(): void {
    this.#last++;
    this.#heartbeat = this.#last;
    this.#waitedTicks = 0;
  }

  /** True when too few of those who were asked have answered: it is time to ask everybody. */
  tick(): boolean {
    if (this.#heartbeat <= this.#confirmed) return false;
    this.#waitedTicks += 1;
    return this.#waitedTicks === PATIENCE_TICKS;
  }

  /** True when heartbeats must go out now so that a round >= `round` gets confirmed. */
  want(round: number): boolean {
    // Nobody can want more than the next broadcast: a larger number would never come to rest.
    const wanted = Math.min(round, this.next);
    if (wanted > this.#wanted) this.#wanted = wanted;
    return this.isHeartbeatDue;
  }

  get isHeartbeatDue(): boolean {
    return this.#wanted > this.#confirmed && this.#heartbeat <= this.#confirmed;
  }

  /** True when `round` is news. */
  confirm(round: number): boolean {
    if (round <= this.#confirmed) return false;
    this.#confirmed = round;
    return true;
  }
}
