/**
 * Clients at one node: the production lanes, ways and gates (`core/lanes`) over lines in virtual
 * time, and the production hold behind them. What `io/relay`'s `Relay` does, without passing
 * through: who does not lead refuses, and names who does.
 */
import type { RelayPort } from '../src/agent/strong/ports.ts';
import { relayHold } from '../src/agent/strong/relay-hold.ts';
import type { Strong } from '../src/agent/strong/strong.ts';
import { CommandJudge } from '../src/core/lanes/command-rules.ts';
import type { ConnectionsHost } from '../src/core/lanes/connections.ts';
import { Lanes } from '../src/core/lanes/lanes.ts';
import { Owners } from '../src/core/lanes/owners.ts';
import type {
  HeldReply,
  HeldSession,
  Hold,
  LaneWireEvents,
  Route,
} from '../src/core/lanes/ports.ts';
import { ReadPoints } from '../src/core/lanes/read-points.ts';
import type { ScannerLimits } from '../src/core/resp/request-scanner.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Asked } from './invariants.ts';
import { Tags } from './ledger.ts';
import type { ReplySeen } from './server-body.ts';
import type { Line, LineEnds } from './server-lines.ts';
import { type ClientPort, Session } from './session.ts';
import type { Travels } from './travels.ts';
import { must } from './violation.ts';
import { SimLaneWire, SimOwnWire, type WireOptions } from './wires.ts';

export interface RelayOptions {
  readonly name: string;
  readonly strong: () => Strong;
  readonly nextRound: () => number;
  /** Null: nobody takes the connection. */
  readonly openLine: (ends: LineEnds, onReply: (reply: ReplySeen) => void) => Line | null;
  /** At the end of what is being done. */
  readonly soon: (run: () => void) => void;
  readonly later: (us: number, run: () => void) => void;
  /** A piece of a reply leaves: everything up to this offset had been executed by then. */
  readonly released: (offset: number, asked: Asked) => void;
  /** Counts what sessions went through. */
  readonly travels: Travels;
  readonly lanesMax: number;
  readonly ownConnectionsMax: number;
  readonly replyBytesMax: number;
  readonly gatherBytesMax: number;
}

const RETRY_MS = 50;
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
  readonly #onLanes: ConnectionsHost<Session>;
  /** For whom there are always too many lanes. */
  readonly #offLanes: ConnectionsHost<Session>;
  readonly #owners: Owners<Session>;
  #route: Route = { kind: 'none', why: 'this node is starting' };
  #leader: NodeId | null = null;
  #isPaused = false;
  readonly #points = new ReadPoints(() => undefined);
  #admitted = 0;

  constructor(options: RelayOptions) {
    this.options = options;
    const { soon, nextRound, openLine, gatherBytesMax } = options;
    this.scannerLimits = { bulkBytesMax: 1 << 20, wholeBytesMax: 1 << 20, gatherBytesMax };
    this.hold = watchedHold(
      relayHold(() => options.strong().hold),
      options,
    );
    this.#owners = new Owners(options.ownConnectionsMax);
    const wires: WireOptions = { openLine, soon, tags: this.tags };
    const ports = {
      connectLane: (events: LaneWireEvents) => {
        options.travels.lanes += 1;
        return new SimLaneWire(wires, events);
      },
      nextRound,
      soon,
      hold: this.hold,
      isFenced: true,
    };
    this.#lanes = new Lanes(ports, options.lanesMax);
    this.#onLanes = this.#hostWith(wires, this.#lanes);
    this.#offLanes = this.#hostWith(wires, new Lanes(ports, 0));
  }

  get isOpen(): boolean {
    return this.#route.kind === 'open';
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
    const session = new Session(
      `${this.options.name} session ${this.#admitted}`,
      this,
      host,
      client,
    );
    this.#sessions.add(session);
    return session;
  }

  open(reign: number): void {
    this.#route = { kind: 'open', reign };
    this.#goAll();
  }

  endReign(why: string): void {
    this.#route = { kind: 'none', why };
    for (const session of [...this.#sessions]) session.endReign();
    this.#lanes.endAll();
    this.#letGo();
  }

  setLeader(leader: NodeId | null): void {
    this.#leader = leader;
  }

  setSpell(): void {}

  setReadsPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#lanes.setHurried(isPaused);
    if (!isPaused) this.#goAll();
  }

  tick(): void {
    this.#lanes.tick();
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
    const { nextRound, later, travels } = this.options;
    return {
      get route() {
        return route();
      },
      lanes,
      follower: null,
      points: this.#points,
      reads: 'leader',
      countReadsHere: () => undefined,
      retryMs: RETRY_MS,
      nextRound,
      connectOwn: (to, events) => {
        travels.owns += 1;
        return new SimOwnWire(wires, to, events);
      },
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
function watchedHold(hold: Hold, { name, travels }: RelayOptions): Hold {
  const since = new Set<HeldSession | 'lanes'>();
  const note = (who: HeldSession | 'lanes' | 'unfenced'): void => {
    if (!hold.isFull) since.clear();
    else if (who !== 'unfenced') {
      must(!since.has(who), 'held bytes keep their bound', () => `${name} reads on, and is full`);
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
