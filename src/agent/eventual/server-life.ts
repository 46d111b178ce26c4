/**
 * The lives of the server that a role is played on: started again when it is gone, looked at all
 * the time, told one thing at a time, and killed when it does not answer within its bounds.
 */
import type { Note } from '../shard/ports.ts';
import type { EventualServer, ServerSeen, ServerStep } from './ports.ts';

/** A look costs the server some tens of microseconds. */
const LOOK_EVERY_MS = 100;
/** An open server that answers nothing for so long hangs: within the lease, above usual stalls. */
const HUNG_MS = 1_000;
/**
 * One that takes no writes harms nobody, and may be at work: it frees, reads or takes its data. As
 * long as a server's own `repl-timeout`.
 */
const SHUT_HUNG_MS = 60_000;
/** A tick that is later: this process did not run meanwhile, and could hear no answer. */
const LATE_TICK_MS = 100;
/** A script may run so long beyond `busy-reply-threshold`: nobody can be served meanwhile. */
const BUSY_MS = 10_000;
/** Before it is started again: a program that exits at once must not spin. */
const START_AGAIN_MS = 200;

export interface ServerLifeOptions {
  readonly nowMs: () => number;
  readonly server: EventualServer;
  readonly note: Note;
}

export class ServerLife {
  readonly #o: ServerLifeOptions;
  #life = 0;
  #stage: 'gone' | 'starting' | 'up' | 'dying' = 'gone';
  #wasUp = false;
  #seen: ServerSeen | null = null;
  /** Nothing was done to it since `seen`. */
  #isFresh = false;
  #look: 'none' | 'asked' | 'outdated' = 'none';
  /** It was seen to take writes, or told to. */
  #mayBeOpen = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #tickedMs = Number.POSITIVE_INFINITY;
  #busySinceMs: number | null = null;
  #goneMs = Number.NEGATIVE_INFINITY;
  #isStepping = false;
  #isOccupied = false;

  constructor(options: ServerLifeOptions) {
    this.#o = options;
  }

  get life(): number {
    return this.#life;
  }

  /** As it stands now; null while it is down, and until what was done last can be seen. */
  get seen(): ServerSeen | null {
    return this.#isFresh ? this.#seen : null;
  }

  /** Something may have been done to it meanwhile: nothing is decided by it. */
  get seenShown(): ServerSeen | null {
    return this.#stage === 'up' ? this.#seen : null;
  }

  get isBusy(): boolean {
    return this.#isStepping || this.#isOccupied;
  }

  /** It answers, and has its data. */
  get isUp(): boolean {
    const isAnswering = this.#o.nowMs() <= this.#answeredMs + HUNG_MS;
    return this.#stage === 'up' && isAnswering && this.#seen !== null && !this.#seen.isLoading;
  }

  /** No process is there: of an earlier life of this node neither, since one has had its port. */
  get isGone(): boolean {
    return this.#stage === 'gone' && this.#wasUp;
  }

  tick(): void {
    const now = this.#o.nowMs();
    this.#forgiveStall(now);
    if (this.#stage === 'gone' && now >= this.#goneMs + START_AGAIN_MS) {
      this.#life += 1;
      this.#stage = 'starting';
      this.#o.server.start(this.#life);
    }
    if (this.#stage !== 'up') return;
    if (now > this.#answeredMs + (this.#mayBeOpen ? HUNG_MS : SHUT_HUNG_MS)) {
      this.#stage = 'dying';
      this.#o.server.kill(this.#life, 'it does not answer');
    } else if (now >= this.#lookedMs + LOOK_EVERY_MS) this.#lookNow();
  }

  up(life: number): void {
    if (life !== this.#life || this.#stage !== 'starting') return;
    this.#stage = 'up';
    this.#wasUp = true;
    this.#answeredMs = this.#o.nowMs();
    this.#lookNow();
  }

  /** False for an earlier life. */
  down(life: number, why: string): boolean {
    if (life !== this.#life || this.#stage === 'gone') return false;
    this.#o.note('warn', 'server.down', { life, why });
    this.#stage = 'gone';
    this.#goneMs = this.#o.nowMs();
    this.#seen = null;
    this.#isFresh = false;
    this.#look = 'none';
    this.#isStepping = false;
    this.#mayBeOpen = false;
    this.#busySinceMs = null;
    return true;
  }

  /** False when it says nothing of how things are now. */
  seenNow(life: number, seen: ServerSeen): boolean {
    if (life !== this.#life || this.#stage !== 'up') return false;
    const isOutdated = this.#look === 'outdated';
    this.#look = 'none';
    this.#answeredMs = this.#o.nowMs();
    this.#busySinceMs = null;
    if (!isOutdated) {
      this.#seen = seen;
      this.#isFresh = true;
      this.#mayBeOpen = seen.role === 'primary' && !seen.isShut;
    } else this.#lookNow();
    return !isOutdated;
  }

  busy(life: number): void {
    if (life !== this.#life) return;
    const now = this.#o.nowMs();
    this.#look = 'none';
    this.#busySinceMs ??= now;
    if (now < this.#busySinceMs + BUSY_MS) this.#answeredMs = now;
  }

  take(step: ServerStep, done: () => void): void {
    const life = this.#life;
    this.#isStepping = true;
    this.#isFresh = false;
    if (step.kind === 'open') this.#mayBeOpen = true;
    if (this.#look === 'asked') this.#look = 'outdated';
    this.#o.note('info', 'server.step', { ...step });
    this.#o.server.take(life, step, (ok) => {
      if (life !== this.#life || this.#stage !== 'up' || !this.#isStepping) return;
      this.#isStepping = false;
      this.#answeredMs = this.#o.nowMs();
      if (ok) done();
      this.#lookNow();
    });
  }

  /** Something else has to be done before the next step. */
  occupy(): void {
    this.#isOccupied = true;
  }

  free(): void {
    this.#isOccupied = false;
  }

  /** A machine that is too busy for this process says nothing of the server. */
  #forgiveStall(now: number): void {
    const stalledMs = now - this.#tickedMs;
    this.#tickedMs = now;
    if (stalledMs > LATE_TICK_MS) this.#answeredMs = Math.min(now, this.#answeredMs + stalledMs);
  }

  #lookNow(): void {
    if (this.#look !== 'none' || this.#isStepping) return;
    this.#look = 'asked';
    this.#lookedMs = this.#o.nowMs();
    this.#o.server.look(this.#life);
  }
}
