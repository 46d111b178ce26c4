/**
 * One client: its requests to whoever executes them, the replies back when they are agreed.
 *
 * Which connection carries its commands is `core/lanes`' to say: a lane shared with others, or one
 * of its own. This file has the sockets, the waiting with its end, and the closing.
 *
 * Invariants:
 * - What was forwarded gets its reply or a closed connection, never an error of ours (DESIGN §3.7).
 * - Commands are refused only while nothing is outstanding and nothing is held, so that what the
 *   relay answers itself cannot overtake a reply.
 * - Every byte read from the local server goes through the hold.
 */
import type { Duplex } from 'node:stream';
import { Connections } from '../../core/lanes/connections.ts';
import type { ConnectedSession, ConnectionsEvents } from '../../core/lanes/connections-host.ts';
import { RequestGate } from '../../core/lanes/request-gate.ts';
import type { Segment } from '../../core/lanes/segment.ts';
import type { Way } from '../../core/lanes/way.ts';
import { errorReply } from '../../core/resp/writer.ts';
import { MonitorFilter } from './monitor-filter.ts';
import type { SessionHost } from './session-host.ts';
import { unpinned } from './unpinned.ts';

/**
 * `draining`: the upstream has ended and the last replies are held. `ending`: all replies were
 * written, the client is being closed in order.
 */
type Phase = 'open' | 'draining' | 'ending' | 'closed';

export class Session implements ConnectedSession, ConnectionsEvents {
  readonly isPassThrough: boolean;
  readonly #host: SessionHost;
  readonly #client: Duplex;
  readonly #connections: Connections<Session>;
  readonly #way: Way;
  #gate: RequestGate | null = null;
  #filter: MonitorFilter | null = null;
  #deadline: NodeJS.Timeout | null = null;

  #phase: Phase = 'open';
  /** Whether a command was forwarded that the server must be able to give up. */
  #hasBlocked = false;
  /** Whether a command was forwarded that changes what strangers may do. */
  #hasGoverned = false;
  #isClientEnded = false;
  #isUpstreamFinished = false;
  /** The rest of a refused command is still coming. */
  #isSkipping = false;
  /** What it gets when it has come, as the others that waited with it. */
  #refusal: Buffer = NO_BYTES;
  #isReading = true;
  #isHeldUp = false;
  #isBehind = false;

  #replyBytesCounted = 0;
  #unfinishedBytesCounted = 0;
  #waitingBytesCounted = 0;

