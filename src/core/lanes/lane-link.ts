/**
 * A lane with its connection: made the same for all who use it, then written once and read once per
 * turn of the event loop.
 *
 * It ends for ever with its connection, with the reign, or when its replies do not add up; whoever
 * is owed something then is told, and nobody is given anything afterwards.
 */
import { ReplyCounter } from '../resp/reply-counter.ts';
import { Lane, type LaneEvents, type Slice } from './lane.ts';
import type { LaneWire, LaneWireEvents } from './ports.ts';

/** What a lane needs of a session. */
export interface LaneUser {
  /** The lane can be sent on. */
  onLaneReady(): void;
  /** What was sent on the lane will not be answered. */
  onLaneEnd(): void;
  /** The lane takes requests again. */
  onLaneDrain(): void;
  /** Another lane carries the key: who has nothing on this one leaves it. */
  onLaneRetired(): void;
  readonly isClosed: boolean;
}

export interface LaneLinkEvents<S extends LaneUser> {
  replied(
    link: LaneLink<S>,
    slices: readonly Slice<S>[],
    ticket: number,
    fence: Buffer | null,
  ): void;
  /** Whether replies are to be given away without waiting for their fence. */
  readonly isHurried: boolean;
  /** Nobody can use it any more. */
  ended(link: LaneLink<S>): void;
}

export interface LaneLinkOptions<S extends LaneUser> {
  readonly key: string;
  readonly connect: (events: LaneWireEvents) => LaneWire;
  /** What makes the connection the same for all who use it. */
  readonly replay: readonly Buffer[];
  readonly events: LaneLinkEvents<S>;
  readonly isFenced: boolean;
  readonly isAlone: boolean;
}

/** Request bytes that the server has not taken: above it who sends more is not read. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** Ticks for which others wait for a session that does not take its replies. */
const HELD_UP_TICKS_MAX = 4;
/** Ticks without a byte until new commands go elsewhere: a script runs, or writes are paused. */
const STILL_TICKS_MAX = 20;
const MINUS = 0x2d;

export class LaneLink<S extends LaneUser> {
  readonly key: string;
  /** It was made for one session. */
  readonly isAlone: boolean;
  readonly lane: Lane<S>;
  readonly #wire: LaneWire;
  readonly #events: LaneLinkEvents<S>;
  /** Sessions that wait for it to be ready. */
  #waiting = new Set<S>();
  /** Sessions that are not read until it drains. */
  #stopped = new Set<S>();
  #isReady = false;
  #isOver = false;
  #isReading = true;
  #greetings: number;
  #greeter: ReplyCounter | null = null;
  /** Who is owed nothing here should leave: another carries the key. */
  isRetired = false;
  /** Sessions that use it. */
  readonly users = new Set<S>();
  /** Sessions for whose sake it is not read. */
  readonly #heldUpBy = new Set<S>();
  #heldUpTicks = 0;
  /** Others have waited for them long enough: they are read all the same. */
  readonly #overdue = new Set<S>();
  #isStopped = false;
  #chunks = 0;
  #chunksAtTick = 0;
  #stillTicks = 0;

