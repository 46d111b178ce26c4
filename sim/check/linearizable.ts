/**
 * Is there one order of the operations, each at a moment between its call and its return, in
 * which a single server would have given the same answers?
 *
 * The search of Wing and Gong (1993) as improved by Lowe ("Testing for linearizability", 2017):
 * calls and returns in a linked list; an operation called before the first return in the list may
 * go next; what has gone next is taken out; when nothing fits, the last one is put back. A
 * situation that was met before is not searched again.
 *
 * Beyond Lowe: an operation that changes nothing and fits goes at once, because it can never fit
 * better; of equal operations the one that must be done first goes first; a situation is left
 * when it was met before with fewer of the unknown operations used up, since those need not
 * happen at all; and `Foresight` leaves what cannot end well.
 */
import { EventList } from './event-list.ts';
import type { Foresight } from './foresight.ts';
import { foresightOf } from './foresight-choice.ts';
import { asked, type Operation } from './history.ts';
import { changesNothing, type Model, run } from './models.ts';
import { isOccasion } from './occasions.ts';
import { isStranded } from './prospects.ts';

export interface Stuck {
  /** Place of the operation that fits nowhere, in what was given to `linearize`. */
  readonly operation: number;
  /** What the object held while it ran, in one good line of all the others; the last STATES_MAX. */
  readonly states: readonly string[];
  /** The end of that line, oldest first. Empty when no such line was found in time. */
  readonly line: readonly number[];
  /** What ran at the same time, or may have. */
  readonly open: readonly number[];
  /** Operations called before it returned: the shortest part of the history that is wrong. */
  readonly called: number;
}

export type Linearized =
  | { readonly verdict: 'ok'; readonly tried: number }
  | { readonly verdict: 'violated'; readonly tried: number; readonly stuck: Stuck }
  | { readonly verdict: 'undecided'; readonly tried: number };

/** Tries until the search gives up: a few seconds, and some hundred megabytes of memory. */
export const TRIES_MAX = 1_000_000;
/** Situations after a step back that are worth remembering. */
const REMEMBER_FOR = 32;
const STATES_MAX = 6;
const LINE_MAX = 6;

/** Operations of one object; failed ones must have been left out. */
export function linearize<S>(
  model: Model<S>,
  operations: readonly Operation[],
  triesMax: number = TRIES_MAX,
): Linearized {
  const search = new Search(model, operations, foresightOf(model.name, operations), triesMax);
  const verdict = search.run();
  if (verdict !== 'violated') return { verdict, tried: search.tried };
  const stoppedAt = operations[search.due]?.return ?? 0;
  const stuck = shortestWrong(model, operations, stoppedAt, triesMax);
  return { verdict, tried: search.tried, stuck };
}

/**
 * What is wrong stays wrong when more follows, so the first return after which it is wrong is
 * found by halving. The search itself cannot tell: foresight makes it stop before the place.
 */
function shortestWrong<S>(
  model: Model<S>,
  operations: readonly Operation[],
  stoppedAt: number,
  triesMax: number,
): Stuck {
  const returns = operations
    .flatMap(({ outcome, return: end }) => (outcome === 'ok' && end !== null ? [end] : []))
    .sort((a, b) => a - b);
  const isWrong = (at: number): boolean => {
    const part = until(operations, returns[at] as number);
    const search = new Search(model, part, foresightOf(model.name, part), triesMax);
    return search.run() === 'violated';
  };
  // It is seldom far behind the place where the search stopped.
  const hint = returns.findIndex((each) => each >= stoppedAt);
  let right = Math.max(0, hint);
  let wrong = returns.length - 1;
  for (let stride = 1; right + stride < wrong; stride *= 4) {
    if (isWrong(right + stride)) wrong = right + stride;
    else right += stride + 1;
  }
  while (right < wrong) {
    const middle = (right + wrong) >> 1;
    if (isWrong(middle)) wrong = middle;
    else right = middle + 1;
  }
  return explained(model, operations, returns[wrong] as number, triesMax);
}

/** One good line of all but the operation that is too much, and where it would have had to fit. */
function explained<S>(
  model: Model<S>,
  operations: readonly Operation[],
  cut: number,
  triesMax: number,
): Stuck {
  const suspects = [...operations.keys()].filter((place) => {
    const { outcome, return: end } = operations[place] as Operation;
    return outcome === 'ok' && end === cut;
  });
  // Several may have returned at that moment.
  const culprit =
    suspects.find((place) => isRight(model, until(operations, cut, place), triesMax)) ??
    (suspects[0] as number);
  const { call } = operations[culprit] as Operation;
  const called = [...operations.keys()].filter((place) => (operations[place]?.call ?? 0) <= cut);
  const rest = called.filter((place) => place !== culprit);
  const part = until(operations, cut, culprit);
  const search = new Search(model, part, foresightOf(model.name, part), triesMax);
  const line = search.run() === 'ok' ? search.line() : [];
  // Whatever returned before the call must be in front of it.
  const from = line.findLastIndex(({ operation }) => {
    const { outcome, return: end } = part[operation] as Operation;
    return outcome === 'ok' && end !== null && end < call;
  });
  const states = line.slice(from + 1).map(({ before }) => model.describe(before));
  states.push(model.describe(search.state));
  const told = [...new Set(line.length === 0 ? [] : states)].slice(-STATES_MAX);
  return {
    operation: culprit,
    states: told,
    line: line.slice(-LINE_MAX).map(({ operation }) => rest[operation] as number),
    open: called.filter(
      (place) => isOpen(operations[place] as Operation, call) && place !== culprit,
    ),
    called: called.length,
  };
}

