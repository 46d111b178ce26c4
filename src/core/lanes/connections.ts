/**
 * The connections of one session: its place on a lane, or one of its own, to the local server or to
 * the leader's relay. `Way` decides which; this opens, closes and writes them.
 *
 * Of reads that the local server answers while it follows: a session sees nothing that is older
 * than what it was told by the leader before. Whatever came from there, be it the answer to a write
 * or to a read, the next read waits for a point that begins after it (`ReadPoints`). Only what
 * answers greetings shows no data.
 *
 * Where nobody leads that server greets everybody, so that any client can come to say READONLY; of
 * data it shows something only to those who have asked for local reads.
 */
import type { ReadsMode } from '../reads-mode.ts';
import type { ConnectedSession, ConnectionsEvents, ConnectionsHost } from './connections-host.ts';
import { isGreeting } from './effect.ts';
import { LanePlace } from './lane-place.ts';
import { isSameRoute, type OwnWire, type OwnWireEvents, type Route } from './ports.ts';
import type { Segment } from './segment.ts';
import { Way, type WayPorts } from './way.ts';

export class Connections<S extends ConnectedSession> implements WayPorts, OwnWireEvents {
  readonly way: Way;
  readonly #place: LanePlace<S>;
  readonly #session: S;
  readonly #host: ConnectionsHost<S>;
  readonly #events: ConnectionsEvents;
  #upstream: OwnWire | null = null;
  #retry: (() => void) | null = null;
  #corked: OwnWire | null = null;
  #isFull = false;
  /** What the leader has told this session had been acknowledged before this point. */
  #seen = 0;
  /** The spell in which it found no lane to the own server. */
  #laneless = 0;
  /** A round that begins later than the arrival of all that was sent on the own connection. */
  ticket = 0;

  constructor(session: S, host: ConnectionsHost<S>, events: ConnectionsEvents) {
    this.#session = session;
    this.#host = host;
    this.#events = events;
    this.#place = new LanePlace(session);
    this.way = new Way(this);
  }

  /** Where a connection of the session's own leads now. */
  get route(): Route {
    const { route, follower } = this.#host;
    if (!isLost(route) || follower === null || this.#session.isPassThrough) return route;
    return { kind: 'follower', spell: follower.spell };
  }

  /** Whether the own server answers all that the session asks, since nobody leads. */
  get #isServedHere(): boolean {
    if (this.route.kind !== 'follower' || this.#reads !== 'local') return false;
    return this.#host.points.isReached(this.#seen);
  }

  /** In the middle of something there, where by its own word, or the spec's, the leader answers. */
  get isAstray(): boolean {
    return this.#isMisplaced && this.way.isBound;
  }

  get #isMisplaced(): boolean {
    return this.#upstream?.route.kind === 'follower' && !this.#isServedHere;
  }

