/**
 * The leases of an eventual shard's primaries, on the control leader (`facts/holes.md` H11).
 *
 * A question is answered by a state that has all that was committed when it came in, and after a
 * round that began later: so by the newest decision of all, whoever believes to lead. Grants of
 * other leaders are not known here, and need not be: they were asked for before a majority voted
 * for this one.
 */
import type { NodeId } from '../scalars.ts';
import type { LeaseQuestion } from './holder.ts';
import { QUIET_MS } from './spans.ts';

export interface Asked {
  readonly from: NodeId;
  readonly question: LeaseQuestion;
  readonly atMs: number;
  /** A round numbered so began later than the question came. */
  readonly round: number;
  /** What was committed then. */
  readonly index: number;
}

/** All nodes that there can be, each with a shard; of each only the newest question waits. */
const WAITING_MAX = 256;

export class LeaseGranter<Question extends Asked = Asked> {
  #beganMs = Number.NEGATIVE_INFINITY;
  #waiting: Question[] = [];
  readonly #grantedMs = new Map<NodeId, number>();
  readonly #released = new Map<NodeId, number>();

  /** It leads from now on. What was granted before is over after `QUIET_MS`. */
  began(nowMs: number): void {
    this.#beganMs = nowMs;
    this.#waiting = [];
  }

  /** It leads no more: nothing that waits is answered. */
  ended(): void {
    this.#waiting = [];
  }

  asked(question: Question): void {
    const others = this.#waiting.filter(({ from }) => from !== question.from);
    this.#waiting = [...others, question].slice(-WAITING_MAX);
  }

  /** Those that can be answered now, each once. */
  ready(confirmedRound: number, appliedIndex: number): readonly Question[] {
    const isReady = ({ round, index }: Question): boolean =>
      round <= confirmedRound && index <= appliedIndex;
    const ready = this.#waiting.filter(isReady);
    if (ready.length > 0) this.#waiting = this.#waiting.filter((each) => !isReady(each));
    return ready;
  }

  granted({ from, atMs }: Question): void {
    this.#grantedMs.set(from, Math.max(atMs, this.#grantedMs.get(from) ?? atMs));
  }

  /** By its own word it has read `decision`, and its server is open by no earlier one. */
  released(node: NodeId, decision: number): void {
    this.#released.set(node, Math.max(decision, this.#released.get(node) ?? 0));
  }

  /** No lease that it may have got is alive, and nobody has granted it one meanwhile. */
  isQuiet(node: NodeId, nowMs: number): boolean {
    const lastMs = this.#grantedMs.get(node) ?? Number.NEGATIVE_INFINITY;
    return nowMs >= Math.max(this.#beganMs, lastMs) + QUIET_MS;
  }

  /** No lease that `former` may have got before `decision` is alive any more. */
  isOver(former: NodeId, decision: number, nowMs: number): boolean {
    return (this.#released.get(former) ?? 0) >= decision || this.isQuiet(former, nowMs);
  }
}