function isRight<S>(model: Model<S>, part: readonly Operation[], triesMax: number): boolean {
  return new Search(model, part, foresightOf(model.name, part), triesMax).run() === 'ok';
}

function isOpen({ outcome, return: end }: Operation, at: number): boolean {
  return outcome === 'unknown' || end === null || end >= at;
}

/** The history as it was known at that moment: what had not returned was still unknown. */
function until(operations: readonly Operation[], cut: number, without = -1): Operation[] {
  return operations
    .filter(({ call }, place) => call <= cut && place !== without)
    .map((operation) =>
      operation.outcome === 'ok' && operation.return !== null && operation.return > cut
        ? { ...operation, outcome: 'unknown', return: null, steps: operation.steps.map(asked) }
        : operation,
    );
}

interface Frame<S> {
  readonly operation: number;
  readonly before: S;
  readonly usedBefore: bigint;
  /** What else could have gone instead. */
  readonly others: Choice<S>[];
}

interface Choice<S> {
  readonly operation: number;
  readonly next: S;
}

class Search<S> {
  readonly #model: Model<S>;
  readonly #operations: readonly Operation[];
  readonly #triesMax: number;
  readonly #foresight: Foresight;
  readonly #events: EventList;
  /** Equal operations share a number. */
  readonly #likes: readonly number[];
  readonly #isStill: readonly boolean[];
  /** One bit for each unknown operation, 0 for the others. */
  readonly #bits: readonly bigint[];
  readonly #met = new Map<string, bigint[]>();
  readonly #stateIds = new Map<string, number>();
  readonly #frames: Frame<S>[] = [];
  #state: S;
  /** Of the unknown operations, those in the line. */
  #used = 0n;
  #tried = 0;
  #rememberFor = 0;
  #furthest = -1;
  #furthestDue = -1;

