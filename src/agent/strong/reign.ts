/**
 * One leader's time with one life of its server, from the attached capture to its end for ever.
 *
 * Announced when its id is proposed to the log, before the first bytes; open when that entry is
 * committed. Offsets mean something only within it: fence, held replies and the commit that
 * releases them all live here and end together (`facts/holes.md` H1, H2).
 */
import type { LogIndex, NodeId, ReplOffset } from '../../core/scalars.ts';
import { Barrier, type BarrierLimits } from './barrier.ts';
import { Capture } from './capture.ts';
import { encodeReign } from './entry.ts';
import { HandOver } from './hand-over.ts';
import { Hold } from './hold.ts';
import type { Lease } from './lease.ts';
import type { RaftPort, ReignWatch, RoleSeen, ServerPort } from './ports.ts';
import type { PauseReason } from './read-pauses.ts';

export interface ReignLimits extends BarrierLimits {
  readonly uncommittedBytesMax: number;
  readonly unitBytesMax: number;
  readonly heldBytesMax: number;
  readonly handOverTicksMax: number;
}

/** The server counts a replica that says nothing as lost, and refuses writes then. */
const ACKNOWLEDGE_TICKS = 20;

export interface ReignOptions {
  readonly life: number;
  /** What the server is called since its promotion at `start`. */
  readonly replid: string;
  readonly start: ReplOffset;
  readonly limits: ReignLimits;
  readonly ports: {
    readonly server: ServerPort;
    readonly raft: RaftPort;
    readonly watch?: ReignWatch;
    readonly newLease?: () => Lease;
  };
  /** Why clients are not read for now: every reason counts until it is taken back. */
  readonly pauseReads: (reason: PauseReason, isPaused: boolean) => void;
}

export class Reign {
  readonly barrier: Barrier;
  readonly #options: ReignOptions;
  readonly #capture: Capture;
  /** Proposals that Raft has not answered yet, oldest first: is it the reign's own entry? */
  readonly #unanswered: boolean[] = [];
  #entryIndex: LogIndex | null = null;
  #committed: ReplOffset;
  #handOver: HandOver | null = null;
  #isCapturePaused = false;
  /** While leadership is handed over Raft takes no entries: what the server adds waits with it. */
  #isCaptureHeld = false;
  #acknowledgeTicks = 0;

  constructor(options: ReignOptions) {
    const { start, limits, ports } = options;
    this.#options = options;
    this.#committed = start;
    this.#capture = new Capture(start, limits.unitBytesMax, (payload) => {
      this.#propose(payload, false);
    });
    const holdPorts = {
      requestFence: () => ports.server.sendFence(),
      requestRound: (round: number) => ports.raft.wantRound(round),
      hasUncommitted: () => this.executed > this.#committed,
      lease: ports.newLease?.() ?? null,
    };
    this.barrier = new Barrier(
      new Hold(holdPorts, limits.heldBytesMax),
      limits,
      holdPorts.requestFence,
    );
    this.barrier.hold.committed(start);
  }

  /** What its server is known to have executed. */
  get executed(): ReplOffset {
    return this.#capture.received;
  }

  get replid(): string {
    return this.#options.replid;
  }

  announce(): void {
    this.#propose(encodeReign(this.#options.start, this.#options.replid), true);
  }

  accepted(first: LogIndex): void {
    if (this.#unanswered.shift() === true) this.#entryIndex = first;
  }

  refused(): void {
    this.#unanswered.shift();
  }

  isAnnounced(committed: LogIndex): boolean {
    return this.#entryIndex !== null && committed >= this.#entryIndex;
  }

  /** Stream bytes of the server. Null, or why the reign is over. */
  captured(chunk: Buffer): string | null {
    const failure = this.#capture.push(chunk);
    this.#options.ports.watch?.executed(this.executed);
    if (failure === null) this.#pace();
    return failure;
  }

  committed(offset: ReplOffset): void {
    this.#committed = offset;
    this.#options.ports.watch?.committed(offset);
    this.barrier.hold.committed(offset);
    this.#pace();
    this.#handOver?.committed(offset);
  }

  confirmed(round: number): void {
    this.#options.ports.watch?.confirmed(round);
    this.barrier.hold.confirmed(round);
  }

  roleSeen(role: RoleSeen): void {
    this.#handOver?.roleSeen(role);
  }

  /** Planned: stops writes, waits until all that was executed is committed, transfers. */
  handOver(to: NodeId | null, done: (ok: boolean, why: string) => void): void {
    if (this.#handOver !== null) {
      done(false, 'a hand-over is under way');
      return;
    }
    const { life, ports, limits, pauseReads } = this.#options;
    this.#handOver = new HandOver({
      to,
      life,
      ports,
      ticksMax: limits.handOverTicksMax,
      committed: () => this.#committed,
      executed: () => this.executed,
      holdCapture: (isHeld) => {
        this.#isCaptureHeld = isHeld;
        this.#pace();
      },
      pause: (isPaused) => pauseReads('handOver', isPaused),
      done,
    });
  }

  /** The transfer came to nothing: writes go on here. */
  transferAbandoned(why: string): void {
    this.#handOver?.ended(false, why);
    this.#handOver = null;
  }

  /** To be called each tick, open or not yet. */
  acknowledge(): void {
    this.#acknowledgeTicks += 1;
    if (this.#acknowledgeTicks < ACKNOWLEDGE_TICKS) return;
    this.#acknowledgeTicks = 0;
    this.#options.ports.server.acknowledge(this.#committed);
  }

  /** Null, or why the reign is over. */
  tick(): string | null {
    this.#handOver?.tick();
    if (this.#handOver?.isEnded === true) this.#handOver = null;
    return this.barrier.tick();
  }

  /** Forgets all that is held. Returns what is to be told to whoever asked for a hand-over. */
  end(): HandOver | null {
    this.barrier.hold.end();
    this.#options.pauseReads('uncommitted', false);
    const handOver = this.#handOver;
    this.#handOver = null;
    return handOver;
  }

  #propose(payload: Uint8Array, isOwnEntry: boolean): void {
    this.#unanswered.push(isOwnEntry);
    this.#options.ports.raft.propose(payload);
  }

  /**
   * At the cap clients are not read. The capture is not read either, but only while whole units
   * wait: a unit that has begun must be allowed to end, however large (H7).
   */
  #pace(): void {
    const { limits, pauseReads, ports } = this.#options;
    const max = limits.uncommittedBytesMax;
    const uncommitted = this.executed - this.#committed;
    if (uncommitted > max) pauseReads('uncommitted', true);
    else if (uncommitted < max / 2) pauseReads('uncommitted', false);
    const isOver = this.#isCaptureHeld || this.#capture.proposed - this.#committed > max;
    if (isOver === this.#isCapturePaused) return;
    this.#isCapturePaused = isOver;
    ports.server.setCapturePaused(isOver);
  }
}
