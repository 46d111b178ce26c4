/**
 * The connections of one session: its place on a lane, or one of its own, to the local server or to
 * the leader's relay. `core/lanes`' `Way` decides which; this opens, closes and writes them.
 */
import { Way, type WayPorts } from '../../core/lanes/way.ts';
import type { LaneLink } from './lane-link.ts';
import type { Route } from './ports.ts';
import type { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import { Upstream, type UpstreamEvents } from './upstream.ts';

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

export class Connections implements WayPorts, UpstreamEvents {
  readonly way: Way;
  readonly #session: Session;
  readonly #host: SessionHost;
  readonly #events: ConnectionsEvents;
  #link: LaneLink<Session> | null = null;
  #upstream: Upstream | null = null;
  #retry: NodeJS.Timeout | null = null;
  #corked: Upstream | null = null;
  #isFull = false;
  /** A round that begins later than the arrival of all that was sent on the own connection. */
  ticket = 0;

  constructor(session: Session, host: SessionHost, events: ConnectionsEvents) {
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

  get link(): LaneLink<Session> | null {
    return this.#link;
  }

  takeTicket(): void {
    if (this.#upstream?.route.kind === 'open') this.ticket = this.#host.ports.nextRound();
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
    if (this.#retry !== null) clearTimeout(this.#retry);
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
    this.#upstream = new Upstream(this.#host.route, this);
    this.#upstream.connect(this.#host.ports);
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
    if (!wasConnected) this.#tryAgain(this.#host.bounds.retryMs);
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
    this.#tryAgain(this.#host.bounds.retryMs);
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
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      this.#events.onOpen();
    }, afterMs);
  }
}

/** A script that makes the server say -BUSY has run for seconds, and many sessions may ask. */
const BUSY_RETRY_MS = 250;

function isSameRoute(one: Route, other: Route): boolean {
  if (one.kind === 'open') return other.kind === 'open' && one.reign === other.reign;
  return one.kind === 'leader' && other.kind === 'leader' && one.node === other.node;
}
