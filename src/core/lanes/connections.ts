/**
 * The connections of one session: its place on a lane, or one of its own, to the local server or to
 * the leader's relay. `Way` decides which; this opens, closes and writes them.
 */
import type { LaneLink } from './lane-link.ts';
import type { LaneSession, Lanes } from './lanes.ts';
import { isSameRoute, type OwnWire, type OwnWireEvents, type Route } from './ports.ts';
import { Way, type WayPorts } from './way.ts';

/** What the connections need of their session. */
export interface ConnectedSession extends LaneSession {
  /** Whether the client is the relay of a follower: it has a route of its own and must use it. */
  readonly isPassThrough: boolean;
}

/** What they need of the relay. */
export interface ConnectionsHost<S extends ConnectedSession> {
  readonly route: Route;
  /** Of the present reign. */
  readonly lanes: Lanes<S>;
  /** Pause between two attempts to connect. */
  readonly retryMs: number;
  /** The ticket of a command read now. */
  nextRound(): number;
  /** A connection of a session's own to where the route leads. */
  connectOwn(route: Route, events: OwnWireEvents): OwnWire;
  /** Runs it once, then, unless the call that it returns comes first. */
  later(ms: number, run: () => void): () => void;
  countCommands(forwarded: number, refused: number): void;
  /** It has a connection of its own to the local server. */
  onOwnOpened(session: S): void;
  onOwnClosed(session: S): void;
}

export interface ConnectionsEvents {
  /** Bytes of the own connection for the client; null: it was not let in. */
  onReply(bytes: Buffer | null): void;
  /** A connection is there, or may be tried again: what waits may go on. */
  onOpen(): void;
  /** The reading of requests may have to stop or to go on. */
  onRoom(): void;
  /** A connection ended that owed something. */
  onLoss(): void;
}

export class Connections<S extends ConnectedSession> implements WayPorts, OwnWireEvents {
  readonly way: Way;
  readonly #session: S;
  readonly #host: ConnectionsHost<S>;
  readonly #events: ConnectionsEvents;
  #link: LaneLink<S> | null = null;
  #upstream: OwnWire | null = null;
  #retry: (() => void) | null = null;
  #corked: OwnWire | null = null;
  #isFull = false;
  /** A round that begins later than the arrival of all that was sent on the own connection. */
  ticket = 0;

  constructor(session: S, host: ConnectionsHost<S>, events: ConnectionsEvents) {
    this.#session = session;
    this.#host = host;
    this.#events = events;
    this.way = new Way(this);
  }

  /** Whether the own connection does not lead where `route` says. */
  isElsewhere(route: Route): boolean {
    return this.#upstream !== null && !isSameRoute(this.#upstream.route, route);
  }

  /** Whether the server of this node executes the commands. */
  get isLocal(): boolean {
    return this.#link !== null || this.#upstream?.route.kind === 'open';
  }

  /** The server takes no more for now. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isRetrying(): boolean {
    return this.#retry !== null;
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

  /**
   * The reign is over, and nothing that was executed in it may be answered any more: false when
   * the session has something there, and must be closed.
   */
  endReign(): boolean {
    if (this.way.heldBytes > 0) return false;
    if (!this.isLocal) return true;
    if (!this.way.isIdle) return false;
    this.detach();
    return true;
  }

  /** A lane that it holds up is its alone from now on, and others wait for it only so long. */
  setBehind(isBehind: boolean): void {
    const link = this.#link;
    if (link === null) return;
    if (!isBehind) {
      link.letGo(this.#session);
      return;
    }
    this.way.beHeavy();
    this.#host.lanes.retire(link);
    link.holdUp(this.#session);
  }

  get hasLane(): boolean {
    return this.#link !== null;
  }

  /** Gives up connections that owe nothing. The next command finds others. */
  detach(): void {
    this.drop();
    this.way.ownLost();
    this.#isFull = false;
    this.#events.onRoom();
  }

  drop(): void {
    this.#leaveLane();
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#host.onOwnClosed(this.#session);
  }

  stopRetrying(): void {
    this.#retry?.();
    this.#retry = null;
  }

  // What the way asks for.

  get direction(): 'lanes' | 'own' | 'none' {
    const { route } = this.#host;
    if (this.#retry !== null || route.kind === 'none') return 'none';
    if (route.kind === 'open') return 'lanes';
    return this.#session.isPassThrough ? 'none' : 'own';
  }

  toLane(bytes: Buffer, count: number): boolean {
    const { lanes } = this.#host;
    const { way } = this;
    if (this.#link?.isOver) this.#leaveLane();
    this.leaveRetired();
    // What is owed on a retired lane comes first; then another is found.
    if (this.#link?.isRetired) return false;
    this.#link ??= lanes.join(this.#session, way.key, way.laneReplay());
    const link = this.#link;
    if (link === null) {
      // Too many lanes: the next look at what waits finds it a connection of its own.
      way.beHeavy();
      this.#tryAgain(0);
      return false;
    }
    if (!link.isReady) {
      link.awaitReady(this.#session);
      return false;
    }
    this.#host.countCommands(count, 0);
    lanes.send(link, this.#session, bytes, count);
    if (link.isFull) {
      this.#isFull = true;
      link.awaitDrain(this.#session);
      this.#events.onRoom();
    }
    return true;
  }

  openOwn(): void {
    this.#leaveLane();
    this.#upstream = this.#host.connectOwn(this.#host.route, this);
    if (this.#upstream.route.kind === 'open') this.#host.onOwnOpened(this.#session);
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
    const replied = this.way.ownReplied(bytes);
    if (replied !== 'busy') {
      this.#events.onReply(replied);
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
    const { isIdle } = this.way;
    this.detach();
    if (!wasConnected) this.#tryAgain(this.#host.retryMs);
    else if (!isIdle) this.#events.onLoss();
    else this.#events.onOpen();
  }

  /** The lane is gone. One that could not even be made is not tried a second time. */
  onLaneEnd(): void {
    if (this.#link?.isOver !== true) return;
    this.#leaveLane();
    this.#isFull = false;
    if (this.way.laneOwed > 0) {
      this.#events.onLoss();
      return;
    }
    this.way.beHeavy();
    this.#tryAgain(this.#host.retryMs);
    this.#events.onRoom();
  }

  /** Leaves what it does not need any more. */
  tryLeave(): void {
    this.way.tryReturn();
    this.leaveRetired();
  }

  /** Nobody new comes to a retired lane: the last one who leaves closes it. */
  leaveRetired(): void {
    if (this.#link?.isRetired && this.way.isIdle) this.#leaveLane();
  }

  #leaveLane(): void {
    if (this.#link === null) return;
    this.#host.lanes.leave(this.#session, this.#link);
    this.#link = null;
  }

  #tryAgain(afterMs: number): void {
    this.#retry ??= this.#host.later(afterMs, () => {
      this.#retry = null;
      this.#events.onOpen();
    });
  }
}

/** A script that makes the server say -BUSY has run for seconds, and many sessions may ask. */
const BUSY_RETRY_MS = 250;
