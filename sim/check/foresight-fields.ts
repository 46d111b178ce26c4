/**
 * Foresight for hashes: every field is a cell. A value must stay as long as somebody who is not
 * yet placed saw it and nobody can bring it back; a field that only counts up must not pass a
 * number that somebody saw.
 */
import { Blind } from './foresight.ts';
import type { HashStep, Operation, Step } from './history.ts';

type Fields = readonly (readonly [string, string])[];
type Cell = string | null;

export class FieldsForesight extends Blind {
  readonly #operations: readonly Operation[];
  readonly #fields: ReadonlySet<string>;
  /** Fields that only HINCRBY with a positive number changes. */
  readonly #rising: ReadonlySet<string>;
  /** Fields that HINCRBY changes among others: what they may hold is not foreseen. */
  readonly #wild: ReadonlySet<string>;
  readonly #wanted = new Map<string, number>();
  readonly #offered = new Map<string, number>();
  /** By field, how many not yet placed saw each number. */
  readonly #numbers = new Map<string, Map<number, number>>();

  constructor(operations: readonly Operation[]) {
    super(operations);
    this.#operations = operations;
    const steps = operations.flatMap((operation) => operation.steps) as HashStep[];
    this.#fields = new Set(steps.flatMap(fieldsIn));
    const counted = new Set(steps.flatMap((step) => (step.f === 'hincr' ? [step.field] : [])));
    const others = new Set(
      steps.flatMap((step) =>
        step.f === 'hset' || step.f === 'hdel' || (step.f === 'hincr' && step.by <= 0)
          ? [step.field]
          : [],
      ),
    );
    this.#rising = counted.difference(others);
    this.#wild = counted.intersection(others);
    for (const at of operations.keys()) this.lift(at);
  }

  override place(operation: number): void {
    this.#count(operation, -1);
  }

  override lift(operation: number): void {
    this.#count(operation, 1);
  }

  override isDead(before: unknown, operation: number, after: unknown): boolean {
    const steps = (this.#operations[operation]?.steps ?? []) as HashStep[];
    const old = new Map(before as Fields);
    const now = new Map(after as Fields);
    return steps.some((step) => {
      if (step.f !== 'hset' && step.f !== 'hincr' && step.f !== 'hdel') return false;
      const { field } = step;
      const was = old.get(field) ?? null;
      const is = now.get(field) ?? null;
      if (was === is || this.#wild.has(field)) return false;
      if (this.#rising.has(field)) return this.#isPassed(field, Number(is));
      const cell = cellOf(field, was);
      return (this.#wanted.get(cell) ?? 0) > 0 && (this.#offered.get(cell) ?? 0) === 0;
    });
  }

  #isPassed(field: string, number: number): boolean {
    for (const [seen, count] of this.#numbers.get(field) ?? [])
      if (count > 0 && seen < number) return true;
    return false;
  }

  #count(operation: number, by: number): void {
    const steps = (this.#operations[operation]?.steps ?? []) as HashStep[];
    for (const [field, value] of steps[0] === undefined ? [] : this.#seen(steps[0])) {
      add(this.#wanted, cellOf(field, value), by);
      if (this.#rising.has(field)) this.#addNumber(field, Number(value ?? 0), by);
    }
    for (const step of steps) {
      if (step.f === 'hset') add(this.#offered, cellOf(step.field, step.value), by);
      if (step.f === 'hdel') add(this.#offered, cellOf(step.field, null), by);
    }
  }

  #addNumber(field: string, number: number, by: number): void {
    let counts = this.#numbers.get(field);
    if (counts === undefined) {
      counts = new Map();
      this.#numbers.set(field, counts);
    }
    const count = (counts.get(number) ?? 0) + by;
    // Kept small, because the least of them is looked for again and again.
    if (count === 0) counts.delete(number);
    else counts.set(number, count);
  }

  /** What the fields must hold for the answer to come out as it did. */
  #seen(step: HashStep): readonly (readonly [string, Cell])[] {
    switch (step.f) {
      case 'hget':
        return step.result === undefined ? [] : [[step.field, step.result]];
      case 'hincr':
        if (step.result === undefined || !this.#rising.has(step.field)) return [];
        return [[step.field, String(step.result - step.by)]];
      case 'hgetall': {
        if (step.result === undefined) return [];
        const held = new Map(step.result);
        return [...this.#fields].map((field) => [field, held.get(field) ?? null]);
      }
      default:
        return [];
    }
  }
}

export function isOfFields(steps: readonly Step[]): boolean {
  return steps.every(({ f }) => f !== 'delete' && f !== 'exists');
}

function fieldsIn(step: HashStep): string[] {
  if (step.f === 'hgetall') return (step.result ?? []).map(([field]) => field);
  return [step.field];
}

function cellOf(field: string, value: Cell): string {
  return JSON.stringify([field, value]);
}

function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
