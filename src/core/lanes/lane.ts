/**
 * One connection to the server for the plain commands of many sessions.
 *
 * The server answers a connection in order, so that a queue of who is owed how many replies is all
 * that is needed to give each its own. The fence rides along: behind the commands of a turn goes
 * one `RoLe`, and its answer, right behind their replies, covers them all without a further trip.
 *
 * Replies are given away only with the fence that covers them, and so in one piece and in order;
 * where there is none in time, as `unfenced`: whoever takes them finds another.
 *
 * Invariant: replies are given to sessions in the order of their commands, each once. A reply that
 * nobody is owed, a push, or bytes that are no reply mean that nothing is known of the lane any
 * more: `push` says so, and neither the first byte of it nor what comes later is given to anybody.
 */
import { assert } from '../../assert.ts';
import { ReplyCounter } from '../resp/reply-counter.ts';
import { encodeCommand } from '../resp/writer.ts';

/** Spelled as no client does: MONITOR repeats the spelling, and the relay takes it out again. */
export const FENCE: Buffer = encodeCommand(['RoLe']);
/** Commands between two fences of one turn: the first replies of a long turn need not wait. */
const FENCE_COMMANDS_MAX = 128;
/** Replies kept for a fence that is yet to be read. Beyond it they are given away unfenced. */
const UNFENCED_BYTES_MAX = 128 * 1024;
/** Queue entries passed before the queue is moved: the cost of a move per entry stays constant. */
const PASSED_MAX = 1024;

export interface Slice<S> {
  readonly session: S;
  readonly bytes: Buffer;
  /** Replies that end in `bytes`. */
  readonly replies: number;
}

export interface LaneEvents<S> {
  /**
   * Replies of sessions, in order. `ticket` is that of the latest batch that they can belong to;
   * `fence` is the server's answer to a `RoLe` that ran behind all their commands, or null.
   */
  replied(slices: readonly Slice<S>[], ticket: number, fence: Buffer | null): void;
}

export class Lane<S extends object> {
  readonly #events: LaneEvents<S>;
  readonly #counter = new ReplyCounter();
  /** Null for a fence. */
  #owners: (S | null)[] = [];
  /** Replies owed to the owner; of a fence its ticket. */
  #counts: number[] = [];
  #passed = 0;
  /** Of this turn: the server has not seen them, and a reply cannot be theirs. */
  #batch: Buffer[] = [];
  #batchOwners: (S | null)[] = [];
  #batchCounts: number[] = [];
  #unfencedCommands = 0;
  #isFenced: boolean;
  #ticket = 0;
  #slices: Slice<S>[] = [];
  #sliceBytes = 0;
  #fence: Buffer[] = [];
  /** Of what may yet be no reply: its beginning, given away when it is known for one. */
  #beginning: Buffer[] = [];
  /** Of the chunk being read: what its last fence says, and how many slices came before it. */
  #lastFence: Buffer | null = null;
  #lastTicket = 0;
  #fencedSlices = 0;
  #owed = 0;

  /** `isFenced` false: of replies that need no fence, since they show only what is agreed on. */
  constructor(events: LaneEvents<S>, isFenced = true) {
    this.#events = events;
    this.#isFenced = isFenced;
  }

  /** Commands that have no whole reply yet, of this turn too. */
  get owed(): number {
    return this.#owed;
  }

  get hasBatch(): boolean {
    return this.#batch.length > 0;
  }

  /** Replies were read that no fence was read for. */
  get isUnfenced(): boolean {
    return this.#slices.length > 0;
  }

