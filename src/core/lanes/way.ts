/**
 * Which way the commands of one session go: down the lane that it shares, or on a connection of its
 * own; and when it changes from one to the other. Where another node leads, its own connection goes
 * there, and stays while reads take a lane to the server of this node.
 *
 * Invariants:
 * - Commands go in the order in which they came, and a session changes its way only while nothing
 *   is owed to it and nothing of it is held: so its replies come in order whatever carries them.
 * - A lane carries whole plain commands only, and to a server that follows whole reads only.
 * - What waits is behind all that was sent, and no server has seen it.
 * - What says who answers reads holds for the next command: that waits until it is answered.
 *
 * A connection of its own is first told what the session is (`ConnectionState.replay`); the
 * answers to that go to nobody, and unless all of them say yes no command of the session follows.
 */
import { assert } from '../../assert.ts';
import type { ReadsMode } from '../reads-mode.ts';
import { ReplyCounter } from '../resp/reply-counter.ts';
import { ConnectionState } from './connection-state.ts';
import { type Effect, isGreeting, ridesLane } from './effect.ts';
import { type Segment, WaitingRequests } from './segment.ts';

/** Calls return before anything that they cause is told to the way. */
export interface WayPorts {
  /**
   * `lanes`: to the server of this node, where plain commands may share a connection. `own`: to
   * another node. `none`: nowhere, for now; `pump` is called when that changes.
   */
  readonly direction: 'lanes' | 'own' | 'none';
  /** False of what must not be asked there, for now; `pump` is called when that changes. */
  takes(segment: Segment): boolean;
  /** False while there is no lane to send on; `pump` is called when there is. */
  toLane(bytes: Buffer, count: number): boolean;
  /** Whether this node's server may answer the session's reads although it follows. */
  readonly canReadHere: boolean;
  /** As `toLane`, to that server once it has reached `point`. */
  toFollower(bytes: Buffer, count: number, point: number): boolean;
  /** Answered by `ownConnected`, or by `ownLost`. */
  openOwn(): void;
  closeOwn(): void;
  /** `count` commands of the client begin in `bytes`; 0 of them in what the way says itself. */
  toOwn(bytes: Buffer, count: number): void;
}

/** A client that uses its own connection at least this often keeps it: changing costs more. */
const RETURN_COMMANDS = 64;
/** Replies of this size, on average, keep others waiting on a lane. */
export const LARGE_REPLY_BYTES = 32 * 1024;
/**
 * Commands that a session has on a lane at once: what it may be told in one go is what others wait
 * for, and what the server must keep. Few until its replies are known, then as many as are thought
 * to make so many bytes.
 */
const WINDOW_START = 16;
const WINDOW_MAX = 256;
const WINDOW_BYTES = 1024 * 1024;

const MINUS = 0x2d;
/** A script runs, and SELECT for one has to wait for its end. */
const BUSY = Buffer.from('-BUSY ');
const NO_BYTES = Buffer.alloc(0);

export class Way {
  readonly #ports: WayPorts;
  readonly waiting = new WaitingRequests();
  #state: ConnectionState | null = null;
  #own: 'none' | 'opening' | 'greeting' | 'ready' = 'none';
  /** Replies to the replay that are still to come. */
  #greetings = 0;
  #greeter: ReplyCounter | null = null;
  #laneOwed = 0;
  #window = WINDOW_START;
  #heldBytes = 0;
  /** Commands forwarded in part: 0 or 1. */
  #unended = 0;
  /** It wants its own connection also for plain commands. */
  #isHeavy = false;
  /** Its own connection was needed for more than a greeting, so many plain commands ago. */
  #isKept = false;
  #plainRun = 0;
  /** More than greetings was sent on its own connection. */
  #hasAsked = false;

  constructor(ports: WayPorts) {
    this.#ports = ports;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get laneOwed(): number {
    return this.#laneOwed;
  }

  get hasOwn(): boolean {
    return this.#own === 'ready';
  }

