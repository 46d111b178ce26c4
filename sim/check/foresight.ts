/**
 * What the rest of a history still asks for: branches of the search that cannot end well are
 * left at once, and likely ones are tried first. Nothing here may cut a branch that could succeed.
 *
 * A cell holds one value at a time. As long as an answer not yet placed calls for the value that
 * it holds, and nothing not yet placed could bring that value back, the value must stay.
 *
 * A counter that only rises must not pass a number that an answer not yet placed calls for.
 *
 * A list that only grows at its end shows its order in the longest range ever read: each of those
 * values has exactly one place, and whatever nobody read comes after them.
 */
import type { Operation, Step } from './history.ts';

export interface Foresight {
  /** Operations are tried in the order of these. */
  readonly ranks: readonly number[];
  /** The moments by which they must be done. */
  readonly deadlines: readonly number[];
  /** Nearly always one choice is left, and states are large: those are not worth remembering. */
  readonly isNarrow: boolean;
  /** The operation is now in the line, or taken out of it again. */
  place(operation: number): void;
  lift(operation: number): void;
  /** Asked first: it leads nowhere, whatever it answers. */
  isHopeless(before: unknown, operation: number): boolean;
  /** Asked after `place`: no way on from `after`, to which the operation led from `before`. */
  isDead(before: unknown, operation: number, after: unknown): boolean;
  /** To do it now spoils nothing: there is no need to try anything else. */
  isHarmless(before: unknown, operation: number): boolean;
  /** It cannot help anybody, and need not have happened. */
  isIdle(operation: number): boolean;
}

export function foresightOf(modelName: string, operations: readonly Operation[]): Foresight {
  const steps = operations.flatMap((operation) => operation.steps);
  if (modelName === 'register' && steps.every(({ f }) => f !== 'incr'))
    return new CellForesight(operations);
  if (modelName === 'counter' && countsUp(steps)) return new RisingForesight(operations);
  if (modelName === 'list' && growsOnly(operations, steps))
    return new GrowingForesight(operations, steps);
  return blindOf(operations);
}

/** Tries in a likely order, and leaves nothing out. */
export function blindOf(operations: readonly Operation[]): Foresight {
  return new Blind(operations);
}

function deadlinesOf(operations: readonly Operation[]): number[] {
  return operations.map(({ outcome, return: end }) =>
    outcome === 'ok' && end !== null ? end : Number.POSITIVE_INFINITY,
  );
}

/** The moment at which it must be done; an append goes by the moment at which it was first seen. */
function ranksOf(operations: readonly Operation[]): number[] {
  const seen = new Map<string, number>();
  for (const operation of operations) {
    const at = operation.return ?? Number.POSITIVE_INFINITY;
    for (const step of operation.steps) {
      for (const [place, value] of valuesSeen(step).entries()) {
        // Microscopic shares keep the order inside one answer without reaching the next moment.
        const rank = at + place / 0x10_0000;
        const known = seen.get(value);
        if (known === undefined || rank < known) seen.set(value, rank);
      }
    }
  }
  return deadlinesOf(operations).map((at, place) => {
    const step = operations[place]?.steps[0];
    return step?.f === 'append' || step?.f === 'push' ? (seen.get(step.value) ?? at) : at;
  });
}

function valuesSeen(step: Step): readonly string[] {
  switch (step.f) {
    case 'range':
      return step.result ?? [];
    case 'lpop':
    case 'rpop':
    case 'blpop':
    case 'brpop':
      return step.result === undefined || step.result === null ? [] : [step.result];
    default:
      return [];
  }
}

class Blind implements Foresight {
  readonly isNarrow: boolean = false;
  readonly ranks: readonly number[];
  readonly deadlines: readonly number[];

  constructor(operations: readonly Operation[]) {
    this.ranks = ranksOf(operations);
    this.deadlines = deadlinesOf(operations);
  }

  place(_operation: number): void {}

  lift(_operation: number): void {}

  isHopeless(_before: unknown, _operation: number): boolean {
    return false;
  }

  isDead(_before: unknown, _operation: number, _after: unknown): boolean {
    return false;
  }

  isHarmless(_before: unknown, _operation: number): boolean {
    return false;
  }

  isIdle(_operation: number): boolean {
    return false;
  }
}

type Cell = string | null;

class CellForesight extends Blind {
  readonly #operations: readonly Operation[];
  /** Operations not yet placed whose answer calls for the value, and those that could bring it. */
  readonly #wanted = new Map<Cell, number>();
  readonly #offered = new Map<Cell, number>();
  /** Only reads and writes, one per operation: no answer depends on what a value is not. */
  readonly #isPlain: boolean;