  /** Whether the own connection leads elsewhere. */
  get #isElsewhere(): boolean {
    return this.#upstream !== null && !isSameRoute(this.#upstream.route, this.route);
  }

  /** Whether the server of this node executes what is sent on the own connection, and leads. */
  get isOwnHeld(): boolean {
    return this.#upstream?.route.kind === 'open';
  }

  /** Whether what waits would wait in vain. */
  get isLost(): boolean {
    if (!isLost(this.#host.route)) return false;
    const { first } = this.way.waiting;
    return this.route.kind === 'none' || (first !== undefined && !this.takes(first));
  }

  /** The server takes no more for now. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isRetrying(): boolean {
    return this.#retry !== null;
  }

  take(segment: Segment): void {
    // Whoever answers reads now: it may wait until that is another.
    if (segment.isRead) segment.point = this.#host.points.next;
    this.way.take(segment);
  }

  takeTicket(): void {
    if (this.#upstream?.route.kind === 'open') this.ticket = this.#host.nextRound();
  }

  /** Until `uncork` what is sent on the own connection is kept, to go out in one piece. */
  cork(): void {
    this.#corked = this.#upstream;
    this.#corked?.cork();
  }

  uncork(): void {
    this.#corked?.uncork();
    this.#corked = null;
  }

  setReading(isReading: boolean): void {
    this.#upstream?.setReading(isReading);
  }

  /** No more requests follow on the own connection; replies may. */
  finish(): void {
    this.#upstream?.finish();
  }

  /** The route is another: false when the session has something elsewhere, and must be closed. */
  turn(): boolean {
    const isShownData = this.way.hasAsked && !this.way.isOwnIdle;
    if (this.isAstray || (this.#isMisplaced && isShownData)) return false;
    if (!this.#isElsewhere) return true;
    if (!this.way.isOpening && !this.way.isOwnIdle) {
      const isNowhere = this.#host.route.kind === 'none' && !this.#isServedHere;
      return isNowhere && this.#upstream?.route.kind !== 'follower';
    }
    this.detachOwn();
    return true;
  }

  /**
   * The reign is over, and nothing that was executed in it may be answered any more: false when
   * the session has something there, and must be closed.
   */
  endReign(): boolean {
    if (this.way.heldBytes > 0) return false;
    if (!this.isOwnHeld && !this.#place.isOf(this.#host.lanes)) return true;
    if (!this.way.isIdle) return false;
    this.detach();
    return true;
  }

  /** The server of this node follows no more: as `endReign`. */
  endSpell(): boolean {
    if (this.#upstream?.route.kind === 'follower') {
      if (!this.way.isIdle) return false;
      this.detach();
    }
    if (!this.#place.isOf(this.#host.follower?.lanes)) return true;
    if (this.way.laneOwed > 0) return false;
    this.#place.leave();
    return true;
  }

  /** A lane that it holds up is its alone from now on, and others wait for it only so long. */
  setBehind(isBehind: boolean): void {
    const { link } = this.#place;
    if (link === null) return;
    if (!isBehind) {
      link.letGo(this.#session);
      return;
    }
    this.way.beHeavy();
    this.#place.retire();
    link.holdUp(this.#session);
  }

  get hasLane(): boolean {
    return this.#place.link !== null;
  }

  /** Gives up connections that owe nothing. The next command finds others. */
  detach(): void {
    this.#place.leave();
    this.detachOwn();
  }

  /**
   * Gives up an own connection to the server that follows, if it owes nothing: what it was told is
   * told to the next one. True when it did.
   */
  tryLeaveFollower(): boolean {
    const { way } = this;
    const isOver = way.hasOwn && way.isOwnIdle && way.waiting.isEmpty;
    if (this.#upstream?.route.kind !== 'follower' || !isOver) return false;
    this.detachOwn();
    return true;
  }

  /** The same of the own connection alone. */
  detachOwn(): void {
    this.#dropOwn();
    this.way.ownLost();
    this.#isFull = false;
    this.#events.onRoom();
  }

  drop(): void {
    this.#place.leave();
    this.#dropOwn();
  }

  #dropOwn(): void {
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#host.onOwnClosed(this.#session);
  }

  stopRetrying(): void {
    this.#retry?.();
    this.#retry = null;
  }

  // What the way asks for.

  get #reads(): ReadsMode {
    return this.#session.isPassThrough ? 'leader' : (this.way.reads ?? this.#host.reads);
  }

  get canReadHere(): boolean {
    const { route, follower } = this.#host;
    if (follower === null || route.kind === 'open') return false;
    if (this.#laneless === follower.spell) return false;
    // Without a leader nobody can say what has been acknowledged.
    return this.#reads === 'local' || (this.#reads === 'linearizable' && route.kind === 'leader');
  }

  get direction(): 'lanes' | 'own' | 'none' {
    const { route } = this;
    if (this.#retry !== null || route.kind === 'none') return 'none';
    if (route.kind === 'open') return 'lanes';
    return this.#session.isPassThrough ? 'none' : 'own';
  }

  takes({ effect, begun, ended }: Segment): boolean {
    const { kind } = this.#upstream?.route ?? this.route;
    if (kind !== 'follower' || this.#isServedHere) return true;
    return effect !== null && isGreeting(effect) && begun === ended;
  }

  toLane(bytes: Buffer, count: number): boolean {
    const taken = this.#place.take(this.#host.lanes, this.way, false);
    if (taken === 'here') return this.#toLink(bytes, count);
    if (taken === 'owed') return false;
    // Too many lanes: the next look at what waits finds it a connection of its own.
    this.way.beHeavy();
    this.#tryAgain(0);
    return false;
  }

  toFollower(bytes: Buffer, count: number, point: number): boolean {
    const { follower, points } = this.#host;
    if (follower === null || this.#retry !== null) return false;
    const needed = this.#reads === 'linearizable' ? Math.max(point, this.#seen) : this.#seen;
    if (!points.isReached(needed)) {
      points.want(needed, this.#session);
      return false;
    }
    // Who is sent much has a lane to itself.
    const taken = this.#place.take(follower.lanes, this.way, this.way.isHeavy);
    if (taken === 'here' && this.#toLink(bytes, count)) {
      this.#host.countReadsHere(count);
      return true;
    }
    if (taken === 'crowded') this.#readElsewhere(0);
    return false;
  }

  #toLink(bytes: Buffer, count: number): boolean {
    const { link } = this.#place;
    if (link?.isReady !== true) {
      link?.awaitReady(this.#session);
      return false;
    }
    this.#host.countCommands(count, 0);
    this.#place.send(bytes, count);
    if (link.isFull) {
      this.#isFull = true;
      link.awaitDrain(this.#session);
      this.#events.onRoom();
    }
    return true;
  }

  /** No lane to the own server, as long as it follows: the leader answers. */
  #readElsewhere(afterMs: number): void {
    this.#laneless = this.#host.follower?.spell ?? 0;
    this.#tryAgain(afterMs);
  }

  openOwn(): void {
    this.#place.leave();
    this.#upstream = this.#host.connectOwn(this.route, this);
    if (this.#upstream.route.kind !== 'leader') this.#host.onOwnOpened(this.#session);
  }

  closeOwn(): void {
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#isFull = false;
    this.#host.onOwnClosed(this.#session);
    this.#events.onRoom();
  }

  toOwn(bytes: Buffer, count: number): void {
    this.#host.countCommands(count, 0);
    if (this.#upstream?.write(bytes) !== false) return;
    this.#isFull = true;
    this.#events.onRoom();
  }

  // What becomes of them.

  onConnect(): void {
    this.takeTicket();
    this.way.ownConnected();
    this.#events.onOpen();
  }

  onReply(bytes: Buffer): void {
    if (this.#upstream?.route.kind === 'leader' && this.way.hasAsked)
      this.#seen = this.#host.points.next;
    const replied = this.way.ownReplied(bytes);
    if (replied !== 'busy') {
      this.#events.onReply(replied);
      if (this.isAstray) this.#events.onLoss();
      return;
    }
    // No server has seen what waits: it waits on, until its end.
    this.detach();
    this.#tryAgain(BUSY_RETRY_MS);
  }

  onDrain(): void {
    this.#isFull = false;
    this.#events.onRoom();
  }

  onEnd(): void {
    const wasConnected = this.#upstream?.isConnected === true;
    const { isOwnIdle } = this.way;
    this.detachOwn();
    if (!wasConnected) this.#tryAgain(this.#host.retryMs);
    else if (!isOwnIdle) this.#events.onLoss();
    else this.#events.onOpen();
  }

  /** The lane is gone. One that could not even be made is not tried a second time. */
  onLaneEnd(): void {
    if (this.#place.link?.isOver !== true) return;
    const isFollower = this.#place.isOf(this.#host.follower?.lanes);
    this.#place.leave();
    this.#isFull = false;
    if (this.way.laneOwed > 0) {
      this.#events.onLoss();
      return;
    }
    if (isFollower) this.#readElsewhere(this.#host.retryMs);
    else {
      this.way.beHeavy();
      this.#tryAgain(this.#host.retryMs);
    }
    this.#events.onRoom();
  }

  /** Leaves what it does not need any more. */
  tryLeave(): void {
    this.way.tryReturn();
    this.leaveRetired();
  }

  /** Nobody new comes to a retired lane: the last one who leaves closes it. */
  leaveRetired(): void {
    if (this.#place.link?.isRetired && this.way.isIdle) this.#place.leave();
  }

  #tryAgain(afterMs: number): void {
    this.#retry ??= this.#host.later(afterMs, () => {
      this.#retry = null;
      this.#events.onOpen();
    });
  }
}

function isLost(route: Route): boolean {
  return route.kind === 'none' && route.isLost === true;
}

/** A script that makes the server say -BUSY has run for seconds, and many sessions may ask. */
const BUSY_RETRY_MS = 250;
