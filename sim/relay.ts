/**
 * Clients at one node: the production lanes, ways, gates and read points (`core/lanes`) over lines
 * in virtual time, and the production hold behind them. What `io/relay`'s `Relay` does. Where reads
 * are the leader's alone nothing is passed on: who does not lead refuses, and names who does.
 */

import type { RelayPort } from '../src/agent/strong/ports.ts';
import { relayHold } from '../src/agent/strong/relay-hold.ts';
import { RelayRoute, type RouteDoor } from '../src/agent/strong/relay-route.ts';
import type { Strong } from '../src/agent/strong/strong.ts';
import { CommandJudge } from '../src/core/lanes/command-rules.ts';
import type { ConnectionsHost, FollowerLanes } from '../src/core/lanes/connections-host.ts';
import { Lanes } from '../src/core/lanes/lanes.ts';
import { Owners } from '../src/core/lanes/owners.ts';
import {
  GIVEN_AT_ONCE,
  type HeldReply,
  type HeldSession,
  type Hold,
  type LaneWireEvents,
  type OwnWire,
  type OwnWireEvents,
  type Route,
} from '../src/core/lanes/ports.ts';
import { ReadPoints } from '../src/core/lanes/read-points.ts';
import type { ReadsMode } from '../src/core/reads-mode.ts';
import type { ScannerLimits } from '../src/core/resp/request-scanner.ts';
import type { NodeId } from '../src/core/scalars.ts';
import { type Answerer, type Given, Tags } from './ledger.ts';
import { type PassOptions, SimPassWire } from './pass-wire.ts';
import { READ_COMMANDS } from './server/read-commands.ts';
import type { ReplySeen } from './server-body.ts';
import type { Line, LineEnds } from './server-lines.ts';
import { type ClientPort, Session } from './session.ts';
import type { Travels } from './travels.ts';
import { must } from './violation.ts';
import { type OwnRoute, SimLaneWire, SimOwnWire, type WireOptions } from './wires.ts';

export interface RelayOptions {
  readonly id: NodeId;
  readonly strong: () => Strong;
  readonly nextRound: () => number;
  /** Null: nobody takes the connection. */
  readonly openLine: (ends: LineEnds, onReply: (reply: ReplySeen) => void) => Line | null;
  /** At the end of what is being done. */
  readonly soon: (run: () => void) => void;
  readonly later: (us: number, run: () => void) => void;
  /** The node's monotonic clock. */
  readonly nowMs: () => number;
  readonly reads: ReadsMode;
  readonly readPoint: (reached: () => void) => void;
  readonly passing: PassOptions;
  /** A piece of a reply leaves. */
  readonly given: (given: Given) => void;
  /** Counts what sessions went through. */
  readonly travels: Travels;
  readonly lanesMax: number;
  readonly ownConnectionsMax: number;
  readonly replyBytesMax: number;
  readonly gatherBytesMax: number;
}

const RETRY_MS = 50;
const LEADER_WAIT_MS = 1_000;
const RULES = { denied: new Map(), configAllowed: new Set<string>(), waitReply: () => 0 };

export class SimRelay implements RelayPort {
  readonly options: RelayOptions;
  readonly judge = new CommandJudge(RULES);
  readonly scannerLimits: ScannerLimits;
  readonly tags = new Tags();
  readonly hold: Hold;
  readonly #sessions = new Set<Session>();
  readonly #heldUp = new Set<Session>();
  readonly #lanes: Lanes<Session>;
  readonly #followerLanes: Lanes<Session>;
  readonly #onLanes: ConnectionsHost<Session>;
  /** For whom there are always too many lanes. */
  readonly #offLanes: ConnectionsHost<Session>;
  readonly #owners: Owners<Session>;
  readonly #routes: RelayRoute;
  readonly #points: ReadPoints;
  #route: Route = { kind: 'none', why: 'this node is starting' };
  #follower: FollowerLanes<Session> | null = null;
  #leader: NodeId | null = null;
  #isPaused = false;
  #admitted = 0;
  #passed = 0;

