/**
 * Reads by lease (thesis §6.4.1): for some time after a majority was heard nobody else can have
 * been elected, and a reply needs no round of its own.
 *
 * The argument. Whoever echoes a round promises to help nobody to depose its sender for a minimal
 * election timeout, by its own ticks, across roles and restarts (`core/raft`, `keepsPromises`).
 * Every majority that could elect another holds one who echoed. The round was sent after the moment
 * noted with its number, so that the promises last at least until that moment plus the timeout,
 * less what clocks differ in. A reply that was read before, and is sent after, a moment within was
 * true at that moment.
 *
 * Bound on clocks: two nodes' monotonic clocks differ in speed by less than a tenth, and a tick
 * comes at most a millisecond early; together less than `DRIFT`. A machine that is suspended with
 * its clock, and others not, is outside of that bound, and why leases are off unless asked for.
 *
 * Members may change meanwhile: any two majorities of two configurations that follow one another
 * share somebody, and one that is committed was heard by a majority of its own since. The exception
 * is a leader that removes itself: it may leave a sole voter, who is bound by no promise. So there
 * is no lease while the newest configuration, committed or not, lacks this node, in whatever stage
 * its reign is and whoever asked for that: the configuration changes before its messages leave.
 *
 * Given up for the rest of the reign before anybody is told to campaign, whoever asked for that, in
 * whatever stage the reign is: the heir is elected over everybody's promise, at once or much later.
 */

export interface LeaseClock {
  /** Monotonic. */
  nowMs(): number;
  /** A round of this number or later begins later than now. */
  nextRound(): number;
  /** By the newest configuration of its own log, whose changes have not left this node before. */
  isVoter(): boolean;
  /** Hears until when it lasts, in ms of `nowMs`, whenever that changes; 0: it is given up. */
  moved?(untilMs: number): void;
}

const DRIFT = 0.2;
/** One per tick: a round that takes longer than so many extends no lease. */
const NOTES_MAX = 64;

export class Lease {
  readonly #clock: LeaseClock;
  readonly #spanMs: number;
  /** When rounds of a number or later had not begun yet; numbers and times grow. */
  #notes: { readonly round: number; atMs: number }[] = [];
  #fromMs = Number.NEGATIVE_INFINITY;
  #isGivenUp = false;

  /** `tickMs` and `electionTicksMin` are those of every voter. */
  constructor(clock: LeaseClock, tickMs: number, electionTicksMin: number) {
    this.#clock = clock;
    // The first tick may come right after the echo.
    this.#spanMs = (electionTicksMin - 1) * tickMs * (1 - DRIFT);
  }

  /** Before replies are sent, each time. */
  get isValid(): boolean {
    return this.#mayHold && this.#clock.nowMs() < this.#fromMs + this.#spanMs;
  }

  /** Every tick. */
  note(): void {
    const round = this.#clock.nextRound();
    const atMs = this.#clock.nowMs();
    const last = this.#notes.at(-1);
    if (last?.round === round) last.atMs = atMs;
    else this.#notes.push({ round, atMs });
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
  }

  confirmed(round: number): void {
    let passed = 0;
    for (const note of this.#notes) {
      if (note.round > round) break;
      this.#fromMs = note.atMs;
      passed += 1;
    }
    this.#notes.splice(0, passed);
    if (passed > 0 && this.#mayHold) this.#clock.moved?.(this.#fromMs + this.#spanMs);
  }

  /** Somebody is about to be told to campaign. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#clock.moved?.(0);
  }

  get #mayHold(): boolean {
    return !this.#isGivenUp && this.#clock.isVoter();
  }
}