  constructor(
    model: Model<S>,
    operations: readonly Operation[],
    foresight: Foresight,
    triesMax: number,
  ) {
    this.#model = model;
    this.#operations = operations;
    this.#triesMax = triesMax;
    this.#foresight = foresight;
    this.#events = new EventList(operations);
    this.#likes = likesOf(operations);
    this.#isStill = operations.map(({ steps }) => steps.every(changesNothing));
    let unknown = 0;
    this.#bits = operations.map(({ outcome }) => {
      if (outcome !== 'unknown') return 0n;
      unknown += 1;
      return 1n << BigInt(unknown - 1);
    });
    this.#state = model.init;
  }

  get tried(): number {
    return this.#tried;
  }

  /** The operation whose return no line got past. */
  get due(): number {
    return this.#furthestDue;
  }

  get state(): S {
    return this.#state;
  }

  /** What is in the line, each with the state before it. */
  line(): readonly Frame<S>[] {
    return this.#frames;
  }

  run(): Linearized['verdict'] {
    for (;;) {
      const open = this.#open();
      if (open === null) return 'ok';
      if (this.#tried > this.#triesMax) return 'undecided';
      const choices = this.#choices(open);
      const choice = choices.shift();
      if (choice !== undefined) this.#go(choice, choices);
      else if (!this.#goBack()) return 'violated';
    }
  }

  /** What may go next, likeliest first; null when all that must be done is done. */
  #open(): number[] | null {
    const open = this.#events.open();
    if (open === null) return null;
    const { ranks, deadlines } = this.#foresight;
    return open.sort(
      (a, b) =>
        compare(ranks[a] as number, ranks[b] as number) ||
        compare(deadlines[a] as number, deadlines[b] as number) ||
        a - b,
    );
  }

  #choices(open: readonly number[]): Choice<S>[] {
    for (const operation of open) {
      if (!this.#isStill[operation] && !this.#foresight.isHarmless(this.#state, operation))
        continue;
      if (this.#isUnknown(operation)) continue;
      this.#tried += 1;
      const [next] = run(this.#model, this.#state, this.#at(operation));
      if (next !== undefined) return [{ operation, next }];
    }
    this.#remember();
    if (this.#isStranded(open)) return [];
    const isNarrow = this.#foresight.isNarrow;
    if (!isNarrow && this.#wasMet(open)) return [];
    const choices: Choice<S>[] = [];
    const likes = new Set<number>();
    for (const operation of open) {
      const like = this.#likes[operation] as number;
      if (this.#isStill[operation] || likes.has(like)) continue;
      likes.add(like);
      if (this.#isUnknown(operation) && this.#foresight.isIdle(operation)) continue;
      for (const next of this.#nexts(operation, open)) choices.push({ operation, next });
    }
    if (isNarrow && choices.length > 1 && this.#wasMet(open)) return [];
    return isNarrow ? choices : this.#helpfulFirst(choices);
  }

  #isStranded(open: readonly number[]): boolean {
    const { due } = this.#events;
    const others = open.filter((operation) => operation !== due).map((each) => this.#at(each));
    return isStranded(this.#model.name, this.#state, this.#at(due), others);
  }

  /** What must be done next goes first, then whatever makes it possible. */
  #helpfulFirst(choices: Choice<S>[]): Choice<S>[] {
    // Where the state is one small value, trying is cheaper than looking ahead.
    if (choices.length < 2 || !Array.isArray(this.#state)) return choices;
    const { due } = this.#events;
    const helps = choices.map(({ operation, next }) => {
      if (operation === due) return 0;
      this.#tried += 1;
      return run(this.#model, next, this.#at(due)).length > 0 ? 1 : 2;
    });
    return [0, 1, 2].flatMap((group) => choices.filter((_, at) => helps[at] === group));
  }

  #at(operation: number): Operation {
    return this.#operations[operation] as Operation;
  }

  #nexts(operation: number, open: readonly number[]): readonly S[] {
    if (this.#foresight.isHopeless(this.#state, operation)) return [];
    this.#tried += 1;
    const nexts = run(this.#model, this.#state, this.#at(operation));
    if (nexts.length === 0) return nexts;
    this.#foresight.place(operation);
    const alive = nexts.filter((next) => !this.#foresight.isDead(this.#state, operation, next));
    this.#foresight.lift(operation);
    if (!this.#isUnknown(operation) || alive.length === 0) return alive;
    const known = open.filter((each) => !this.#isUnknown(each)).map((each) => this.#at(each));
    const others = open
      .filter((each) => each !== operation && this.#isUnknown(each))
      .map((each) => this.#at(each));
    const modelName = this.#model.name;
    const unknown = this.#at(operation);
    const before = this.#state;
    return alive.filter((after) =>
      isOccasion({ modelName, unknown, before, after, known, others }),
    );
  }

  #isUnknown(operation: number): boolean {
    return this.#operations[operation]?.outcome === 'unknown';
  }

  #go({ operation, next }: Choice<S>, others: Choice<S>[]): void {
    this.#frames.push({ operation, before: this.#state, usedBefore: this.#used, others });
    this.#foresight.place(operation);
    this.#events.take(operation);
    this.#used |= this.#bits[operation] as bigint;
    this.#state = next;
  }

  #goBack(): boolean {
    for (;;) {
      const frame = this.#frames.pop();
      if (frame === undefined) return false;
      this.#events.putBack(frame.operation);
      this.#foresight.lift(frame.operation);
      this.#state = frame.before;
      this.#used = frame.usedBefore;
      const other = frame.others.shift();
      this.#rememberFor = REMEMBER_FOR;
      if (other === undefined) continue;
      this.#go(other, frame.others);
      return true;
    }
  }

  /**
   * A line that never had to be taken back needs no memory, and most histories are such lines. So
   * situations are remembered only for a while after the search last went back.
   *
   * Exact: the first return and the calls open before it tell which operations are in the line.
   */
  #wasMet(open: readonly number[]): boolean {
    if (this.#rememberFor === 0) return false;
    this.#rememberFor -= 1;
    const hash = this.#model.hash(this.#state);
    const id = this.#stateIds.get(hash) ?? this.#stateIds.size;
    this.#stateIds.set(hash, id);
    const waiting = open.filter((operation) => !this.#isUnknown(operation));
    const situation = `${id} ${this.#events.due} ${waiting.sort((a, b) => a - b).join(' ')}`;
    const known = this.#met.get(situation);
    if (known === undefined) {
      this.#met.set(situation, [this.#used]);
      return false;
    }
    if (known.some((used) => (used & this.#used) === used)) return true;
    known.push(this.#used);
    return false;
  }

  #remember(): void {
    const { due, position } = this.#events;
    if (position <= this.#furthest) return;
    this.#furthest = position;
    this.#furthestDue = due;
  }
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function likesOf(operations: readonly Operation[]): number[] {
  const ids = new Map<string, number>();
  return operations.map(({ steps }) => {
    const text = JSON.stringify(steps);
    const id = ids.get(text) ?? ids.size;
    ids.set(text, id);
    return id;
  });
}
