/** Foresight for lists. */
import { Blind, valuesSeen } from './foresight.ts';
import type { Operation, Step } from './history.ts';

/**
 * A list that only grows at its end shows its order in the longest range ever read: each of those
 * values has exactly one place, and whatever nobody read comes after them.
 */
export class GrowingForesight extends Blind {
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

export function growsOnly(operations: readonly Operation[], steps: readonly Step[]): boolean {
  const values = new Set<string>();
  for (const step of steps) {
    if (step.f === 'range' || step.f === 'len' || step.f === 'exists') continue;
    if (step.f !== 'append' || values.has(step.value)) return false;
    values.add(step.value);
  }
  return operations.every(({ outcome }) => outcome !== 'fail');
}

/**
 * Appended at one end and popped at the other: what was popped definitely earlier must have been
 * in front, and what nobody is known to have popped needs a pop of unknown outcome to get away.
 */
export class QueueForesight extends Blind {
  readonly #operations: readonly Operation[];
  readonly #pops: ReadonlyMap<string, Operation>;
  #blindPops = 0;

  constructor(operations: readonly Operation[]) {
    super(operations);
    this.#operations = operations;
    const pops = new Map<string, Operation>();
    for (const operation of operations) {
      for (const value of operation.steps.flatMap(valuesPopped)) pops.set(value, operation);
    }
    this.#pops = pops;
    for (const at of operations.keys()) this.lift(at);
  }

  override place(operation: number): void {
    if (this.#isBlindPop(operation)) this.#blindPops -= 1;
  }

  override lift(operation: number): void {
    if (this.#isBlindPop(operation)) this.#blindPops += 1;
  }

  override isHopeless(before: unknown, operation: number): boolean {
    const [step] = this.#operations[operation]?.steps ?? [];
    const pop = step?.f === 'append' ? this.#pops.get(step.value) : undefined;
    if (pop === undefined) return false;
    const end = pop.return ?? Number.POSITIVE_INFINITY;
    let unpopped = 0;
    for (const value of before as readonly string[]) {
      const other = this.#pops.get(value);
      if (other === undefined) unpopped += 1;
      else if (other.call > end) return true;
    }
    return unpopped > this.#blindPops;
  }

  #isBlindPop(operation: number): boolean {
    const [step] = this.#operations[operation]?.steps ?? [];
    return (step?.f === 'lpop' || step?.f === 'blpop') && step.result === undefined;
  }
}

function valuesPopped(step: Step): readonly string[] {
  return step.f === 'lpop' || step.f === 'blpop' ? valuesSeen(step) : [];
}

/** One step each, since what a transaction appends and pops itself is not looked into. */
export function isQueue(operations: readonly Operation[]): boolean {
  const values = new Set<string>();
  return operations.every(({ steps: [step, ...others] }) => {
    if (step === undefined || others.length > 0) return false;
    if (step.f === 'lpop' || step.f === 'blpop' || step.f === 'range' || step.f === 'len')
      return true;
    if (step.f !== 'append' || values.has(step.value)) return false;
    values.add(step.value);
    return true;
  });
}
