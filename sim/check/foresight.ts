/**
 * What the rest of a history still asks for: branches of the search that cannot end well are
 * left at once, and likely ones are tried first. Nothing here may cut a branch that could succeed.
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

export function valuesSeen(step: Step): readonly string[] {
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

/** Tries in a likely order, and leaves nothing out. */
export class Blind implements Foresight {
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
