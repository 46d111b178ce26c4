/**
 * The lease of an eventual shard's primary, where it is held (`facts/holes.md` H11).
 *
 * A grant answers one question, and the lease runs from when that one was asked. So an answer that
 * is late, repeated or overtaken gives no more than it should, and what was asked by an earlier
 * life of this node gives nothing. A lease is of one decision: with a later one nothing is held.
 */
import { HELD_MS, SHUT_AFTER_MS } from './spans.ts';

/** Names a question; `run` tells the lives of a node apart. */
export interface LeaseQuestion {
  readonly decision: number;
  readonly run: number;
  readonly serial: number;
}

/** Questions whose answers still mean something: older ones are of a lease that is over. */
const ASKED_MAX = 16;

export class LeaseHolder {
  readonly #run: number;
  #serial = 0;
  #decision = 0;
  #asked: { readonly serial: number; readonly atMs: number }[] = [];
  #fromMs = Number.NEGATIVE_INFINITY;

  /** `run`: any number that earlier lives of this node have probably not had. */
  constructor(run: number) {
    this.#run = run;
  }

  ask(decision: number, nowMs: number): LeaseQuestion {
    if (decision !== this.#decision) this.drop();
    this.#decision = decision;
    this.#serial += 1;
    this.#asked.push({ serial: this.#serial, atMs: nowMs });
    if (this.#asked.length > ASKED_MAX) this.#asked.shift();
    return { decision, run: this.#run, serial: this.#serial };
  }

  /** Whether this life has asked so, and has heard nothing newer. */
  asked({ decision, run, serial }: LeaseQuestion): boolean {
    if (decision !== this.#decision || run !== this.#run) return false;
    return this.#asked.some((each) => each.serial === serial);
  }

  /** Whether the lease lasts longer by it. */
  granted({ decision, run, serial }: LeaseQuestion): boolean {
    if (decision !== this.#decision || run !== this.#run) return false;
    const asked = this.#asked.find((each) => each.serial === serial);
    if (asked === undefined || asked.atMs <= this.#fromMs) return false;
    this.#fromMs = asked.atMs;
    this.#asked = this.#asked.filter((each) => each.serial > serial);
    return true;
  }

  /** Nothing is held, and no answer to what was asked so far changes that. */
  drop(): void {
    this.#asked = [];
    this.#fromMs = Number.NEGATIVE_INFINITY;
  }

  /** The server may be open: there is still time to shut it before the lease is over. */
  mayBeOpen(decision: number, nowMs: number): boolean {
    return decision === this.#decision && nowMs < this.#fromMs + SHUT_AFTER_MS;
  }

  /** Until when the server may be open at most; the past when nothing is held. */
  get untilMs(): number {
    return this.#fromMs + HELD_MS;
  }
}