  constructor(options: RelayOptions) {
    this.options = options;
    const { soon, nextRound, openLine, gatherBytesMax } = options;
    this.scannerLimits = { bulkBytesMax: 1 << 20, wholeBytesMax: 1 << 20, gatherBytesMax };
    this.hold = watchedHold(
      relayHold(() => options.strong().hold),
      options,
    );
    this.#owners = new Owners(options.ownConnectionsMax);
    this.#points = new ReadPoints(options.readPoint);
    this.#routes = new RelayRoute({
      relay: this.#door(),
      ownId: () => this.options.id,
      nowMs: options.nowMs,
      leaderWaitMs: LEADER_WAIT_MS,
    });
    // What is read where another node leads has to be known as such.
    if (options.reads !== 'leader') this.judge.learn(READ_COMMANDS);
    const wires: WireOptions = { openLine, soon, tags: this.tags };
    const connects = (by: Answerer) => (events: LaneWireEvents) => {
      options.travels.lanes += 1;
      return new SimLaneWire(wires, by, events);
    };
    const ports = {
      nextRound,
      soon,
      hold: this.hold,
      isFenced: true,
      connectLane: connects('open'),
    };
    this.#lanes = new Lanes(ports, options.lanesMax);
    const connectLane = connects('follower');
    const follower = { nextRound, soon, hold: GIVEN_AT_ONCE, isFenced: false, connectLane };
    this.#followerLanes = new Lanes(follower, options.lanesMax);
    this.#onLanes = this.#hostWith(wires, this.#lanes);
    this.#offLanes = this.#hostWith(wires, new Lanes(ports, 0));
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  admit(client: ClientPort, ridesLanes: boolean): Session {
    this.#admitted += 1;
    const host = ridesLanes ? this.#onLanes : this.#offLanes;
    const session = new Session(`${this.options.id} session ${this.#admitted}`, this, host, client);
    this.#sessions.add(session);
    return session;
  }

  /** A client of another node, passed on by its relay; null where it would be passed on again. */
  accept(client: ClientPort, ridesLanes: boolean): Session | null {
    return this.#route.kind === 'leader' ? null : this.admit(client, ridesLanes);
  }

  open(reign: number): void {
    this.#routes.open(reign);
  }

  endReign(why: string): void {
    this.#routes.endReign(why);
  }

  setLeader(leader: NodeId | null): void {
    this.#leader = leader;
    if (this.options.reads !== 'leader') this.#routes.setLeader(leader);
  }

  setSpell(spell: number | null): void {
    if (this.options.reads !== 'leader') this.#routes.setSpell(spell);
  }

  setReadsPaused(isPaused: boolean): void {
    this.#routes.setReadsPaused(isPaused);
  }

  tick(): void {
    this.#lanes.tick();
    this.#followerLanes.tick();
    this.#routes.tick();
  }

  #door(): RouteDoor {
    return {
      setRoute: (route) => {
        this.#route = route;
        for (const session of [...this.#sessions]) session.onRoute();
      },
      endReign: (why) => {
        this.#route = { kind: 'none', why };
        for (const session of [...this.#sessions]) session.endReign();
        for (const { isServed } of this.#sessions)
          must(!isServed, 'who survives a reign is owed nothing of it', () => this.options.id);
        this.#lanes.endAll();
        this.#letGo();
      },
      setSpell: (spell) => this.#setSpell(spell),
      pauseReads: () => this.#pauseReads(true),
      resumeReads: () => this.#pauseReads(false),
    };
  }

  #setSpell(spell: number | null): void {
    if (this.#follower !== null) {
      for (const session of [...this.#sessions]) session.endSpell();
      this.#followerLanes.endAll();
      this.#points.giveUp();
    }
    this.#follower = spell === null ? null : { spell, lanes: this.#followerLanes };
    for (const session of [...this.#sessions]) session.onRoute();
  }

  #pauseReads(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#lanes.setHurried(isPaused);
    if (!isPaused) this.#goAll();
  }

  /** The hold is full: this one is not read until it has room again. */
  onHoldFull(session: Session): void {
    if (this.#heldUp.size === 0) this.hold.onDrain(() => this.#letGo());
    this.#heldUp.add(session);
    session.setHeldUp(true);
  }

  onClosed(session: Session): void {
    this.#sessions.delete(session);
  }

  #connectOwn(wires: WireOptions, route: OwnRoute, events: OwnWireEvents): OwnWire {
    const { id, passing, travels } = this.options;
    if (route.kind !== 'leader') {
      travels.owns += 1;
      return new SimOwnWire(wires, route, events);
    }
    travels.passed += 1;
    this.#passed += 1;
    const source = `${id} passes ${this.#passed}`;
    return new SimPassWire(passing, source, this.tags, route, events);
  }

  #goAll(): void {
    for (const session of [...this.#sessions]) session.go();
  }

  #letGo(): void {
    const sessions = [...this.#heldUp];
    this.#heldUp.clear();
    for (const session of sessions) session.setHeldUp(false);
  }

  #hostWith(wires: WireOptions, lanes: Lanes<Session>): ConnectionsHost<Session> {
    const route = (): Route => this.#route;
    const follower = (): FollowerLanes<Session> | null => this.#follower;
    const { nextRound, later, travels, reads } = this.options;
    return {
      get route() {
        return route();
      },
      get follower() {
        return follower();
      },
      lanes,
      points: this.#points,
      reads,
      countReadsHere: (count) => {
        travels.readsHere += count;
      },
      retryMs: RETRY_MS,
      nextRound,
      connectOwn: (to, events) => this.#connectOwn(wires, to as OwnRoute, events),
      later: (ms, run) => {
        let isOff = false;
        later(1 + ms * 1_000, () => isOff || run());
        return () => {
          isOff = true;
        };
      },
      countCommands: () => undefined,
      onOwnOpened: (session) => this.#owners.opened(session),
      onOwnClosed: (session) => this.#owners.closed(session),
    };
  }
}

/**
 * Once it is full every connection gives at most what had been read by then: each session's own
 * once, and all lanes together once, but for what is given away because no fence came.
 */
function watchedHold(hold: Hold, { id, travels }: RelayOptions): Hold {
  const since = new Set<HeldSession | 'lanes'>();
  const note = (who: HeldSession | 'lanes' | 'unfenced'): void => {
    if (!hold.isFull) since.clear();
    else if (who !== 'unfenced') {
      must(!since.has(who), 'held bytes keep their bound', () => `${id} reads on, and is full`);
      since.add(who);
    }
  };
  return {
    get isFull() {
      return hold.isFull;
    },
    onDrain: (callback) => hold.onDrain(callback),
    laneSent: (ticket) => hold.laneSent(ticket),
    add: (session, bytes, ticket) => {
      note(session);
      hold.add(session, bytes, ticket);
    },
    addLane: (replies: HeldReply[], ticket, fence) => {
      note(fence === null ? 'unfenced' : 'lanes');
      if (fence === null) travels.unfenced += 1;
      else travels.fenced += 1;
      hold.addLane(replies, ticket, fence);
    },
  };
}