  constructor({ key, connect, replay, events, isFenced, isAlone }: LaneLinkOptions<S>) {
    this.key = key;
    this.isAlone = isAlone;
    this.#events = events;
    this.#greetings = replay.length;
    const replied: LaneEvents<S>['replied'] = (slices, ticket, fence) =>
      events.replied(this, slices, ticket, fence);
    this.lane = new Lane<S>({ replied }, isFenced);
    this.#wire = connect({
      onConnect: () => {
        if (this.#isOver) return;
        if (replay.length > 0) this.#wire.write(replay);
        else this.#ready();
      },
      onBytes: (chunk) => this.#read(chunk),
      onDrain: () => this.#drained(),
      onEnd: () => this.#end(),
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isFull(): boolean {
    return this.#wire.unsentBytes > UNSENT_BYTES_MAX;
  }

  /** Tells `session` when it is ready. */
  awaitReady(session: S): void {
    this.#waiting.add(session);
  }

  awaitDrain(session: S): void {
    this.#stopped.add(session);
  }

  /** Writes what the turn has brought. */
  flush(ticket: number): void {
    if (!this.#isOver && this.lane.hasBatch) this.#wire.write(this.lane.takeBatch(ticket));
  }

  /** Not read for the sake of `session`, until it keeps up. */
  holdUp(session: S): void {
    if (this.#overdue.has(session)) return;
    this.#heldUpBy.add(session);
    this.#updateReading();
  }

  letGo(session: S): void {
    this.#overdue.delete(session);
    if (this.#heldUpBy.delete(session)) this.#updateReading();
  }

  /** Not read for anybody's sake: there is no room for replies. */
  setStopped(isStopped: boolean): void {
    this.#isStopped = isStopped;
    this.#updateReading();
  }

  /** Every 25 ms or so. True when it makes no progress: another should carry its key. */
  tick(): boolean {
    const isStill = this.lane.owed > 0 && this.#chunks === this.#chunksAtTick;
    const isUnfenced = this.lane.isUnfenced && this.#chunks === this.#chunksAtTick;
    this.#chunksAtTick = this.#chunks;
    if (isUnfenced) this.lane.giveUnfenced();
    this.#stillTicks = isStill ? this.#stillTicks + 1 : 0;
    if (this.#heldUpBy.size === 0) this.#heldUpTicks = 0;
    else if (this.#isOthersOwed()) {
      this.#heldUpTicks += 1;
      if (this.#heldUpTicks >= HELD_UP_TICKS_MAX) {
        for (const session of this.#heldUpBy) this.#overdue.add(session);
        this.#heldUpBy.clear();
        this.#updateReading();
      }
    }
    return this.#stillTicks >= STILL_TICKS_MAX;
  }

  #isOthersOwed(): boolean {
    for (const session of this.lane.creditors()) {
      if (!this.#heldUpBy.has(session) && !session.isClosed) return true;
    }
    return false;
  }

  #updateReading(): void {
    const isReading = !this.#isStopped && this.#heldUpBy.size === 0;
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    this.#wire.setReading(isReading);
  }

  /** Ends it without a word to anybody: whoever calls this has told them, or will. */
  destroy(): void {
    this.#isOver = true;
    this.#wire.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#chunks += 1;
    if (!this.#isReady) {
      this.#greeted(chunk);
      return;
    }
    if (this.lane.push(chunk) === null) {
      if (this.#events.isHurried) this.lane.giveUnfenced();
      return;
    }
    // Nothing is known of it any more, not even what was read before.
    this.#isReady = false;
    this.#end();
  }

  #greeted(chunk: Buffer): void {
    const counter = this.#greeter ?? new ReplyCounter();
    this.#greeter = counter;
    counter.push(chunk);
    for (let found = counter.next(); found !== 'starved'; found = counter.next()) {
      this.#greetings -= 1;
      if (found !== 'reply' || counter.type === MINUS || this.#greetings < 0) {
        this.#end();
        return;
      }
    }
    if (this.#greetings === 0) this.#ready();
  }

  #ready(): void {
    this.#isReady = true;
    this.#greeter = null;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const session of waiting) session.onLaneReady();
  }

  #drained(): void {
    const stopped = this.#stopped;
    this.#stopped = new Set();
    for (const session of stopped) session.onLaneDrain();
  }

  #end(): void {
    if (this.#isOver) return;
    // Replies that were read are whole, or their sessions are among those who are owed the rest.
    if (this.#isReady) this.lane.giveUnfenced();
    this.#isOver = true;
    this.#wire.destroy();
    this.#events.ended(this);
    const users = new Set([...this.lane.creditors(), ...this.#waiting, ...this.#stopped]);
    for (const session of users) session.onLaneEnd();
  }
}
