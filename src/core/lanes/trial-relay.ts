/**
 * For the tests of this room: what `io/relay` does with lanes and ways, without sockets and turns
 * of an event loop. Each method is one thing that may happen next.
 */
import { Lane, type Slice } from './lane.ts';
import type { Segment } from './segment.ts';
import { TrialConnection } from './trial-server.ts';
import { Way, type WayPorts } from './way.ts';

interface TrialLane {
  readonly key: string;
  readonly lane: Lane<TrialSession>;
  readonly connection: TrialConnection;
  greetings: number;
  isOver: boolean;
}

export class TrialSession implements WayPorts {
  readonly way = new Way(this);
  readonly relay: TrialRelay;
  own: TrialConnection | null = null;
  isOpening = false;
  isClosed = false;
  lane: TrialLane | null = null;
  received = '';
  moves = 0;

  constructor(relay: TrialRelay) {
    this.relay = relay;
  }

  get direction(): 'lanes' | 'none' {
    return this.relay.isOpen ? 'lanes' : 'none';
  }

  readonly canReadHere = false;

  takes(): boolean {
    return true;
  }

  toFollower(): boolean {
    return false;
  }

  toLane(bytes: Buffer, count: number): boolean {
    if (this.lane?.isOver) this.lane = null;
    this.lane ??= this.relay.laneOf(this.way);
    if (this.lane.greetings > 0) return false;
    this.lane.lane.request(this, bytes, count);
    return true;
  }

  openOwn(): void {
    this.lane = null;
    this.isOpening = true;
    this.moves += 1;
  }

  closeOwn(): void {
    this.own = null;
  }

  toOwn(bytes: Buffer): void {
    this.own?.write(bytes);
  }

  close(): void {
    this.isClosed = true;
    this.own = null;
  }
}

interface Held {
  readonly session: TrialSession;
  readonly bytes: Buffer;
}

export class TrialRelay {
  isOpen = true;
  readonly sessions: TrialSession[] = [];
  lanes: TrialLane[] = [];
  /** Replies of own connections, and of lanes: each is released in its order. */
  heldOwn: Held[] = [];
  heldLanes: Held[] = [];
  unfenced = 0;
  fenced = 0;
  #ticket = 0;

  constructor(sessions: number) {
    for (let i = 0; i < sessions; i++) this.sessions.push(new TrialSession(this));
  }

