/**
 * A reign as a thread that serves clients has it: hold and fence of its own, and of Raft what the
 * cell says.
 *
 * The thread may be late: it learns that the reign is over some time after that was decided, as
 * every leader learns late that another was elected. What keeps it harmless:
 *
 * - Nothing leaves but by a commit and a round of this reign's number in the cell. Both were true
 *   when they were published, and stay true; a later reign's are never looked at.
 * - A command that arrives after the end has no round that is ever confirmed (`NEVER`), whatever
 *   the server answers it meanwhile: stale values of a server that follows, `-UNBLOCKED` of one
 *   that is being demoted, the replies of its next life.
 * - One that came before the end went down a connection made before the end: the server was its
 *   own then, and it closes those connections before it changes its role (`OwnServer`), so that its
 *   reply is of this reign's branch.
 * - The fence is a connection to one life of the server, let in by a password of that life, and
 *   not made again. An offset that it tells in a later reign of that life is no lower than the end
 *   of this one: it releases nothing that this reign has not committed.
 * - The server changes its role only when every thread has ended the reign
 *   (`agent/relay-threads.ts`), so that no connection outlives it: what this thread holds is
 *   dropped, its sessions are closed, and then it says so.
 *
 * Pure: the thread calls `look` when the bell rings, and the ports do what is to be done.
 */
import type { ReplOffset } from '../../core/scalars.ts';
import { Barrier, type BarrierLimits } from '../strong/barrier.ts';
import { type HeldReply, type HeldSession, Hold, type HoldLease } from '../strong/hold.ts';
import type { RoleSeen } from '../strong/ports.ts';
import { NEVER, type ReignReader } from './reign-cell.ts';

export interface ThreadReignPorts {
  /** Sends one `ROLE` soon, once for all calls until it is sent; then calls `fenceSent`. */
  requestFence(): void;
  /** Wants leadership confirmed by a round numbered `round` or later. */
  requestRound(round: number): void;
  /** Wants `look` to be called when there is news. */
  listen(): void;
  /** The monotonic clock that all threads share, where reads go by lease. */
  readonly nowMs: (() => number) | null;
}

export interface ThreadReignLimits extends BarrierLimits {
  readonly heldBytesMax: number;
}

export class ThreadReign {
  readonly number: number;
  readonly #facts: ReignReader;
  readonly #ports: ThreadReignPorts;
  readonly #barrier: Barrier;
  readonly #hold: Hold;
  #roundWanted = 0;

  constructor(
    number: number,
    facts: ReignReader,
    limits: ThreadReignLimits,
    ports: ThreadReignPorts,
  ) {
    this.number = number;
    this.#facts = facts;
    this.#ports = ports;
    const requestFence = (): void => ports.requestFence();
    this.#hold = new Hold(
      {
        requestFence,
        requestRound: (round) => this.#requestRound(round),
        hasUncommitted: () => this.#isKnown() && facts.hasUncommitted,
        lease: ports.nowMs === null ? null : this.#lease(ports.nowMs),
      },
      limits.heldBytesMax,
    );
    this.#barrier = new Barrier(this.#hold, limits, requestFence);
  }

  get heldBytes(): number {
    return this.#hold.heldBytes;
  }

  get isFull(): boolean {
    return this.#hold.isFull;
  }

  get isFenceWanted(): boolean {
    return this.#barrier.isFenceWanted;
  }

  /** The ticket of a command that was read before this call. */
  nextRound(): number {
    return this.#isKnown() && this.#facts.nextRound > 0 ? this.#facts.nextRound : NEVER;
  }

  onDrain(callback: () => void): void {
    this.#hold.onDrain(callback);
  }

  add(session: HeldSession, bytes: Buffer, round: number): void {
    this.#hold.add(session, bytes, round);
  }

  laneSent(round: number): void {
    this.#hold.laneSent(round);
  }

  addLane(replies: HeldReply[], round: number, fence: ReplOffset | null): void {
    // What is known already need not be asked for.
    this.look();
    this.#hold.addLane(replies, round, fence);
    this.#await();
  }

  fenceSent(): void {
    this.#barrier.fenceSent();
  }

  /** As the barrier's: a text says why the reign is over. */
  answered(role: RoleSeen): 'done' | 'askAgain' | { readonly failed: string } {
    this.look();
    const outcome = this.#barrier.answered(role);
    this.#await();
    return outcome;
  }

  /** Releases what may leave by what the cell says of this reign. */
  look(): void {
    if (!this.#isKnown()) return;
    // A release may look again: the two belong to one look.
    const { committed, confirmed } = this.#facts;
    this.#hold.confirmed(confirmed);
    this.#hold.committed(committed);
  }

  /** The bell has rung. */
  rung(): void {
    this.look();
    this.#await();
  }

  /** Null, or why the reign is over. */
  tick(): string | null {
    return this.#barrier.tick();
  }

  /** Forgets all that is held. */
  end(): void {
    this.#hold.end();
  }

  /** While something is held there may be news for it: once more after the bell is listened to. */
  #await(): void {
    if (this.#hold.isEmpty) return;
    this.#ports.listen();
    this.look();
  }

  #isKnown(): boolean {
    this.#facts.look();
    return this.#facts.reign === this.number;
  }

  /** Raft does not forget what it was asked for: once is enough. */
  #requestRound(round: number): void {
    if (round <= this.#roundWanted || round === NEVER) return;
    this.#roundWanted = round;
    this.#ports.requestRound(round);
  }

  /** `strong/lease.ts` has the argument; whoever has the lease gives it up, and extends it. */
  #lease(nowMs: () => number): HoldLease {
    const isValid = (): boolean => this.#isKnown() && nowMs() < this.#facts.leasedUntilMs;
    return {
      get isValid() {
        return isValid();
      },
      note: () => undefined,
      confirmed: () => undefined,
    };
  }
}
