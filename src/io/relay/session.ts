/**
 * One client: its requests to whoever executes them, the replies back when they are agreed.
 *
 * A session is plain as long as its commands left no state in the connection: then each command has
 * exactly one reply, and between commands it may change its upstream unseen. A binding command
 * makes it bound for its life: it ends with its upstream.
 *
 * Invariants:
 * - What was forwarded gets its reply or a closed connection, never an error of ours (DESIGN §3.7).
 * - Commands wait only while nothing is outstanding and nothing is held, so that what the relay
 *   answers itself cannot overtake a reply.
 * - Every byte read from the local server goes through the hold.
 */
import type { Duplex } from 'node:stream';
import { ReplyCounter } from '../../core/resp/reply-counter.ts';
import { errorReply } from '../../core/resp/writer.ts';
import { MonitorFilter } from './monitor-filter.ts';
import type { HeldSession, Route } from './ports.ts';
import { RequestGate, type Segment } from './request-gate.ts';
import type { SessionHost } from './session-host.ts';
import { Upstream, type UpstreamEvents } from './upstream.ts';
import { afterTail, WaitingRequests } from './waiting-requests.ts';

/**
 * `draining`: the upstream has ended and the last replies are held. `ending`: all replies were
 * written, the client is being closed in order.
 */
type Phase = 'open' | 'draining' | 'ending' | 'closed';

export class Session implements HeldSession, UpstreamEvents {
  /** Whether the client is the relay of a follower: it has a route of its own and must use it. */
  readonly isPassThrough: boolean;
  readonly #host: SessionHost;
  readonly #client: Duplex;
  readonly #waiting = new WaitingRequests();
  #gate: RequestGate | null = null;
  #counter: ReplyCounter | null = null;
  #filter: MonitorFilter | null = null;
  #upstream: Upstream | null = null;
  #deadline: NodeJS.Timeout | null = null;
  #retry: NodeJS.Timeout | null = null;

  #phase: Phase = 'open';
  #isBound = false;
  /** Whether a command was forwarded that the server must be able to give up. */
  #hasBlocked = false;
  #isClientEnded = false;
  #isUpstreamFinished = false;
  /** The rest of a refused command is still coming. */
  #isSkipping = false;
  /** What it gets when it has come, as the others that waited with it. */
  #refusal: Buffer = NO_BYTES;
  #isReading = true;
  #isUpstreamFull = false;
  #isHeldUp = false;

  /** Commands forwarded, even in part, that have no whole reply yet. Exact while plain. */
  #outstanding = 0;
  /** Commands forwarded in part: 0 or 1. */
  #unended = 0;
  #heldBytes = 0;
  #ticket = 0;
  #replyBytesCounted = 0;
  #unfinishedBytesCounted = 0;

