/** Foresight for registers and counters. */
import { Blind } from './foresight.ts';
import type { Operation, Step } from './history.ts';

type Cell = string | null;

/**
 * A cell holds one value at a time. As long as an answer not yet placed calls for the value that
 * it holds, and nothing not yet placed could bring that value back, the value must stay.
 */
export class CellForesight extends Blind {
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

/** A counter that only rises must not pass a number that an answer not yet placed calls for. */
export class RisingForesight extends Blind {
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

export function countsUp(steps: readonly Step[]): boolean {
  return steps.every((step) => step.f === 'read' || (step.f === 'incr' && step.by > 0));
}