  constructor(host: SessionHost, client: Duplex, isPassThrough: boolean) {
    this.#host = host;
    this.#client = client;
    this.isPassThrough = isPassThrough;
    this.#connections = new Connections(this, host, this);
    this.#way = this.#connections.way;
    client.on('data', (chunk: Buffer) => this.#onRequest(chunk));
    client.on('end', () => {
      this.#isClientEnded = true;
      this.#settle();
    });
    client.on('drain', () => this.onOpen());
    client.on('error', () => this.destroy());
    client.on('close', () => this.destroy());
    this.#updateReading();
  }

  get isClosed(): boolean {
    return this.#phase === 'ending' || this.#phase === 'closed';
  }

  get isBound(): boolean {
    return this.#way.isBound;
  }

  get isWaiting(): boolean {
    return !this.#way.waiting.isEmpty;
  }

  get isHolding(): boolean {
    return this.#way.heldBytes > 0;
  }

  release(bytes: Buffer): void {
    if (this.isClosed) return;
    this.#way.released(bytes.length);
    this.#toClient(bytes);
    this.#proceed();
  }

  /** The route has changed to what the host now says. */
  onRoute(): void {
    if (this.isClosed) return;
    const isPassedOn = this.isPassThrough && this.#connections.route.kind === 'leader';
    if (!this.#connections.turn() || isPassedOn) this.destroy();
    if (this.isWaiting) this.#pump();
  }

  /** Nothing executed in the reign that ends may be answered any more. */
  endReign(): void {
    if (this.isClosed) return;
    const isOver = this.isPassThrough || this.#phase === 'draining';
    if (isOver || !this.#connections.endReign()) this.destroy();
  }

  /** The same of what was asked of the own server while it followed. */
  endSpell(): void {
    if (!this.isClosed && !this.#connections.endSpell()) this.destroy();
  }

  readonly onReadsChanged = (): void => this.#updateReading();

  setHeldUp(isHeldUp: boolean): void {
    this.#isHeldUp = isHeldUp;
    this.#watchReplies();
  }

  /** Gives up its own connection to the local server if it can do so now. */
  giveBack(): boolean {
    return this.#way.tryReturn(true) || this.#connections.tryLeaveFollower();
  }

  /** Closes both sides at once; what is not yet in the kernel is lost. */
  destroy(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#clearTimers();
    this.#connections.drop();
    this.#client.destroy();
    this.#way.waiting.takeAll();
    this.#countWaiting();
    this.#host.addReplyBytes(-this.#replyBytesCounted);
    this.#host.addUnfinishedBytes(-this.#unfinishedBytesCounted);
    this.#host.onClosed(this);
  }

  // Requests.

  #onRequest(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    const host = this.#host;
    // Even what stays unfinished takes a ticket: a later one than needed is safe.
    this.#connections.takeTicket();
    this.#gate ??= new RequestGate(host.judge, host.bounds, (segment) => this.#take(segment));
    this.#connections.cork();
    this.#gate.feed(chunk);
    this.#connections.uncork();
    this.#settleWaiting();
    const unfinished = this.#gate.unfinishedBytes;
    if (unfinished !== this.#unfinishedBytesCounted) this.#countUnfinished(unfinished);
  }

  #countUnfinished(bytes: number): void {
    if (this.#phase === 'closed') return;
    const change = bytes - this.#unfinishedBytesCounted;
    this.#unfinishedBytesCounted = bytes;
    if (!this.#host.addUnfinishedBytes(change) && change > 0) this.destroy();
  }

  #take(segment: Segment): void {
    if (this.#phase !== 'open') return;
    if (this.#isSkipping) {
      if (segment.ended === 0) return;
      this.#isSkipping = false;
      this.#refuse(1);
      if (this.#gate?.isOver) this.#finish();
      return;
    }
    if (segment.effect !== null) this.#note(segment.effect.kind);
    this.#connections.take(segment);
  }

  #note(kind: string): void {
    if (kind === 'blocks') this.#hasBlocked = true;
    if (kind === 'monitors') this.#filter ??= new MonitorFilter();
    if (kind === 'governs') this.#hasGoverned = true;
    if (this.#hasGoverned) this.#host.lanes.closeToNewcomers();
  }

  /** What waits may go on: the way is open, or open again. */
  #pump(): void {
    if (this.#phase !== 'open') return;
    if (!this.#connections.isRetrying) this.#way.pump();
    this.#settleWaiting();
  }

  /** Brings what depends on the waiting up to date: its bytes, its end, the reading. */
  #settleWaiting(): void {
    if (this.#phase !== 'open') return;
    this.#countWaiting();
    if (this.isWaiting && this.#connections.isAstray) this.onLoss();
    else if (!this.#way.isStuck) this.#clearTimers();
    else if (this.#connections.isLost) this.#onDeadline();
    else this.#deadline ??= setTimeout(() => this.#onDeadline(), this.#host.bounds.waitMs);
    this.#updateReading();
  }

  #countWaiting(): void {
    const { bytes } = this.#way.waiting;
    const change = bytes - this.#waitingBytesCounted;
    if (change === 0) return;
    this.#waitingBytesCounted = bytes;
    this.#host.addWaitingBytes(change);
  }

  #onDeadline(): void {
    this.#clearTimers();
    this.#connections.detach();
    const { whole, isInside, isBinding } = this.#way.waiting.refuseAll();
    this.#countWaiting();
    const { route } = this.#host;
    const why = route.kind === 'none' ? route.why : 'the server cannot be reached';
    this.#refusal = errorReply(`CLUSTERDOWN No leader: ${why}`);
    this.#isSkipping = isInside;
    this.#refuse(whole);
    this.#updateReading();
    // What is no protocol is the last that waited. And what follows a refused MULTI or SELECT would
    // be done outside of the transaction, in another database: nothing may follow.
    if (this.#gate?.isOver || isBinding) this.#finish();
    else this.#settle();
  }

  #refuse(count: number): void {
    if (count === 0) return;
    this.#host.countCommands(0, count);
    this.#toClient(Buffer.alloc(this.#refusal.length * count, this.#refusal));
  }

  // Its connections.

  /** There is room, or somebody to send to. */
  onOpen(): void {
    if (this.isClosed) return;
    this.#watchReplies();
    this.#pump();
    this.#proceed();
  }

  onRoom(): void {
    this.#updateReading();
  }

  /** Nothing is to come any more but what is held. */
  onLoss(): void {
    if (this.isClosed) return;
    this.#phase = 'draining';
    this.#clearTimers();
    this.#settle();
  }

  onReadPoint(): void {
    if (!this.isClosed) this.#pump();
  }

  onLaneReady(): void {
    this.#pump();
    this.#settle();
  }

  onLaneDrain(): void {
    this.#connections.onDrain();
  }

  onLaneRetired(): void {
    this.#connections.leaveRetired();
  }

  onLaneEnd(): void {
    if (!this.isClosed) this.#connections.onLaneEnd();
  }

  // Replies.

  onReply(replied: Buffer | null): void {
    if (replied === null) {
      this.destroy();
      return;
    }
    if (this.#hasGoverned) this.#host.lanes.closeToNewcomers();
    const shown = this.#filter === null ? replied : this.#filter.push(replied);
    if (shown.length > 0 && this.#connections.isOwnHeld) {
      const { hold } = this.#host.ports;
      this.#way.ownHeld(shown.length);
      hold.add(this, shown, this.#connections.ticket);
      if (hold.isFull && !this.isClosed) this.#host.onHoldFull(this);
      this.#watchReplies();
    } else if (shown.length > 0) {
      this.#toClient(shown);
    }
    this.#proceed();
  }

  onLaneReplies(replies: number, bytes: number): void {
    this.#way.laneReplied(replies, bytes);
    this.#watchReplies();
    if (this.isWaiting) this.#pump();
  }

  #toClient(bytes: Buffer): void {
    this.#client.write(this.#client.writableLength > 0 ? unpinned(bytes) : bytes);
    this.#watchReplies();
  }

  /** Reads what it is answered only while the client, and the hold, keep up. */
  #watchReplies(): void {
    if (this.isClosed) return;
    const held = this.#way.heldBytes;
    const bytes = held + this.#client.writableLength;
    if (bytes !== this.#replyBytesCounted) {
      this.#host.addReplyBytes(bytes - this.#replyBytesCounted);
      this.#replyBytesCounted = bytes;
    }
    // Without a release or a drain to come nobody would start the reading again.
    const isBehind =
      bytes > this.#host.replyBytesMax && (held > 0 || this.#client.writableNeedDrain);
    this.#connections.setReading(!isBehind && !this.#isHeldUp);
    if (isBehind === this.#isBehind && !isBehind) return;
    this.#isBehind = isBehind;
    // Its replies can wait nowhere else.
    const isTooMuch = bytes > this.#host.bounds.laneReplyBytesMax;
    if (isBehind && isTooMuch && this.#connections.hasLane) this.destroy();
    else this.#connections.setBehind(isBehind);
  }

  // Client.

  #updateReading(): void {
    const { canRead, bounds } = this.#host;
    const way = this.#way;
    const isReading =
      this.#phase !== 'open' ||
      (canRead && !this.#connections.isFull && way.waiting.bytes <= bounds.waitingBytesMax);
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    if (isReading) this.#client.resume();
    else this.#client.pause();
  }

  /** Something was answered, released or connected: what waited for that may go on. */
  #proceed(): void {
    if (this.#phase === 'open') {
      this.#connections.tryLeave();
      if (this.isWaiting || this.#deadline !== null || this.#waitingBytesCounted > 0) this.#pump();
    }
    if (this.#isClientEnded || this.#phase === 'draining') this.#settle();
  }

  /** Takes the next step of a session that one of its sides has ended. */
  #settle(): void {
    if (this.#phase === 'draining') {
      if (!this.isHolding) this.#finish();
      return;
    }
    if (this.#phase !== 'open' || !this.#isClientEnded || this.isWaiting) return;
    const way = this.#way;
    if (way.isIdle) {
      this.#finish();
    } else if (way.hasOwn && (way.isBound || this.#hasBlocked || way.isUnended)) {
      // The server decides what is still answered. A blocked pop must not outlive its client.
      if (!this.#isUpstreamFinished) this.#connections.finish();
      this.#isUpstreamFinished = true;
    }
  }

  /** Closes after the client has read what was written, or was given time to. */
  #finish(): void {
    this.#clearTimers();
    this.#connections.drop();
    this.#phase = 'ending';
    this.#updateReading();
    this.#client.end();
    this.#deadline = setTimeout(() => this.destroy(), this.#host.bounds.closeGraceMs);
    if (this.#isClientEnded) this.#client.once('finish', () => this.destroy());
  }

  #clearTimers(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
    this.#connections.stopRetrying();
  }
}

const NO_BYTES = Buffer.alloc(0);