  /** Everybody who is owed a reply, some more than once, or has one that was not given away. */
  *creditors(): Generator<S> {
    for (const { session } of this.#slices) yield session;
    for (let i = this.#passed; i < this.#owners.length; i++) {
      const owner = this.#owners[i] as S | null;
      if (owner !== null) yield owner;
    }
    for (const owner of this.#batchOwners) if (owner !== null) yield owner;
  }

  /** Whole plain commands of one session, for the batch of this turn. */
  request(session: S, bytes: Buffer, count: number): void {
    assert(count > 0, 'a lane carries whole commands');
    this.#batch.push(bytes);
    this.#owed += count;
    const last = this.#batchOwners.length - 1;
    if (last >= 0 && this.#batchOwners[last] === session) {
      this.#batchCounts[last] = (this.#batchCounts[last] as number) + count;
    } else {
      this.#batchOwners.push(session);
      this.#batchCounts.push(count);
    }
    this.#unfencedCommands += count;
    if (this.#unfencedCommands >= FENCE_COMMANDS_MAX) this.#appendFence();
  }

  /** What this turn adds, to be written at once. `ticket`: a round that begins later. */
  takeBatch(ticket: number): Buffer[] {
    this.#appendFence();
    this.#ticket = ticket;
    for (let i = 0; i < this.#batchOwners.length; i++) {
      const owner = this.#batchOwners[i] as S | null;
      this.#owners.push(owner);
      this.#counts.push(owner === null ? ticket : (this.#batchCounts[i] as number));
    }
    const batch = this.#batch;
    this.#batch = [];
    this.#batchOwners = [];
    this.#batchCounts = [];
    return batch;
  }

  /** The server's bytes, cut anywhere. Null, or why the lane is at an end. */
  push(chunk: Buffer): string | null {
    const counter = this.#counter;
    counter.push(chunk);
    let from = 0;
    let replies = 0;
    for (let found = counter.next(); found !== 'starved'; found = counter.next()) {
      if (found !== 'reply') return `${found === 'push' ? 'a push' : 'no reply'} on a lane`;
      const owner = this.#owners[this.#passed];
      if (owner === undefined) return 'a reply that nobody is owed';
      const left = (this.#counts[this.#passed] as number) - 1;
      if (owner === null) {
        this.#fence.push(chunk.subarray(from, counter.end));
        from = counter.end;
        this.#fenced();
      } else {
        replies += 1;
        this.#owed -= 1;
        this.#counts[this.#passed] = left;
        if (left > 0) continue;
        this.#addRead(owner, chunk.subarray(from, counter.end), replies);
        from = counter.end;
        replies = 0;
        this.#pass();
      }
    }
    if (counter.begun === 'push') return 'a push on a lane';
    if (from < chunk.length && !this.#keepRest(chunk, from, replies))
      return 'a reply that nobody is owed';
    if (this.#fencedSlices > 0) this.#giveFenced();
    if (!this.#isFenced || this.#sliceBytes > UNFENCED_BYTES_MAX) this.giveUnfenced();
    return null;
  }

  /** Gives away what waits for its fence. */
  giveUnfenced(): void {
    if (this.#slices.length > 0) this.#give(this.#ticket, null);
  }

  /** The rest of a chunk: whole replies to one session, and perhaps the beginning of one. */
  #keepRest(chunk: Buffer, from: number, replies: number): boolean {
    const owner = this.#owners[this.#passed];
    if (owner === undefined) return false;
    if (owner === null) {
      // A fence is kept beyond the chunk, which is much larger.
      this.#fence.push(Buffer.from(chunk.subarray(from)));
      return true;
    }
    const to = this.#counter.begun === 'unclear' ? this.#counter.end : chunk.length;
    if (from < to) this.#addRead(owner, chunk.subarray(from, to), replies);
    if (to < chunk.length) this.#beginning.push(Buffer.from(chunk.subarray(to)));
    return true;
  }

  #addRead(session: S, bytes: Buffer, replies: number): void {
    for (const piece of this.#beginning) this.#add(session, piece, 0);
    this.#beginning = [];
    this.#add(session, bytes, replies);
  }

  #add(session: S, bytes: Buffer, replies: number): void {
    this.#slices.push({ session, bytes, replies });
    this.#sliceBytes += bytes.length;
  }

  #fenced(): void {
    const ticket = this.#counts[this.#passed] as number;
    const fence =
      this.#fence.length === 1 ? (this.#fence[0] as Buffer) : Buffer.concat(this.#fence);
    this.#fence = [];
    this.#pass();
    // A user who may not ask will never be allowed to on this connection.
    if (isRefused(fence)) this.#isFenced = false;
    this.#lastFence = fence[0] === MINUS ? null : fence;
    this.#lastTicket = ticket;
    this.#fencedSlices = this.#slices.length;
  }

  /** What was read before the last fence of a chunk: it covers what the ones before it cover. */
  #giveFenced(): void {
    const rest = this.#slices.splice(this.#fencedSlices);
    this.#give(this.#lastTicket, this.#lastFence);
    for (const { session, bytes, replies } of rest) this.#add(session, bytes, replies);
  }

  #give(ticket: number, fence: Buffer | null): void {
    const slices = this.#slices;
    this.#slices = [];
    this.#sliceBytes = 0;
    this.#fencedSlices = 0;
    this.#events.replied(slices, ticket, fence);
  }

  #appendFence(): void {
    if (this.#unfencedCommands === 0) return;
    this.#unfencedCommands = 0;
    if (!this.#isFenced) return;
    this.#batch.push(FENCE);
    this.#batchOwners.push(null);
    this.#batchCounts.push(0);
  }

  #pass(): void {
    this.#owners[this.#passed] = null;
    this.#passed += 1;
    if (this.#passed === this.#owners.length) {
      this.#owners = [];
      this.#counts = [];
    } else if (this.#passed >= PASSED_MAX) {
      this.#owners.splice(0, this.#passed);
      this.#counts.splice(0, this.#passed);
    } else {
      return;
    }
    this.#passed = 0;
  }
}

const MINUS = 0x2d;
const REFUSALS = ['-NOPERM', '-NOAUTH'].map((text) => Buffer.from(text));

function isRefused(fence: Buffer): boolean {
  return REFUSALS.some((code) => fence.subarray(0, code.length).equals(code));
}
