/**
 * Commands that this node has put to the control group, each with whoever waits for its answer.
 *
 * Each gets one answer: what the state machine said when the command was applied, why it was not
 * taken, or that nobody here can know, because leadership was lost before it was committed.
 */
import { assert } from '../../assert.ts';
import type { Answer } from '../../core/control/applied.ts';
import type { EntryId } from '../../core/raft/protocol.ts';
import type { Term } from '../../core/scalars.ts';

export type AnswerDone = (answer: Answer) => void;

/** More than a loop and some doors have under way. */
export const PROPOSALS_MAX = 64;

interface Waiting {
  readonly index: number;
  readonly term: Term;
  readonly done: AnswerDone;
}

const LOST: Answer = {
  ok: false,
  code: 'UNKNOWN',
  text: 'leadership was lost: whether it comes to pass is not known',
};

const REFUSALS: Readonly<Record<'notLeader' | 'tooMuchUncommitted' | 'handingOver', string>> = {
  notLeader: 'this node does not lead the control group',
  tooMuchUncommitted: 'too much waits for a majority',
  handingOver: 'leadership is being handed over',
};

export class Proposals {
  /** Given to Raft, which answers in order. */
  #given: AnswerDone[] = [];
  #waiting: Waiting[] = [];

  get count(): number {
    return this.#given.length + this.#waiting.length;
  }

  given(done: AnswerDone): void {
    this.#given.push(done);
  }

  accepted(index: number, term: Term): void {
    const done = this.#given.shift();
    assert(done !== undefined, 'only what was given is taken');
    this.#waiting.push({ index, term, done });
  }

  refused(why: keyof typeof REFUSALS): void {
    const done = this.#given.shift();
    assert(done !== undefined, 'only what was given is refused');
    done({ ok: false, code: 'NOT_NOW', text: REFUSALS[why] });
  }

  applied({ index, term }: EntryId, answer: Answer | null): void {
    const first = this.#waiting[0];
    if (first === undefined || first.index > index) return;
    this.#waiting.shift();
    first.done(first.index === index && first.term === term && answer !== null ? answer : LOST);
  }

  lost(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done(LOST);
  }
}
