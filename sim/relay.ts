/**
 * Clients at one node, as far as strong mode is concerned: commands go to the own server while a
 * reign is open, every reply through the hold, and the end of a reign closes whoever has something
 * under way (`io/relay`, without its sockets and without passing through).
 */
import type { RelayPort } from '../src/agent/strong/ports.ts';
import type { Strong } from '../src/agent/strong/strong.ts';
import { ReplyCounter } from '../src/core/resp/reply-counter.ts';
import type { NodeId } from '../src/core/scalars.ts';
import type { Asked } from './invariants.ts';
import type { ReplySeen } from './server-body.ts';
import type { Line, LineEnds } from './server-lines.ts';

/** How a client hears of its node. */
export interface ClientPort {
  reply(bytes: Buffer): void;
  /** Not executed, and never will be. */
  refused(leader: NodeId | null): void;
  closed(): void;
}

export interface Request {
  readonly bytes: Buffer;
  /** It leaves state in the connection: the session ends with its server. */
  readonly isBinding: boolean;
  readonly replies: number;
  readonly asked: Asked;
}

export interface RelayOptions {
  readonly strong: () => Strong;
  readonly nextRound: () => number;
  readonly openLine: (ends: LineEnds, onReply: (reply: ReplySeen) => void) => Line;
  /** A piece of replies leaves: everything up to this offset had been executed by then. */
  readonly released: (offset: number, asked: Asked) => void;
}

/** Requests that wait while clients are not read; a client has few under way. */
export const WAITING_MAX = 64;

export class SimRelay implements RelayPort {
  readonly #o: RelayOptions;
  readonly #sessions = new Set<Session>();
  #leader: NodeId | null = null;
  #isOpen = false;
  #isPaused = false;
  isHeldUp = false;

  constructor(options: RelayOptions) {
    this.#o = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get options(): RelayOptions {
    return this.#o;
  }

  admit(client: ClientPort): Session {
    const session = new Session(this, client, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }

  open(_reign: number): void {
    this.#isOpen = true;
    for (const session of this.#sessions) session.go();
  }

  endReign(_why: string): void {
    this.#isOpen = false;
    for (const session of [...this.#sessions]) session.endReign();
  }

  setLeader(leader: NodeId | null): void {
    this.#leader = leader;
  }

  setReadsPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) for (const session of [...this.#sessions]) session.go();
  }

  /** The hold is full: servers are not read until it has room again. */
  watchHold(): void {
    const hold = this.#o.strong().hold;
    if (hold === null || !hold.isFull || this.isHeldUp) return;
    this.#setHeldUp(true);
    hold.onDrain(() => this.#setHeldUp(false));
  }

  #setHeldUp(isHeldUp: boolean): void {
    this.isHeldUp = isHeldUp;
    for (const session of this.#sessions) session.setHeldUp(isHeldUp);
  }
}

interface Owed {
  left: number;
  readonly asked: Asked;
}

export class Session {
  readonly #relay: SimRelay;
  readonly #client: ClientPort;
  readonly #onClosed: () => void;
  readonly #waiting: Request[] = [];
  #line: Line | null = null;
  #ticket = 0;
  #isBound = false;
  #isClosed = false;
  /** Replies that the agent has not read yet. */
  #owed = 0;
  readonly #read = new ReplyCounter();
  #heldBytes = 0;
  /** Forwarded and not wholly answered by the server, read or not. */
  readonly #unanswered: Owed[] = [];
  readonly #answered = new ReplyCounter();
  /** Pieces of replies in the order in which the server made them. */
  #made: { left: number; readonly offset: number; readonly asked: Asked }[] = [];

  constructor(relay: SimRelay, client: ClientPort, onClosed: () => void) {
    this.#relay = relay;
    this.#client = client;
    this.#onClosed = onClosed;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  request(request: Request): void {
    if (this.#isClosed) return;
    if (this.#waiting.length >= WAITING_MAX) this.close();
    else this.#waiting.push(request);
    this.go();
  }

  /** Forwards what waits, or refuses it. */
  go(): void {
    const relay = this.#relay;
    while (!this.#isClosed && !relay.isPaused && this.#waiting.length > 0) {
      const request = this.#waiting.shift() as Request;
      if (!relay.isOpen) {
        // Half of what it has in its connection would be lost with it.
        if (this.#isBound || this.#isBusy) this.#end();
        else this.#client.refused(relay.leader);
        continue;
      }
      this.#line ??= this.#openLine();
      this.#ticket = relay.options.nextRound();
      this.#isBound ||= request.isBinding;
      this.#owed += request.replies;
      this.#unanswered.push({ left: request.replies, asked: request.asked });
      this.#line.write(request.bytes);
    }
  }

  endReign(): void {
    if (this.#isBound || this.#isBusy) this.#end();
    else this.#detach();
  }

  setHeldUp(isHeldUp: boolean): void {
    this.#line?.setPaused(isHeldUp);
  }

  /** The client is gone. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#detach();
    this.#onClosed();
  }

  release(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes.length;
    for (let left = bytes.length; left > 0; ) {
      const made = this.#made[0];
      if (made === undefined) throw new Error('more was released than the server said');
      this.#relay.options.released(made.offset, made.asked);
      const taken = Math.min(left, made.left);
      made.left -= taken;
      left -= taken;
      if (made.left === 0) this.#made.shift();
    }
    this.#client.reply(bytes);
  }

  get #isBusy(): boolean {
    return this.#owed > 0 || this.#heldBytes > 0;
  }

  #openLine(): Line {
    const { openLine } = this.#relay.options;
    const line = openLine(
      { onBytes: (bytes) => this.#replied(bytes), onClosed: () => this.#lost() },
      (reply) => {
        if (this.#line === line) this.#answeredBy(reply);
      },
    );
    if (this.#relay.isHeldUp) line.setPaused(true);
    return line;
  }

  /** The server made a piece of replies: remembers for whom, and what it had executed by then. */
  #answeredBy({ bytes, offset }: ReplySeen): void {
    this.#answered.countAll(bytes);
    let last = this.#unanswered[0];
    for (let left = this.#answered.replies; left > 0 && this.#unanswered.length > 0; ) {
      last = this.#unanswered[0] as Owed;
      const taken = Math.min(left, last.left);
      last.left -= taken;
      left -= taken;
      if (last.left === 0) this.#unanswered.shift();
    }
    if (last !== undefined) this.#made.push({ left: bytes.length, offset, asked: last.asked });
  }

  #replied(bytes: Buffer): void {
    this.#heldBytes += bytes.length;
    this.#read.countAll(bytes);
    this.#owed -= this.#read.replies;
    this.#relay.options.strong().addReply(this, bytes, this.#ticket);
    this.#relay.watchHold();
  }

  #lost(): void {
    this.#line = null;
    if (this.#isBound || this.#isBusy) this.#end();
  }

  #end(): void {
    this.close();
    this.#client.closed();
  }

  #detach(): void {
    this.#line?.close();
    this.#line = null;
    this.#made = [];
  }
}
