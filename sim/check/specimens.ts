/**
 * Histories made to order, for the tests of the checkers: what an ideal server would have let its
 * clients see, with calls that overlap, refusals, and outcomes that nobody knows.
 */
import { Chance } from '../time.ts';
import { answered, asked, type Operation, type Step, type StepResult } from './history.ts';
import { type Model, Together } from './models.ts';

export interface Wish {
  readonly seed: number;
  readonly operations: number;
  readonly processes: number;
  readonly unknownPermille: number;
  readonly failPermille: number;
  /** What to ask for; the number is different in every call. */
  readonly ask: (chance: Chance, number: number) => readonly Step[];
}

/** Virtual length of one operation; longer ones overlap with more others. */
const LENGTH_MAX = 100;

/**
 * Each process asks, its operation takes effect at one moment between call and return, and the
 * answer is what the model says at that moment. An unknown one takes effect at any later moment
 * or never, and its process goes on.
 */
export function linearizableHistory(model: Model<unknown>, wish: Wish): Operation[] {
  const chance = new Chance(wish.seed, 'specimens');
  const planned = plan(wish, chance);
  const bySerial = planned
    .filter(({ effect }) => effect !== null)
    .toSorted((a, b) => (a.effect as number) - (b.effect as number));
  let state = model.init;
  const heard = new Map<Planned, readonly Step[]>();
  for (const each of bySerial) {
    const { next, steps } = answer(model, state, each.steps, chance);
    state = next;
    heard.set(each, steps);
  }
  return planned.map((each) => ({
    process: each.process,
    call: each.call,
    return: each.outcome === 'unknown' && chance.permille(500) ? null : each.end,
    outcome: each.outcome,
    steps: each.outcome === 'ok' ? (heard.get(each) ?? each.steps) : each.steps,
  }));
}

interface Planned {
  readonly process: number;
  readonly call: number;
  readonly end: number;
  readonly effect: number | null;
  readonly outcome: Operation['outcome'];
  readonly steps: readonly Step[];
}

function plan(wish: Wish, chance: Chance): Planned[] {
  const planned: Planned[] = [];
  const free = Array.from({ length: wish.processes }, (_, process) => process * 3);
  for (let number = 0; number < wish.operations; number += 1) {
    const process = free.indexOf(Math.min(...free));
    const call = (free[process] as number) + chance.below(20);
    const end = call + 1 + chance.below(LENGTH_MAX);
    free[process] = end + 1;
    const steps = wish.ask(chance, number).map(asked);
    const base = { process, call, end, steps };
    const dice = chance.below(1000);
    if (dice < wish.failPermille) planned.push({ ...base, effect: null, outcome: 'fail' });
    else if (dice < wish.failPermille + wish.unknownPermille) {
      const effect = chance.permille(500) ? call + chance.below(LENGTH_MAX * 5) : null;
      planned.push({ ...base, effect, outcome: 'unknown' });
    } else {
      planned.push({ ...base, effect: chance.between(call, end), outcome: 'ok' });
    }
  }
  return planned;
}

/** Answers that the model agrees to, found by asking what would be right. */
function answer(
  model: Model<unknown>,
  state: unknown,
  steps: readonly Step[],
  chance: Chance,
): { readonly next: unknown; readonly steps: readonly Step[] } {
  let next = state;
  const heard: Step[] = [];
  for (const step of steps) {
    const result = rightResult(step, contents(model, next, step), chance);
    const told = answered(step, result);
    const [after] = model.step(next, told);
    next = after;
    heard.push(told);
  }
  return { next, steps: heard };
}

type Held = string | null | readonly string[] | readonly (readonly [string, string])[];

function contents(model: Model<unknown>, state: unknown, step: Step): Held {
  const own = model instanceof Together ? model.at(state as readonly unknown[], step.key) : state;
  return typeof own === 'number' ? String(own) : (own as Held);
}

function rightResult(step: Step, held: Held, chance: Chance): StepResult {
  const texts = Array.isArray(held) ? (held as string[]) : [];
  const fields = new Map(step.f.startsWith('h') ? (held as [string, string][]) : []);
  switch (step.f) {
    case 'write':
      return undefined;
    case 'read':
    case 'getset':
      return held as string | null;
    case 'cas':
      return held === step.from;
    case 'incr':
      return Number(held ?? 0) + step.by;
    case 'append':
    case 'push':
      return texts.length + 1;
    case 'range':
    case 'smembers':
      return texts;
    case 'len':
      return texts.length;
    case 'lpop':
    case 'blpop':
      return texts[0] ?? null;
    case 'rpop':
    case 'brpop':
      return texts.at(-1) ?? null;
    case 'spop':
      return texts.length === 0 ? null : chance.pick(texts);
    case 'sadd':
      return !texts.includes(step.value);
    case 'srem':
    case 'sismember':
      return texts.includes(step.value);
    case 'hset':
      return !fields.has(step.field);
    case 'hget':
      return fields.get(step.field) ?? null;
    case 'hgetall':
      return [...fields];
    case 'hincr':
      return Number(fields.get(step.field) ?? 0) + step.by;
    case 'hdel':
      return fields.has(step.field);
    case 'delete':
    case 'exists':
      return Array.isArray(held) ? held.length > 0 : held !== null;
    default:
      return step satisfies never;
  }
}
