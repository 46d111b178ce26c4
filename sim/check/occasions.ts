/**
 * When an operation of unknown outcome is worth putting into the line.
 *
 * It need not happen, and it may happen as late as one likes. So of all good lines there is one
 * with as few of them as possible, each as late as possible; and there each stands where one of
 * the operations open at that moment calls for what it brings about. Tried elsewhere it can only
 * lead to lines that are found anyway.
 */
import type { Operation, Step } from './history.ts';

type Texts = readonly string[];
type Fields = readonly (readonly [string, string])[];

export interface Occasion {
  readonly modelName: string;
  readonly unknown: Operation;
  readonly before: unknown;
  readonly after: unknown;
  /** What else may go next, with known outcome and unknown. */
  readonly known: readonly Operation[];
  readonly others: readonly Operation[];
}

export function isOccasion(occasion: Occasion): boolean {
  const { modelName, unknown, before, after, known } = occasion;
  if (before === after) return false;
  // What a transaction does in its middle is not looked into.
  if ([unknown, ...known, ...occasion.others].some(({ steps }) => steps.length > 1)) return true;
  const steps = known.flatMap((operation) => operation.steps);
  const others = occasion.others.flatMap((operation) => operation.steps);
  if (modelName === 'register')
    return isForRegister(before as string | null, after as string | null, steps, others);
  if (modelName === 'set') return isForSet(before as Texts, after as Texts, steps);
  if (modelName === 'hash') return isForHash(before as Fields, after as Fields, steps, others);
  return true;
}

type Cell = string | null;

function isForRegister(
  before: Cell,
  after: Cell,
  steps: readonly Step[],
  others: readonly Step[],
): boolean {
  if (before === after) return false;
  const callsFor = (step: Step): boolean => {
    switch (step.f) {
      case 'read':
      case 'getset':
        return step.result === after;
      case 'cas':
        // Without an answer it may have swapped or not: either can be what is called for.
        if (step.result === undefined) return step.from === after || step.from === before;
        return step.result ? step.from === after : step.from === before;
      case 'write':
        return false;
      default:
        return true;
    }
  };
  // One unknown operation may be there for another.
  const leadsOn = (step: Step): boolean =>
    step.f === 'incr' || (step.f === 'cas' && step.from === after);
  return steps.some(callsFor) || others.some(leadsOn);
}

function isForSet(before: Texts, after: Texts, steps: readonly Step[]): boolean {
  const came = after.filter((member) => !before.includes(member));
  const went = before.filter((member) => !after.includes(member));
  return steps.some(
    (step) =>
      came.some((member) => callsForMember(step, member, true)) ||
      went.some((member) => callsForMember(step, member, false)),
  );
}

function callsForMember(step: Step, member: string, isThere: boolean): boolean {
  switch (step.f) {
    case 'smembers':
      return step.result?.includes(member) === isThere;
    case 'spop':
      if (step.result === undefined) return true;
      return isThere ? step.result === member : step.result === null;
    case 'srem':
    case 'sismember':
      return step.value === member && step.result === isThere;
    case 'sadd':
      return step.value === member && step.result === !isThere;
    default:
      return true;
  }
}

function isForHash(
  before: Fields,
  after: Fields,
  steps: readonly Step[],
  others: readonly Step[],
): boolean {
  const old = new Map(before);
  const now = new Map(after);
  const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
    (field) => old.get(field) !== now.get(field),
  );
  return changed.some((field) => {
    const value = now.get(field) ?? null;
    const isNew = !old.has(field);
    const leadsOn = (step: Step) => step.f === 'hincr' && step.field === field;
    return others.some(leadsOn) || steps.some((step) => callsForField(step, field, value, isNew));
  });
}

function callsForField(step: Step, field: string, value: Cell, isNew: boolean): boolean {
  if ('field' in step && step.field !== field) return false;
  switch (step.f) {
    case 'hget':
      return step.result === value;
    case 'hgetall':
      return (
        step.result !== undefined &&
        (step.result.find(([each]) => each === field)?.[1] ?? null) === value
      );
    case 'hset':
      return step.result ? value === null : isNew;
    case 'hdel':
      return step.result ? isNew : value === null;
    case 'hincr':
      return step.result === undefined || Number(value ?? 0) === step.result - step.by;
    default:
      return true;
  }
}