  get isOpening(): boolean {
    return this.#own === 'opening' || this.#own === 'greeting';
  }

  /** What the session has said of its reads; null: nothing. */
  get reads(): ReadsMode | null {
    return this.#state?.reads ?? null;
  }

  /** It wants a connection that holds up nobody else. */
  get isHeavy(): boolean {
    return this.#isHeavy;
  }

  /** In the middle of something that dies with its connection. */
  get isBound(): boolean {
    const state = this.#state;
    return state !== null && (state.isBound || (state.owed === 0 && !state.isFree));
  }

  /** The replies of its own connection may show data: more than greetings was asked there. */
  get hasAsked(): boolean {
    return this.#hasAsked;
  }

  get isUnended(): boolean {
    return this.#unended > 0;
  }

  /** Nothing is owed, nothing is held, nothing dies with a connection. */
  get isIdle(): boolean {
    return this.#laneOwed === 0 && this.isOwnIdle;
  }

  /** The same of its own connection alone. */
  get isOwnIdle(): boolean {
    // A server may refuse, and hang up, before it has all of a command.
    return this.#heldBytes === 0 && this.#unended === 0 && this.#state?.isFree !== false;
  }

  /** Commands wait, and not for the session's own replies: for a connection, or a point. */
  get isStuck(): boolean {
    return !this.waiting.isEmpty && this.isIdle;
  }

  /** What a lane must have been told to carry this session. */
  get key(): string {
    return this.#state?.key ?? INITIAL_KEY;
  }

  laneReplay(): Buffer[] {
    return this.#state?.laneReplay() ?? [];
  }

  // Requests.

