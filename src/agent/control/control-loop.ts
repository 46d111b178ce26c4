/**
 * The control leader's loop: observe, plan, act, one round at a time.
 *
 * An action ends before the next begins, and a round before the next one: what was done is seen
 * before anything further is planned. What is refused stays planned, and is said once.
 */
import type { Answer } from '../../core/control/applied.ts';
import type { Observation } from '../../core/plan/observation.ts';
import { type Action, type Founding, plan } from '../../core/plan/plan.ts';
import type { Note } from '../shard/ports.ts';
import type { ControlGroup } from './control-group.ts';

/** Between two rounds when there is nothing to do: 200 ms. */
export const ROUND_TICKS = 8;
/** Where the plan says who takes the writes: 50 ms, since a failover has some rounds. */
export const PRIMARY_ROUND_TICKS = 2;

export interface ControlLoopOptions {
  readonly group: Pick<
    ControlGroup,
    'isCurrent' | 'state' | 'propose' | 'changeMembers' | 'handOver'
  >;
  readonly founding: Founding;
  readonly roundTicks: number;
  readonly observe: () => Observation;
  readonly note: Note;
}

export class ControlLoop {
  readonly #o: ControlLoopOptions;
  #isActing = false;
  #ticks = 0;
  /** What did not go last time, by its reason: not told again as long as it is the same. */
  #refusals = new Set<string>();

  constructor(options: ControlLoopOptions) {
    this.#o = options;
  }

  tick(): void {
    this.#ticks += 1;
    if (this.#isActing || this.#ticks % this.#o.roundTicks !== 0 || !this.#o.group.isCurrent)
      return;
    const { group, founding, observe } = this.#o;
    const actions = plan(group.state, observe(), founding);
    if (actions.length === 0) {
      this.#refusals.clear();
      return;
    }
    this.#isActing = true;
    this.#next(actions, new Set());
  }

  #next(actions: readonly Action[], refusals: Set<string>): void {
    const [action, ...rest] = actions;
    if (action === undefined || !this.#o.group.isCurrent) {
      this.#isActing = false;
      this.#refusals = refusals;
      return;
    }
    this.#act(action, (ok, text) => {
      this.#tell(action, ok, text, refusals);
      this.#next(rest, refusals);
    });
  }

  #act(action: Action, done: (ok: boolean, text: string) => void): void {
    const { group } = this.#o;
    switch (action.kind) {
      case 'propose':
        group.propose(action.command, (answer: Answer) => done(answer.ok, answer.text));
        return;
      case 'change':
        group.changeMembers(action.change, done);
        return;
      case 'handOver':
        group.handOver(action.to, done);
        return;
    }
  }

  #tell(action: Action, ok: boolean, text: string, refusals: Set<string>): void {
    const { note } = this.#o;
    const facts = { what: nameOfAction(action), why: action.why, outcome: text };
    const key = `${facts.what} ${text}`;
    if (ok) note('info', 'control.acted', facts);
    else if (!this.#refusals.has(key)) note('warn', 'control.refused', facts);
    if (!ok) refusals.add(key);
  }
}

function nameOfAction(action: Action): string {
  switch (action.kind) {
    case 'propose':
      return action.command.kind;
    case 'change':
      return `${action.change.kind} ${action.change.node}`;
    case 'handOver':
      return `hand over to ${action.to}`;
  }
}