  laneOf(way: Way): TrialLane {
    const known = this.lanes.find(({ key, isOver }) => key === way.key && !isOver);
    if (known !== undefined) return known;
    const replay = way.laneReplay();
    const connection = new TrialConnection(true);
    const lane: TrialLane = {
      key: way.key,
      lane: new Lane({ replied: (slices, _ticket, fence) => this.#replied(slices, fence) }),
      connection,
      greetings: replay.length,
      isOver: false,
    };
    if (replay.length > 0) connection.write(Buffer.concat(replay));
    this.lanes.push(lane);
    return lane;
  }

  request(session: TrialSession, segment: Segment): void {
    if (!session.isClosed) session.way.take(segment);
  }

  flush(at: number): void {
    const lane = this.lanes[at % Math.max(1, this.lanes.length)];
    if (lane === undefined || lane.isOver || !lane.lane.hasBatch) return;
    this.#ticket += 1;
    lane.connection.write(Buffer.concat(lane.lane.takeBatch(this.#ticket)));
  }

  /** The server's output on a lane, cut somewhere, is read. */
  readLane(at: number, count: number): void {
    const lane = this.lanes[at % Math.max(1, this.lanes.length)];
    if (lane === undefined || lane.isOver) return;
    const bytes = lane.connection.fetch(count);
    if (bytes.length === 0) return;
    if (lane.greetings === 0) {
      if (lane.lane.push(bytes) !== null) this.#endLane(lane);
      return;
    }
    // Answers to greetings are one line each here.
    for (const byte of bytes) if (byte === 10) lane.greetings -= 1;
    if (lane.connection.output.length > 0) return;
    lane.greetings = 0;
    for (const session of this.sessions) if (session.lane === lane) session.way.pump();
  }

  connectOwn(session: TrialSession): void {
    if (!session.isOpening) return;
    session.isOpening = false;
    session.own = new TrialConnection(true);
    session.way.ownConnected();
  }

  readOwn(session: TrialSession, count: number): void {
    const bytes = session.own?.fetch(count) ?? NO_BYTES;
    if (bytes.length === 0) return;
    const shown = session.way.ownReplied(bytes);
    if (shown === null || shown === 'busy') {
      session.close();
    } else if (shown.length > 0) {
      session.way.ownHeld(shown.length);
      this.heldOwn.push({ session, bytes: shown });
    }
    this.#proceed(session);
  }

  release(from: 'own' | 'lanes'): void {
    const held = (from === 'own' ? this.heldOwn : this.heldLanes).shift();
    if (held === undefined || held.session.isClosed) return;
    held.session.way.released(held.bytes.length);
    held.session.received += held.bytes.toString('latin1');
    this.#proceed(held.session);
  }

  giveUnfenced(): void {
    for (const { lane, isOver } of this.lanes) if (!isOver) lane.giveUnfenced();
  }

  /** Forced: the session would rather have a connection of its own, or would rather not. */
  move(session: TrialSession, isAway: boolean): void {
    if (isAway) session.way.beHeavy();
    else session.way.tryReturn(true);
  }

  /** Something comes on a lane that nobody asked for. */
  disturb(at: number, bytes: string): void {
    const lane = this.lanes[at % Math.max(1, this.lanes.length)];
    if (lane === undefined || lane.greetings > 0) return;
    if (bytes[0] === '>' || bytes[0] === '!') {
      lane.connection.output += bytes;
      return;
    }
    // A reply of the wrong client cannot be told from a right one: only one that is read while
    // nobody is owed any.
    if (lane.lane.owed > 0 || lane.connection.output !== '') return;
    lane.connection.output += bytes;
    this.readLane(at, bytes.length);
  }

  endLane(at: number): void {
    const lane = this.lanes[at % Math.max(1, this.lanes.length)];
    if (lane !== undefined && !lane.isOver && lane.greetings === 0) this.#endLane(lane);
  }

  /** All that is held is dropped, and only who is idle lives on. */
  endReign(): void {
    this.heldOwn = [];
    this.heldLanes = [];
    for (const session of this.sessions) {
      if (session.isClosed) continue;
      if (!session.way.isIdle) session.close();
      else {
        session.isOpening = false;
        session.own = null;
        session.lane = null;
        session.way.ownLost();
      }
    }
    for (const lane of this.lanes) lane.isOver = true;
    this.isOpen = false;
  }

  openAgain(): void {
    this.isOpen = true;
    for (const session of this.sessions) if (!session.isClosed) session.way.pump();
  }

  /** Lets everything go on until nothing changes any more. */
  settle(): void {
    this.openAgain();
    let stillRounds = 0;
    for (let round = 0; round < 10_000; round++) {
      let isStill = true;
      for (let i = 0; i < this.lanes.length; i++) {
        const { lane, connection, isOver } = this.lanes[i] as TrialLane;
        if (!isOver && (lane.hasBatch || connection.output !== '')) isStill = false;
        this.flush(i);
        this.readLane(i, 1 << 20);
      }
      for (const session of this.sessions) {
        if (session.isOpening || session.own?.output || session.own?.isBlocked) isStill = false;
        this.connectOwn(session);
        session.own?.unblock();
        this.readOwn(session, 1 << 20);
      }
      while (this.heldOwn.length > 0) this.release('own');
      while (this.heldLanes.length > 0) this.release('lanes');
      stillRounds = isStill ? stillRounds + 1 : 0;
      if (stillRounds === 2) return;
    }
    throw new Error('it does not settle');
  }

  #replied(slices: readonly Slice<TrialSession>[], fence: Buffer | null): void {
    if (fence === null) this.unfenced += 1;
    else this.fenced += 1;
    for (const { session, bytes, replies } of slices) {
      if (session.isClosed) continue;
      session.way.laneReplied(replies, bytes.length);
      this.heldLanes.push({ session, bytes });
    }
  }

  #endLane(lane: TrialLane): void {
    lane.isOver = true;
    for (const session of this.sessions) if (session.lane === lane) session.lane = null;
    for (const session of lane.lane.creditors()) session.close();
  }

  #proceed(session: TrialSession): void {
    if (session.isClosed) return;
    session.way.tryReturn();
    session.way.pump();
  }
}

const NO_BYTES = Buffer.alloc(0);
