/**
 * What a single server would do: one sequential model per type of key.
 *
 * `step` gives every state that the step may leave behind, given what was answered; none means
 * that the answer is impossible in this state. More than one comes only of an SPOP whose answer
 * nobody heard. A key that holds nothing and a key that is absent are the same, as on the server.
 */
import { unreachable } from '../../src/assert.ts';
import type { HashStep, KeyStep, ListStep, Operation, SetStep, Step } from './history.ts';

export interface Model<S> {
  readonly name: string;
  readonly init: S;
  step(state: S, step: Step): readonly S[];
  /** Equal for equal states, and only for them. */
  hash(state: S): string;
  describe(state: S): string;
}

type Family = 'register' | 'counter' | 'list' | 'set' | 'hash';

/** `read`, `delete` and `exists` go with several types, so they do not tell which one it is. */
const FAMILY: Readonly<Record<Step['f'], Family | null>> = {
  read: null,
  write: 'register',
  cas: 'register',
  getset: 'register',
  incr: 'counter',
  append: 'list',
  push: 'list',
  range: 'list',
  lpop: 'list',
  rpop: 'list',
  blpop: 'list',
  brpop: 'list',
  len: 'list',
  sadd: 'set',
  srem: 'set',
  sismember: 'set',
  smembers: 'set',
  spop: 'set',
  hset: 'hash',
  hget: 'hash',
  hgetall: 'hash',
  hincr: 'hash',
  hdel: 'hash',
  delete: null,
  exists: null,
};

/** Whether the answer fits; one that nobody heard fits always. */
function fits<T>(heard: T | undefined, expected: T): boolean {
  return heard === undefined || heard === expected;
}

function when<S>(possible: boolean, next: S): readonly S[] {
  return possible ? [next] : [];
}

function wholeOf(text: string | null): number | null {
  const value = text === null ? 0 : Number(text);
  return Number.isSafeInteger(value) && (text === null || String(value) === text) ? value : null;
}

function keyStep<S>(state: S, empty: S, holds: boolean, step: KeyStep): readonly S[] {
  return when(fits(step.result, holds), step.f === 'delete' ? empty : state);
}

/** A string: SET, GET, GETSET, compare-and-set, and INCRBY where it holds a whole number. */
export const register: Model<string | null> = {
  name: 'register',
  init: null,
  step(state, step) {
    if (step.f === 'read') return when(fits(step.result, state), state);
    if (step.f === 'write') return [step.value];
    if (step.f === 'getset') return when(fits(step.result, state), step.value);
    if (step.f === 'cas') {
      const swaps = state === step.from;
      return when(fits(step.result, swaps), swaps ? step.to : state);
    }
    if (step.f === 'incr') {
      const count = wholeOf(state);
      if (count === null) return [];
      return when(fits(step.result, count + step.by), String(count + step.by));
    }
    if (step.f === 'delete' || step.f === 'exists')
      return keyStep(state, null, state !== null, step);
    return [];
  },
  hash: (state) => JSON.stringify(state),
  describe: (state) => (state === null ? 'nil' : quoted(state)),
};

/** INCRBY and GET alone: its own model because a number compares faster than a text. */
export const counter: Model<number | null> = {
  name: 'counter',
  init: null,
  step(state, step) {
    if (step.f === 'incr') {
      const count = (state ?? 0) + step.by;
      return when(fits(step.result, count), count);
    }
    if (step.f === 'read')
      return when(fits(step.result, state === null ? null : String(state)), state);
    if (step.f === 'delete' || step.f === 'exists')
      return keyStep(state, null, state !== null, step);
    return [];
  },
  hash: (state) => String(state),
  describe: (state) => (state === null ? 'nil' : String(state)),
};

export const list: Model<readonly string[]> = {
  name: 'list',
  init: [],
  step(state, step) {
    if (FAMILY[step.f] === 'list') return listStep(state, step as ListStep);
    if (step.f === 'delete' || step.f === 'exists')
      return keyStep(state, [], state.length > 0, step);
    return [];
  },
  hash: (state) => JSON.stringify(state),
  describe: (state) => listed(state),
};