  constructor(host: SessionHost, client: Duplex, isPassThrough: boolean) {
    this.#host = host;
    this.#client = client;
    this.isPassThrough = isPassThrough;
    client.on('data', (chunk: Buffer) => this.#onRequest(chunk));
    client.on('end', () => this.#onClientEnd());
    client.on('drain', () => this.#watchReplies());
    client.on('error', () => this.destroy());
    client.on('close', () => this.destroy());
    this.#updateReading();
  }

  get isClosed(): boolean {
    return this.#phase === 'ending' || this.#phase === 'closed';
  }

  get isBound(): boolean {
    return this.#isBound;
  }

  get isWaiting(): boolean {
    return !this.#waiting.isEmpty;
  }

  get isHolding(): boolean {
    return this.#heldBytes > 0;
  }

  release(bytes: Buffer): void {
    if (this.isClosed) return;
    this.#heldBytes -= bytes.length;
    this.#toClient(bytes);
    if (this.#isClientEnded || this.#phase === 'draining') this.#settle();
  }

  /** The route has changed to what the host now says. */
  onRoute(): void {
    if (this.isClosed) return;
    const { route } = this.#host;
    const upstream = this.#upstream;
    if (upstream !== null && !isSameRoute(upstream.route, route)) {
      if (!upstream.isConnected || this.#isIdle) this.#detach();
      else if (route.kind !== 'none') this.destroy();
    }
    if (this.isPassThrough && route.kind === 'leader' && this.#upstream === null) this.destroy();
    if (this.isWaiting) this.#attach();
  }

  /** Nothing executed in the reign that ends may be answered any more. */
  endReign(): void {
    if (this.isClosed) return;
    const upstream = this.#upstream;
    const isIdle = this.#isIdle || upstream?.isConnected === false;
    if (this.isPassThrough || this.isHolding || this.#phase === 'draining') this.destroy();
    else if (upstream?.route.kind !== 'open') return;
    else if (isIdle) this.#detach();
    else this.destroy();
  }

  onReadsChanged(): void {
    this.#updateReading();
  }

  setHeldUp(isHeldUp: boolean): void {
    this.#isHeldUp = isHeldUp;
    this.#watchReplies();
  }

  /** Closes both sides at once; what is not yet in the kernel is lost. */
  destroy(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#clearTimers();
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#client.destroy();
    this.#host.addWaitingBytes(-this.#waiting.bytes);
    this.#waiting.takeAll();
    this.#host.addReplyBytes(-this.#replyBytesCounted);
    this.#host.addUnfinishedBytes(-this.#unfinishedBytesCounted);
    this.#host.onClosed(this);
  }

  // Requests.

  #onRequest(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    const host = this.#host;
    // Even what stays unfinished takes a ticket: a later one than needed is safe.
    if (this.#upstream?.route.kind === 'open') this.#ticket = host.ports.nextRound();
    this.#gate ??= new RequestGate(host.judge, host.bounds, (segment) => this.#take(segment));
    this.#gate.feed(chunk);
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
      const rest = afterTail(segment);
      if (rest === null) return;
      this.#isSkipping = false;
      this.#refuse(1);
      if (rest.bytes.length > 0) this.#take(rest);
      else if (this.#gate?.isOver) this.#finish();
    } else if (this.#upstream?.isConnected) {
      this.#forward(segment);
    } else {
      this.#wait(segment);
    }
  }

  #forward(segment: Segment): void {
    this.#outstanding += segment.begun;
    this.#unended += segment.begun - segment.ended;
    if (segment.binds) this.#isBound = true;
    if (segment.blocks) this.#hasBlocked = true;
    if (segment.monitors) this.#filter ??= new MonitorFilter();
    this.#host.countCommands(segment.begun, 0);
    if (this.#upstream?.write(segment.bytes) === false) {
      this.#isUpstreamFull = true;
      this.#updateReading();
    }
  }

  #wait(segment: Segment): void {
    this.#waiting.add(segment);
    this.#host.addWaitingBytes(segment.bytes.length);
    this.#deadline ??= setTimeout(() => this.#onDeadline(), this.#host.bounds.waitMs);
    this.#updateReading();
    if (this.#upstream === null && this.#retry === null) this.#attach();
  }

  #onDeadline(): void {
    this.#clearTimers();
    this.#detach();
    this.#host.addWaitingBytes(-this.#waiting.bytes);
    const { whole, isInside, isBinding } = this.#waiting.refuseAll();
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

  // Upstream.

  #attach(): void {
    const { route } = this.#host;
    if (this.#upstream !== null || route.kind === 'none') return;
    if (this.isPassThrough && route.kind !== 'open') return;
    this.#upstream = new Upstream(route, this);
    this.#upstream.connect(this.#host.ports);
  }

  /** Gives up an upstream that owes nothing. The next command finds another. */
  #detach(): void {
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#isUpstreamFull = false;
    this.#updateReading();
  }

  onConnect(): void {
    this.#clearTimers();
    if (this.#upstream?.route.kind === 'open') this.#ticket = this.#host.ports.nextRound();
    this.#host.addWaitingBytes(-this.#waiting.bytes);
    for (const segment of this.#waiting.takeAll()) this.#forward(segment);
    this.#watchReplies();
    this.#updateReading();
    this.#settle();
  }

  onDrain(): void {
    this.#isUpstreamFull = false;
    this.#updateReading();
  }

  onEnd(): void {
    const wasConnected = this.#upstream?.isConnected === true;
    this.#detach();
    if (!wasConnected) {
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#attach();
      }, this.#host.bounds.retryMs);
    } else if (!this.#isIdle || this.#isClientEnded) {
      this.#phase = 'draining';
      this.#settle();
    }
  }

  get #isIdle(): boolean {
    return !this.#isBound && this.#outstanding === 0 && this.#heldBytes === 0;
  }

  // Replies.

  onReply(bytes: Buffer): void {
    if (!this.#isBound) this.#countReplies(bytes);
    const shown = this.#filter === null ? bytes : this.#filter.push(bytes);
    if (shown.length === 0) return;
    if (this.#upstream?.route.kind === 'open') {
      const { hold } = this.#host.ports;
      this.#heldBytes += shown.length;
      hold.add(this, shown, this.#ticket);
      if (hold.isFull && !this.isClosed) this.#host.onHoldFull(this);
      this.#watchReplies();
    } else {
      this.#toClient(shown);
    }
    if (this.#isClientEnded) this.#settle();
  }

  /** More replies than commands, or none at all: nothing is known of such a connection. */
  #countReplies(bytes: Buffer): void {
    this.#counter ??= new ReplyCounter();
    const counted = this.#counter.countAll(bytes);
    this.#outstanding -= this.#counter.replies;
    if (counted === 'malformed' || this.#outstanding < 0) this.#isBound = true;
  }

  #toClient(bytes: Buffer): void {
    this.#client.write(bytes);
    this.#watchReplies();
  }

  /** Reads the upstream only while the client, and the hold, keep up. */
  #watchReplies(): void {
    if (this.isClosed) return;
    const bytes = this.#heldBytes + this.#client.writableLength;
    if (bytes !== this.#replyBytesCounted) {
      this.#host.addReplyBytes(bytes - this.#replyBytesCounted);
      this.#replyBytesCounted = bytes;
    }
    // Without a release or a drain to come nobody would start the reading again.
    const isBehind =
      bytes > this.#host.replyBytesMax && (this.#heldBytes > 0 || this.#client.writableNeedDrain);
    this.#upstream?.setReading(!isBehind && !this.#isHeldUp);
  }

  // Client.

  #updateReading(): void {
    const { canRead, bounds } = this.#host;
    const isReading =
      this.#phase !== 'open' ||
      (canRead && !this.#isUpstreamFull && this.#waiting.bytes <= bounds.waitingBytesMax);
    if (isReading === this.#isReading) return;
    this.#isReading = isReading;
    if (isReading) this.#client.resume();
    else this.#client.pause();
  }

  #onClientEnd(): void {
    this.#isClientEnded = true;
    this.#settle();
  }

  /** Takes the next step of a session that one of its sides has ended. */
  #settle(): void {
    if (this.#phase === 'draining') {
      if (!this.isHolding) this.#finish();
      return;
    }
    if (this.#phase !== 'open' || !this.#isClientEnded || this.isWaiting) return;
    if (this.#upstream === null || this.#isIdle) {
      this.#finish();
    } else if (this.#isBound || this.#hasBlocked || this.#unended > 0) {
      // The server decides what is still answered. A blocked pop must not outlive its client.
      if (!this.#isUpstreamFinished) this.#upstream.finish();
      this.#isUpstreamFinished = true;
    }
  }

  /** Closes after the client has read what was written, or was given time to. */
  #finish(): void {
    this.#clearTimers();
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#phase = 'ending';
    this.#updateReading();
    this.#client.end();
    this.#deadline = setTimeout(() => this.destroy(), this.#host.bounds.closeGraceMs);
    if (this.#isClientEnded) this.#client.once('finish', () => this.destroy());
  }

  #clearTimers(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#deadline = null;
    this.#retry = null;
  }
}

const NO_BYTES = Buffer.alloc(0);

function isSameRoute(one: Route, other: Route): boolean {
  if (one.kind === 'open') return other.kind === 'open' && one.reign === other.reign;
  return one.kind === 'leader' && other.kind === 'leader' && one.node === other.node;
}