  take(segment: Segment): void {
    if (!this.waiting.isEmpty || !this.#send(segment)) this.waiting.add(segment);
  }

  /** Sends what waits as far as it may go now. */
  pump(): void {
    if (this.waiting.isEmpty) return;
    const segments = this.waiting.takeAll();
    let sent = 0;
    while (sent < segments.length && this.#send(segments[sent] as Segment)) sent += 1;
    this.waiting.putBack(segments.slice(sent));
  }

  #send(segment: Segment): boolean {
    const isHere = segment.isRead && this.isOwnIdle && this.#ports.canReadHere;
    if (isHere) return this.#sendLane(segment, true);
    // Where a command was begun it must end, and nothing comes between.
    const isRest = segment.begun === 0;
    if (!isRest && !this.#ports.takes(segment)) return false;
    if (this.#own === 'ready') {
      if (this.#laneOwed > 0 || (!isRest && this.#state?.isTurning === true)) return false;
      this.#sendOwn(segment);
      return true;
    }
    if (this.#own !== 'none' || this.#ports.direction === 'none') return false;
    if (this.#needsOwn(segment)) {
      if (!this.isIdle) return false;
      this.#own = 'opening';
      this.#ports.openOwn();
      return false;
    }
    return this.#sendLane(segment, false);
  }

  #sendLane({ bytes, begun, ended, point }: Segment, isHere: boolean): boolean {
    assert(begun > 0 && begun === ended, 'a lane carries whole commands');
    const ports = this.#ports;
    if (this.#laneOwed > 0 && this.#laneOwed + begun > this.#window) return false;
    const isSent = isHere ? ports.toFollower(bytes, begun, point) : ports.toLane(bytes, begun);
    if (!isSent) return false;
    this.#laneOwed += begun;
    return true;
  }

  #needsOwn(segment: Segment): boolean {
    if (this.#ports.direction === 'own' || this.#isHeavy) return true;
    return !ridesLane(segment.effect) || segment.begun !== segment.ended;
  }

  #sendOwn(segment: Segment): void {
    const { effect, begun } = segment;
    this.#state ??= new ConnectionState();
    this.#state.sent(effect, begun);
    this.#unended += begun - segment.ended;
    this.#hasAsked ||= effect === null || !isGreeting(effect);
    if (speaksForOwn(segment)) this.#keep();
    else if (effect === null) this.#plainRun += begun;
    this.#ports.toOwn(segment.bytes, begun);
  }

  #keep(): void {
    this.#isKept = true;
    this.#plainRun = 0;
  }

  // The lane.

  /** Replies on the lane were read, and `bytes` of them are held from now on. */
  laneReplied(replies: number, bytes: number): void {
    this.#laneOwed -= replies;
    assert(this.#laneOwed >= 0, 'a session gets the replies that it is owed');
    this.#heldBytes += bytes;
    const average = bytes / Math.max(1, replies);
    if (average >= LARGE_REPLY_BYTES) this.beHeavy();
    // It shrinks at once, and grows with what was seen since.
    this.#window = Math.min(WINDOW_MAX, 2 * this.#window, Math.ceil(WINDOW_BYTES / (average + 1)));
  }

  /** The session's replies hold up others: its commands leave the lane. */
  beHeavy(): void {
    this.#isHeavy = true;
    this.#plainRun = 0;
  }

  // The own connection.

  ownConnected(): void {
    assert(this.#own === 'opening', 'a connection is opened once');
    const replay = this.#state?.replay() ?? [];
    this.#greetings = replay.length;
    if (replay.length > 0) {
      this.#own = 'greeting';
      this.#ports.toOwn(Buffer.concat(replay), 0);
    } else {
      this.#ready();
    }
  }

  /**
   * Bytes from the own connection: what the client is to get; null when it was not let in; 'busy'
   * when it may be later, on another connection.
   */
  ownReplied(bytes: Buffer): Buffer | null | 'busy' {
    if (this.#own === 'greeting') return this.#greeted(bytes);
    const replies = this.#state?.read(bytes) ?? 0;
    if (bytes.length >= LARGE_REPLY_BYTES * Math.max(1, replies)) this.#plainRun = 0;
    return bytes;
  }

  /** Bytes from the own connection that are held from now on. */
  ownHeld(bytes: number): void {
    this.#heldBytes += bytes;
  }

  /** The own connection is gone, or was closed by whoever tells this. */
  ownLost(): void {
    this.#own = 'none';
    this.#hasAsked = false;
    this.#unended = 0;
    this.#greeter = null;
    this.#state?.lost();
  }

  released(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  /**
   * Goes back to the lane when it may; `isForced` also from a connection that it uses often.
   * True when it did.
   */
  tryReturn(isForced = false): boolean {
    if (this.#own !== 'ready' || this.#ports.direction !== 'lanes') return false;
    if (!this.isIdle || !this.waiting.isEmpty) return false;
    if (!isForced && (this.#isKept || this.#isHeavy) && this.#plainRun < RETURN_COMMANDS)
      return false;
    this.ownLost();
    this.#isKept = false;
    this.#isHeavy = false;
    this.#ports.closeOwn();
    return true;
  }

  #greeted(bytes: Buffer): Buffer | null | 'busy' {
    const counter = this.#greeter ?? new ReplyCounter();
    this.#greeter = counter;
    let from = 0;
    counter.push(bytes);
    for (let found = counter.next(); found !== 'starved'; found = counter.next()) {
      if (found !== 'reply' || this.#greetings === 0) return null;
      if (counter.type === MINUS)
        return bytes.subarray(from, from + BUSY.length).equals(BUSY) ? 'busy' : null;
      this.#greetings -= 1;
      from = counter.end;
    }
    if (this.#greetings === 0) this.#ready();
    return NO_BYTES;
  }

  #ready(): void {
    this.#own = 'ready';
    this.#greeter = null;
    this.pump();
  }
}

const INITIAL_KEY = new ConnectionState().key;

function speaksForOwn(segment: Segment): boolean {
  const { effect } = segment;
  return effect === null ? segment.begun > segment.ended : !isGreeting(effect) && !isEnd(effect);
}

function isEnd(effect: Effect): boolean {
  return effect.kind === 'exec' || effect.kind === 'unwatch';
}