  constructor(operations: readonly Operation[]) {
    super(operations);
    this.#operations = operations;
    this.#isPlain = operations.every(
      ({ steps }) => steps.length === 1 && (steps[0]?.f === 'read' || steps[0]?.f === 'write'),
    );
    for (const at of operations.keys()) this.lift(at);
  }

  override place(operation: number): void {
    this.#count(operation, -1);
  }

  override lift(operation: number): void {
    this.#count(operation, 1);
  }

  override isDead(before: unknown, _operation: number, after: unknown): boolean {
    const cell = before as Cell;
    return cell !== after && this.#isWanted(cell) && (this.#offered.get(cell) ?? 0) === 0;
  }

  override isHarmless(before: unknown, operation: number): boolean {
    if (!this.#isPlain || this.#isWanted(before as Cell)) return false;
    const [step] = this.#operations[operation]?.steps ?? [];
    return step?.f === 'write' && !this.#isWanted(step.value);
  }

  override isIdle(operation: number): boolean {
    if (!this.#isPlain) return false;
    const [step] = this.#operations[operation]?.steps ?? [];
    return step?.f === 'write' && !this.#isWanted(step.value);
  }

  #isWanted(cell: Cell): boolean {
    return (this.#wanted.get(cell) ?? 0) > 0;
  }

  #count(operation: number, by: number): void {
    const steps = this.#operations[operation]?.steps ?? [];
    const wanted = steps[0] === undefined ? undefined : wantedBy(steps[0]);
    if (wanted !== undefined) this.#wanted.set(wanted, (this.#wanted.get(wanted) ?? 0) + by);
    for (const step of steps) {
      const offered = offeredBy(step);
      if (offered === undefined) continue;
      this.#offered.set(offered, (this.#offered.get(offered) ?? 0) + by);
    }
  }
}

/** What must be there for the answer to come out as it did. */
function wantedBy(step: Step): Cell | undefined {
  if (step.f === 'read' || step.f === 'getset') return step.result;
  if (step.f === 'cas' && step.result === true) return step.from;
  return undefined;
}

function offeredBy(step: Step): Cell | undefined {
  switch (step.f) {
    case 'write':
    case 'getset':
      return step.value;
    case 'cas':
      return step.result === false ? undefined : step.to;
    case 'delete':
      return null;
    default:
      return undefined;
  }
}

class RisingForesight extends Blind {
  /** Per operation the place of the number that it calls for, or -1. */
  readonly #places: readonly number[];
  readonly #numbers: readonly number[];
  readonly #wanted: Int32Array;
  /** No smaller number is wanted. */
  #lowest: number;

  constructor(operations: readonly Operation[]) {
    super(operations);
    const wants = operations.map(({ steps }) =>
      steps[0] === undefined ? null : numberBy(steps[0]),
    );
    const numbers = new Set(wants.filter((want) => want !== null));
    this.#numbers = [...numbers].sort((a, b) => a - b);
    const places = new Map(this.#numbers.map((number, place) => [number, place]));
    this.#places = wants.map((want) => (want === null ? -1 : (places.get(want) as number)));
    this.#wanted = new Int32Array(this.#numbers.length);
    this.#lowest = this.#numbers.length;
    for (const at of operations.keys()) this.lift(at);
  }

  override place(operation: number): void {
    const at = this.#places[operation] as number;
    if (at < 0) return;
    this.#wanted[at] = (this.#wanted[at] as number) - 1;
    while (this.#lowest < this.#wanted.length && this.#wanted[this.#lowest] === 0)
      this.#lowest += 1;
  }

  override lift(operation: number): void {
    const at = this.#places[operation] as number;
    if (at < 0) return;
    this.#wanted[at] = (this.#wanted[at] as number) + 1;
    this.#lowest = Math.min(this.#lowest, at);
  }

  override isDead(_before: unknown, _operation: number, after: unknown): boolean {
    const lowest = this.#numbers[this.#lowest];
    return lowest !== undefined && ((after as number | null) ?? 0) > lowest;
  }
}

/** What the counter must stand at for the answer to come out as it did. */
function numberBy(step: Step): number | null {
  if (step.f === 'incr') return step.result === undefined ? null : step.result - step.by;
  if (step.f !== 'read' || step.result === undefined) return null;
  return Number(step.result ?? 0);
}

function countsUp(steps: readonly Step[]): boolean {
  return steps.every((step) => step.f === 'read' || (step.f === 'incr' && step.by > 0));
}

class GrowingForesight extends Blind {
  override readonly isNarrow = true;
  readonly #operations: readonly Operation[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #longest: readonly string[];

  constructor(operations: readonly Operation[], steps: readonly Step[]) {
    super(operations);
    this.#operations = operations;
    let longest: readonly string[] = [];
    for (const step of steps) {
      const read = valuesSeen(step);
      if (read.length > longest.length) longest = read;
    }
    this.#longest = longest;
    this.#places = new Map(longest.map((value, place) => [value, place]));
  }

  override isHopeless(before: unknown, operation: number): boolean {
    let length = (before as readonly string[]).length;
    for (const step of this.#operations[operation]?.steps ?? []) {
      if (step.f !== 'append') continue;
      const place = this.#places.get(step.value);
      if (place === undefined ? length < this.#longest.length : place !== length) return true;
      length += 1;
    }
    return false;
  }
}

function growsOnly(operations: readonly Operation[], steps: readonly Step[]): boolean {
  const values = new Set<string>();
  for (const step of steps) {
    if (step.f === 'range' || step.f === 'len' || step.f === 'exists') continue;
    if (step.f !== 'append' || values.has(step.value)) return false;
    values.add(step.value);
  }
  return operations.every(({ outcome }) => outcome !== 'fail');
}