function listStep(state: readonly string[], step: ListStep): readonly (readonly string[])[] {
  switch (step.f) {
    case 'append':
      return when(fits(step.result, state.length + 1), [...state, step.value]);
    case 'push':
      return when(fits(step.result, state.length + 1), [step.value, ...state]);
    case 'range':
      return when(step.result === undefined || sameTexts(step.result, state), state);
    case 'lpop':
    case 'blpop':
      return when(fits(step.result, state[0] ?? null), state.slice(1));
    case 'rpop':
    case 'brpop':
      return when(fits(step.result, state.at(-1) ?? null), state.slice(0, -1));
    case 'len':
      return when(fits(step.result, state.length), state);
    default:
      return unreachable(step);
  }
}

/** Members in order of their text. */
export const set: Model<readonly string[]> = {
  name: 'set',
  init: [],
  step(state, step) {
    if (FAMILY[step.f] === 'set') return setStep(state, step as SetStep);
    if (step.f === 'delete' || step.f === 'exists')
      return keyStep(state, [], state.length > 0, step);
    return [];
  },
  hash: (state) => JSON.stringify(state),
  describe: (state) => `{${state.map(quoted).join(' ')}}`,
};

function setStep(state: readonly string[], step: SetStep): readonly (readonly string[])[] {
  switch (step.f) {
    case 'sadd': {
      const known = state.includes(step.value);
      return when(fits(step.result, !known), known ? state : [...state, step.value].sort());
    }
    case 'srem': {
      const known = state.includes(step.value);
      return when(fits(step.result, known), known ? without(state, step.value) : state);
    }
    case 'sismember':
      return when(fits(step.result, state.includes(step.value)), state);
    case 'smembers':
      return when(step.result === undefined || sameTexts([...step.result].sort(), state), state);
    case 'spop':
      if (state.length === 0) return when(fits(step.result, null), state);
      if (step.result === undefined) return state.map((member) => without(state, member));
      if (step.result === null || !state.includes(step.result)) return [];
      return [without(state, step.result)];
    default:
      return unreachable(step);
  }
}

/** Fields with their values, in order of the field. */
export const hash: Model<readonly (readonly [string, string])[]> = {
  name: 'hash',
  init: [],
  step(state, step) {
    if (FAMILY[step.f] === 'hash') return hashStep(state, step as HashStep);
    if (step.f === 'delete' || step.f === 'exists')
      return keyStep(state, [], state.length > 0, step);
    return [];
  },
  hash: (state) => JSON.stringify(state),
  describe: (state) => `{${state.map(([field, value]) => `${field}: ${quoted(value)}`).join(' ')}}`,
};

type Fields = readonly (readonly [string, string])[];

function hashStep(state: Fields, step: HashStep): readonly Fields[] {
  if (step.f === 'hgetall')
    return when(step.result === undefined || sameFields(step.result, state), state);
  const held = state.find(([field]) => field === step.field)?.[1] ?? null;
  switch (step.f) {
    case 'hget':
      return when(fits(step.result, held), state);
    case 'hset':
      return when(fits(step.result, held === null), withField(state, step.field, step.value));
    case 'hdel':
      return when(
        fits(step.result, held !== null),
        state.filter(([field]) => field !== step.field),
      );
    case 'hincr': {
      const count = wholeOf(held);
      if (count === null) return [];
      const next = withField(state, step.field, String(count + step.by));
      return when(fits(step.result, count + step.by), next);
    }
    default:
      return unreachable(step);
  }
}

/** Several keys at once, for transactions that touch them together. */
export class Together implements Model<readonly unknown[]> {
  readonly name = 'several keys';
  readonly init: readonly unknown[];
  readonly #keys: readonly string[];
  readonly #models: readonly Model<unknown>[];
  readonly #places: ReadonlyMap<string, number>;

