/**
 * The lanes of one reign, or of one spell of following: one per user, database and protocol, as
 * long as somebody uses it.
 *
 * What all sessions send in one turn of the event loop goes out at its end, each lane's as one
 * write with one fence: under load batches grow, and a lone command is not kept waiting.
 */
import type { Slice } from './lane.ts';
import { LaneLink, type LaneLinkEvents, type LaneUser } from './lane-link.ts';
import type { HeldSession, Hold, LaneWire, LaneWireEvents } from './ports.ts';

export interface LanesPorts {
  /** A new connection to the local server. */
  connectLane(events: LaneWireEvents): LaneWire;
  /** The ticket of a command read now: a leadership round of this number or later begins later. */
  nextRound(): number;
  /** Runs it once, at the end of this turn. */
  soon(run: () => void): void;
  readonly hold: Hold;
  /** Whether their replies need a fence. */
  readonly isFenced: boolean;
}

export interface LaneSession extends LaneUser, HeldSession {
  /** Replies were read that will be held: so many whole ones, in so many bytes. */
  onLaneReplies(replies: number, bytes: number): void;
}

export class Lanes<S extends LaneSession> implements LaneLinkEvents<S> {
  readonly #ports: LanesPorts;
  readonly #most: number;
  /** Those that take sessions. */
  readonly #open = new Map<string, LaneLink<S>>();
  readonly #all = new Set<LaneLink<S>>();
  #unsent: LaneLink<S>[] = [];
  #isFlushDue = false;
  #isHurried = false;
  #isHoldFull = false;

  /** `most` lanes at once: sessions beyond use their own connection. */
  constructor(ports: LanesPorts, most: number) {
    this.#ports = ports;
    this.#most = most;
  }

  get isHurried(): boolean {
    return this.#isHurried;
  }

  get count(): number {
    return this.#all.size;
  }

  /**
   * Makes `session` a user of the lane of `key`, or of one that is its alone; null when there are
   * too many lanes.
   */
  join(session: S, key: string, replay: readonly Buffer[], isAlone: boolean): LaneLink<S> | null {
    let link = isAlone ? undefined : this.#open.get(key);
    if (link === undefined) {
      if (this.#all.size >= this.#most) return null;
      const { isFenced } = this.#ports;
      const connect = (events: LaneWireEvents) => this.#ports.connectLane(events);
      link = new LaneLink<S>({ key, connect, replay, events: this, isFenced, isAlone });
      link.setStopped(this.#isHoldFull);
      if (!isAlone) this.#open.set(key, link);
      this.#all.add(link);
    }
    link.users.add(session);
    return link;
  }

  /** The last one who leaves closes it. */
  leave(session: S, link: LaneLink<S>): void {
    link.letGo(session);
    link.users.delete(session);
    if (link.users.size > 0 || link.isOver) return;
    this.ended(link);
    link.destroy();
  }

  send(link: LaneLink<S>, session: S, bytes: Buffer, count: number): void {
    if (!link.lane.hasBatch) this.#unsent.push(link);
    link.lane.request(session, bytes, count);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#ports.soon(() => this.#flushAll());
  }

  /** Nobody new may use it, and who is owed nothing there leaves it. */
  retire(link: LaneLink<S>): void {
    if (link.isRetired) return;
    link.isRetired = true;
    if (this.#open.get(link.key) === link) this.#open.delete(link.key);
    for (const session of link.users) session.onLaneRetired();
  }

  /** Who may use what has changed: who comes from now on shows the server who he is. */
  closeToNewcomers(): void {
    this.#open.clear();
  }

  /** The reign is over. The sessions know. */
  endAll(): void {
    for (const link of this.#all) link.destroy();
    this.#all.clear();
    this.#open.clear();
    this.#unsent = [];
    this.#isHoldFull = false;
  }

  /** While writes are paused a lane may stand behind one, its fence too: another must be asked. */
  setHurried(isHurried: boolean): void {
    this.#isHurried = isHurried;
    if (isHurried) for (const link of this.#all) link.lane.giveUnfenced();
  }

  tick(): void {
    for (const link of this.#all) if (link.tick()) this.retire(link);
  }

  #flushAll(): void {
    this.#isFlushDue = false;
    const links = this.#unsent;
    this.#unsent = [];
    const ticket = this.#ports.nextRound();
    for (const link of links) link.flush(ticket);
    if (links.length > 0) this.#ports.hold.laneSent(ticket);
  }

  replied(
    link: LaneLink<S>,
    slices: readonly Slice<S>[],
    ticket: number,
    fence: Buffer | null,
  ): void {
    const held: Slice<S>[] = [];
    for (const slice of slices) {
      if (slice.session.isClosed) continue;
      slice.session.onLaneReplies(slice.replies, slice.bytes.length);
      if (!slice.session.isClosed) held.push(slice);
    }
    const { hold } = this.#ports;
    if (held.length > 0 && !link.isOver) hold.addLane(held, ticket, fence);
    if (hold.isFull && !this.#isHoldFull) this.#stop();
  }

  #stop(): void {
    this.#isHoldFull = true;
    for (const link of this.#all) link.setStopped(true);
    this.#ports.hold.onDrain(() => {
      this.#isHoldFull = false;
      for (const link of this.#all) link.setStopped(false);
    });
  }

  ended(link: LaneLink<S>): void {
    this.#all.delete(link);
    if (this.#open.get(link.key) === link) this.#open.delete(link.key);
  }
}
