/**
 * The clients' door: sessions, where their commands go now, and the bounds that they share.
 *
 * The agent tells the route and ends reigns; every effect of `setRoute` and `endReign` on a session
 * that must close has happened when they return.
 */
import type { Duplex } from 'node:stream';
import {
  CommandJudge,
  type CommandRules,
  type ListedCommand,
} from '../../core/lanes/command-rules.ts';
import type { FollowerLanes } from '../../core/lanes/connections-host.ts';
import { Lanes } from '../../core/lanes/lanes.ts';
import { Owners } from '../../core/lanes/owners.ts';
import {
  GIVEN_AT_ONCE,
  type LaneWireEvents,
  type OwnWire,
  type OwnWireEvents,
  type Route,
} from '../../core/lanes/ports.ts';
import { ReadPoints } from '../../core/lanes/read-points.ts';
import type { ReadsMode } from '../../core/reads-mode.ts';
import { errorReply } from '../../core/resp/writer.ts';
import { LaneSocket } from './lane-socket.ts';
import type { RelayBounds } from './options.ts';
import type { RelayPorts } from './ports.ts';
import { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import { Upstream } from './upstream.ts';

export interface RelayOptions {
  readonly ports: RelayPorts;
  readonly rules: CommandRules;
  readonly bounds: RelayBounds;
  /** Where other relays of this program count towards `sessionsMax` as well. */
  readonly seats?: Seats;
}

/** One is taken by each session. */
export interface Seats {
  /** False when there is none left. */
  take(): boolean;
  leave(): void;
}

export interface RelayStats {
  readonly sessions: number;
  readonly bound: number;
  /** Sessions with commands that nobody has taken yet. */
  readonly waiting: number;
  /** Connections to the local server that sessions share. */
  readonly lanes: number;
  readonly passedThrough: number;
  readonly heldSessions: number;
  readonly waitingBytes: number;
  readonly replyBytes: number;
  readonly commandsTotal: number;
  /** Reads answered by the own server although another node leads. */
  readonly readsHereTotal: number;
  /** Commands that waited in vain and got CLUSTERDOWN. */
  readonly refusedTotal: number;
  readonly connectionsTotal: number;
  /** Connections over the bound. */
  readonly rejectedTotal: number;
}

export class Relay implements SessionHost {
  readonly ports: RelayPorts;
  readonly bounds: RelayBounds;
  readonly judge: CommandJudge;
  readonly lanes: Lanes<Session>;
  readonly points: ReadPoints;
  readonly #followerLanes: Lanes<Session>;
  readonly #seats: Seats;
  readonly #sessions = new Set<Session>();
  readonly #owners: Owners<Session>;
  readonly #heldUp = new Set<Session>();
  #route: Route = { kind: 'none', why: 'this node is starting' };
  /** The reign whose replies sessions may hold; it ends only by `endReign`. */
  #reign: number | null = null;
  #follower: FollowerLanes<Session> | null = null;
  #reads: ReadsMode = 'leader';
  #readsHereTotal = 0;
  #isPaused = false;
  #waitingBytes = 0;
  #replyBytes = 0;
  #unfinishedBytes = 0;
  #commandsTotal = 0;
  #refusedTotal = 0;
  #connectionsTotal = 0;
  #rejectedTotal = 0;

  constructor(options: RelayOptions) {
    this.ports = options.ports;
    this.bounds = options.bounds;
    this.judge = new CommandJudge(options.rules);
    const { ports } = options;
    const { lanesMax } = options.bounds;
    const lanesPorts = {
      connectLane: (events: LaneWireEvents) => new LaneSocket(ports.connectServer(), events),
      nextRound: () => ports.nextRound(),
      soon: (run: () => void) => void setImmediate(run),
    };
    const reignPorts = {
      ...lanesPorts,
      isFenced: true,
      get hold() {
        return ports.hold;
      },
    };
    this.lanes = new Lanes(reignPorts, lanesMax);
    const followerPorts = { ...lanesPorts, isFenced: false, hold: GIVEN_AT_ONCE };
    this.#followerLanes = new Lanes(followerPorts, lanesMax);
    this.points = new ReadPoints((reached) => ports.readPoint(reached));
    this.#owners = new Owners(options.bounds.ownConnectionsMax);
    this.#seats = options.seats ?? {
      take: () => this.#sessions.size < this.bounds.sessionsMax,
      leave: () => undefined,
    };
  }

  get route(): Route {
    return this.#route;
  }

  get follower(): FollowerLanes<Session> | null {
    return this.#follower;
  }

  get reads(): ReadsMode {
    return this.#reads;
  }

  get retryMs(): number {
    return this.bounds.retryMs;
  }

  nextRound(): number {
    return this.ports.nextRound();
  }

  connectOwn(route: Route, events: OwnWireEvents): OwnWire {
    const upstream = new Upstream(route, events);
    upstream.connect(this.ports);
    return upstream;
  }

  later(ms: number, run: () => void): () => void {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }

  get canRead(): boolean {
    return !this.#isPaused && this.#waitingBytes <= this.bounds.waitingBytesTotalMax;
  }

  get replyBytesMax(): number {
    const isMuch = this.#replyBytes > this.bounds.replyBytesTotalMax;
    return isMuch ? this.bounds.replyBytesLow : this.bounds.replyBytesMax;
  }

  /**
   * Idle plain sessions move with the route. Other sessions are closed when it leads elsewhere, and
   * keep what they have while it leads nowhere.
   */
  setRoute(route: Route): void {
    const isOtherReign = route.kind === 'open' ? route.reign !== this.#reign : true;
    if (this.#reign !== null && route.kind !== 'none' && isOtherReign) {
      this.endReign('another route');
    }
    this.#route = route;
    if (route.kind === 'open') this.#reign = route.reign;
    for (const session of this.#sessions) session.onRoute();
  }

  /**
   * Closes every session that is bound to the local server or has anything outstanding there. The
   * agent has dropped what was held.
   */
  endReign(why: string): void {
    this.#reign = null;
    this.#route = { kind: 'none', why };
    for (const session of this.#sessions) session.endReign();
    this.lanes.endAll();
    // A new reign has a new hold, and it is empty.
    this.#letGo();
  }

  /**
   * Where the own server follows without a break, it may be read: it shows only what is agreed on.
   * Null: it is no longer so, and nothing that it was asked is answered.
   */
  setSpell(spell: number | null): void {
    if (this.#follower !== null) {
      for (const session of this.#sessions) session.endSpell();
      this.#followerLanes.endAll();
      this.points.giveUp();
    }
    this.#follower = spell === null ? null : { spell, lanes: this.#followerLanes };
    for (const session of this.#sessions) session.onRoute();
  }

  /** Who answers reads of sessions that have not said otherwise; what is owed comes as it is. */
  setReads(reads: ReadsMode): void {
    if (reads === this.#reads) return;
    this.#reads = reads;
    for (const session of this.#sessions) session.onRoute();
  }

  /** A client of this node. The listener set the socket's options. */
  admit(client: Duplex): void {
    this.#begin(client, false);
  }

  /**
   * A client of another node, passed through by its relay because this node leads. That is known
   * there before this node is open: its commands wait here, as those of own clients do, and are
   * not passed on once more.
   */
  accept(stream: Duplex): void {
    if (this.#route.kind !== 'leader') {
      this.#begin(stream, true);
    } else {
      stream.on('error', () => undefined);
      stream.destroy();
    }
  }

  /** What the local server says of its commands; to be told before it is the route. */
  learn(commands: readonly ListedCommand[]): void {
    this.judge.learn(commands);
  }

  /** To be called some 40 times a second: lanes that stand still are not waited for. */
  tick(): void {
    this.lanes.tick();
    this.#followerLanes.tick();
  }

  pauseReads(): void {
    this.lanes.setHurried(true);
    this.#changeReads(() => {
      this.#isPaused = true;
    });
  }

  resumeReads(): void {
    this.lanes.setHurried(false);
    this.#changeReads(() => {
      this.#isPaused = false;
    });
  }

  /** Closes every session at once. */
  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.lanes.endAll();
    this.#followerLanes.endAll();
  }

  stats(): RelayStats {
    let bound = 0;
    let waiting = 0;
    let heldSessions = 0;
    let passedThrough = 0;
    for (const session of this.#sessions) {
      if (session.isBound) bound += 1;
      if (session.isWaiting) waiting += 1;
      if (session.isHolding) heldSessions += 1;
      if (session.isPassThrough) passedThrough += 1;
    }
    return {
      sessions: this.#sessions.size,
      bound,
      waiting,
      lanes: this.lanes.count + this.#followerLanes.count,
      passedThrough,
      heldSessions,
      waitingBytes: this.#waitingBytes,
      replyBytes: this.#replyBytes,
      commandsTotal: this.#commandsTotal,
      readsHereTotal: this.#readsHereTotal,
      refusedTotal: this.#refusedTotal,
      connectionsTotal: this.#connectionsTotal,
      rejectedTotal: this.#rejectedTotal,
    };
  }

  #begin(client: Duplex, isPassThrough: boolean): void {
    this.#connectionsTotal += 1;
    if (this.#seats.take()) {
      this.#sessions.add(new Session(this, client, isPassThrough));
      return;
    }
    this.#rejectedTotal += 1;
    client.on('error', () => undefined);
    client.end(errorReply('ERR max number of clients reached'), () => client.destroy());
  }

  #changeReads(change: () => void): void {
    const before = this.canRead;
    change();
    if (this.canRead !== before) for (const session of this.#sessions) session.onReadsChanged();
  }

  // What sessions report.

  addWaitingBytes(change: number): void {
    if (change === 0) return;
    this.#changeReads(() => {
      this.#waitingBytes += change;
    });
  }

  addReplyBytes(change: number): void {
    this.#replyBytes += change;
  }

  addUnfinishedBytes(change: number): boolean {
    this.#unfinishedBytes += change;
    return this.#unfinishedBytes <= this.bounds.unfinishedBytesTotalMax;
  }

  countCommands(forwarded: number, refused: number): void {
    this.#commandsTotal += forwarded;
    this.#refusedTotal += refused;
  }

  countReadsHere(count: number): void {
    this.#readsHereTotal += count;
  }

  onHoldFull(session: Session): void {
    if (this.#heldUp.size === 0) {
      this.ports.hold.onDrain(() => this.#letGo());
    }
    this.#heldUp.add(session);
    session.setHeldUp(true);
  }

  #letGo(): void {
    const sessions = [...this.#heldUp];
    this.#heldUp.clear();
    for (const session of sessions) session.setHeldUp(false);
  }

  onOwnOpened(session: Session): void {
    this.#owners.opened(session);
  }

  onOwnClosed(session: Session): void {
    this.#owners.closed(session);
  }

  onClosed(session: Session): void {
    if (this.#sessions.delete(session)) this.#seats.leave();
    // In `#heldUp` a closed session only waits for the hold to drain.
  }
}
