/**
 * A planned hand-over that loses nothing and resyncs nobody: stop taking commands, let what runs
 * end, pause writes in the server, wait until all that it executed is committed, transfer.
 *
 * Without the pause an expiry's DEL after the last commit would put the old leader's server ahead
 * of the log, and it would have to be loaded anew. If it does not get there within its bound,
 * writes go on here.
 */
import type { NodeId, ReplOffset } from '../../core/scalars.ts';
import type { RaftPort, RoleSeen, ServerPort } from './ports.ts';

/** Commands that were passed on just before have reached the server by then. */
const SETTLE_MS = 2;
const TICK_MS_MAX = 50;

export interface HandOverOptions {
  readonly to: NodeId | null;
  readonly life: number;
  readonly ports: { readonly server: ServerPort; readonly raft: RaftPort };
  readonly ticksMax: number;
  readonly committed: () => ReplOffset;
  /** What the server is known to have executed. */
  readonly executed: () => ReplOffset;
  /** Raft refuses entries during a transfer: nothing is read that would have to be one. */
  readonly holdCapture: (isHeld: boolean) => void;
  readonly pause: (isPaused: boolean) => void;
  readonly done: (ok: boolean, why: string) => void;
}

export class HandOver {
  readonly #options: HandOverOptions;
  #step: 'settling' | 'draining' | 'committing' | 'transferring' | 'ended' = 'settling';
  #target = Number.MAX_SAFE_INTEGER;
  #ticks = 0;

  constructor(options: HandOverOptions) {
    this.#options = options;
    options.pause(true);
    options.ports.server.askRole(options.life, SETTLE_MS);
  }

  roleSeen(role: RoleSeen): void {
    const { ports, life, ticksMax } = this.#options;
    if (this.#step === 'settling' && role.kind === 'primary') {
      this.#step = 'draining';
      ports.server.pauseWrites(life, ticksMax * TICK_MS_MAX);
      ports.server.askRole(life, 0);
    } else if (this.#step === 'draining' && role.kind === 'primary') {
      this.#step = 'committing';
      this.#target = role.offset;
      this.committed(this.#options.committed());
    } else if (role.kind === 'busy') ports.server.askRole(life, SETTLE_MS);
  }

  committed(offset: ReplOffset): void {
    if (this.#step !== 'committing' || offset < this.#target) return;
    // The server's own PING does not wait: what was read of it must be in the log first.
    if (this.#options.executed() > offset) return;
    this.#step = 'transferring';
    this.#options.holdCapture(true);
    this.#options.ports.raft.transfer(this.#options.to);
  }

  tick(): void {
    this.#ticks += 1;
    if (this.#ticks > this.#options.ticksMax && this.#step !== 'transferring')
      this.ended(false, `not drained within its bound, while ${this.#step}`);
  }

  get isEnded(): boolean {
    return this.#step === 'ended';
  }

  /** `ok`: this node leads no longer. Otherwise writes go on here. */
  ended(ok: boolean, why: string): void {
    if (this.#step === 'ended') return;
    this.#step = 'ended';
    const { ports, life, pause, holdCapture, done } = this.#options;
    // After a hand-over the pause lasts until the server follows: `demote` lifts it.
    if (!ok) {
      holdCapture(false);
      ports.server.pauseWrites(life, 0);
    }
    pause(false);
    done(ok, why);
  }
}