  constructor(models: ReadonlyMap<string, Model<unknown>>) {
    this.#keys = [...models.keys()];
    this.#models = [...models.values()];
    this.#places = new Map(this.#keys.map((key, place) => [key, place]));
    this.init = this.#models.map((model) => model.init);
  }

  at(state: readonly unknown[], key: string): unknown {
    return state[this.#places.get(key) ?? -1];
  }

  step(state: readonly unknown[], step: Step): readonly (readonly unknown[])[] {
    const place = this.#places.get(step.key);
    const model = place === undefined ? undefined : this.#models[place];
    if (place === undefined || model === undefined) return [];
    return model.step(state[place], step).map((next) => state.with(place, next));
  }

  hash(state: readonly unknown[]): string {
    return state.map((each, place) => this.#models[place]?.hash(each)).join('\n');
  }

  describe(state: readonly unknown[]): string {
    const told = state.map((each, place) => this.#models[place]?.describe(each));
    return this.#keys.map((key, place) => `${key} = ${told[place]}`).join(', ');
  }
}

/** The model of one key by what was done to it; null when it was used as more than one type. */
export function modelOf(steps: Iterable<Step>): Model<unknown> | null {
  const families = new Set<Family>();
  for (const step of steps) {
    const family = FAMILY[step.f];
    if (family !== null) families.add(family);
  }
  const reads = families.size === 0;
  if (reads) return register as Model<unknown>;
  if (families.size === 2 && families.has('register') && families.has('counter'))
    return register as Model<unknown>;
  if (families.size > 1) return null;
  const [family] = families;
  const models = { register, counter, list, set, hash };
  return models[family as Family] as Model<unknown>;
}

/** All states after the operation's steps, run as one. */
export function run<S>(model: Model<S>, state: S, operation: Operation): readonly S[] {
  let states: readonly S[] = [state];
  for (const step of operation.steps) {
    const [only] = states;
    if (only === undefined) return states;
    states =
      states.length === 1
        ? model.step(only, step)
        : states.flatMap((each) => model.step(each, step));
  }
  return states;
}

/** Whether the step, given its answer, certainly leaves everything as it was. */
export function changesNothing(step: Step): boolean {
  switch (step.f) {
    case 'read':
    case 'range':
    case 'len':
    case 'smembers':
    case 'sismember':
    case 'hget':
    case 'hgetall':
    case 'exists':
      return true;
    case 'cas':
    case 'sadd':
    case 'srem':
    case 'hdel':
    case 'delete':
      return step.result === false;
    case 'lpop':
    case 'rpop':
    case 'blpop':
    case 'brpop':
    case 'spop':
      return step.result === null;
    default:
      return false;
  }
}

/** Long lists are cut in the middle: the ends are what matters. */
const LISTED_MAX = 24;

export function listed(values: readonly string[]): string {
  const half = LISTED_MAX / 2;
  const shown =
    values.length <= LISTED_MAX
      ? values.map(quoted)
      : [...values.slice(0, half).map(quoted), '...', ...values.slice(-half).map(quoted)];
  return `[${shown.join(' ')}]`;
}

/** Plain words and numbers as they are, everything else in quotes. */
export function quoted(text: string): string {
  return /^[\w.:-]+$/.test(text) && text !== 'nil' ? text : JSON.stringify(text);
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, at) => text === b[at]);
}

function sameFields(heard: Fields, state: Fields): boolean {
  const sorted = heard.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return (
    sorted.length === state.length &&
    sorted.every(([field, value], at) => field === state[at]?.[0] && value === state[at]?.[1])
  );
}

function without(texts: readonly string[], text: string): readonly string[] {
  return texts.filter((each) => each !== text);
}

function withField(state: Fields, field: string, value: string): Fields {
  const at = state.findIndex(([each]) => each >= field);
  const pair = [field, value] as const;
  if (at < 0) return [...state, pair];
  return state[at]?.[0] === field ? state.with(at, pair) : state.toSpliced(at, 0, pair);
}
