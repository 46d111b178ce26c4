/**
 * Whether the operation that must be done next can still be answered as it was, by anything that
 * may go before it. Only "certainly not" is said for certain: then the search need not go on.
 *
 * A list changes at its ends alone, so what is in the way must be popped by somebody; a member of
 * a set or a field of a hash that is wrong must be changed by somebody.
 */
import type { Operation, Step } from './history.ts';

type Texts = readonly string[];
type Fields = readonly (readonly [string, string])[];

/** `open` may go before `due`, which is not among them. */
export function isStranded(
  modelName: string,
  state: unknown,
  due: Operation,
  open: readonly Operation[],
): boolean {
  const [step] = due.steps;
  if (step === undefined) return false;
  // What follows inside one transaction may depend on what it did itself.
  if (modelName === 'list') return isListStranded(state as Texts, step, open);
  if (modelName === 'set') return isSetStranded(state as Texts, step, open);
  if (modelName === 'hash') return isHashStranded(state as Fields, step, open);
  return false;
}

function some(open: readonly Operation[], does: (step: Step) => boolean): boolean {
  return open.some(({ steps }) => steps.some(does));
}

function isSetStranded(state: Texts, step: Step, open: readonly Operation[]): boolean {
  const [wanted, unwanted] = membersCalledFor(step, state);
  const cannotCome = (member: string) =>
    !state.includes(member) && !some(open, (each) => each.f === 'sadd' && each.value === member);
  const cannotGo = (member: string) =>
    state.includes(member) && !some(open, (each) => removes(each, member));
  return wanted.some(cannotCome) || unwanted.some(cannotGo);
}

function removes(step: Step, member: string): boolean {
  if (step.f === 'srem') return step.value === member;
  if (step.f === 'spop') return step.result === undefined || step.result === member;
  return step.f === 'delete';
}

/** Members that must be there for the answer, and members that must not. */
function membersCalledFor(step: Step, state: Texts): readonly [Texts, Texts] {
  switch (step.f) {
    case 'smembers': {
      const heard = step.result;
      if (heard === undefined) return [[], []];
      return [heard, state.filter((member) => !heard.includes(member))];
    }
    case 'spop':
      if (step.result === undefined) return [[], []];
      return step.result === null ? [[], state] : [[step.result], []];
    case 'srem':
    case 'sismember':
      if (step.result === undefined) return [[], []];
      return step.result ? [[step.value], []] : [[], [step.value]];
    case 'sadd':
      if (step.result === undefined) return [[], []];
      return step.result ? [[], [step.value]] : [[step.value], []];
    default:
      return [[], []];
  }
}

function isHashStranded(state: Fields, step: Step, open: readonly Operation[]): boolean {
  const held = new Map(state);
  const cannotBecome = (field: string, value: string | null) =>
    (held.get(field) ?? null) !== value && !some(open, (each) => makes(each, field, value));
  if (step.f === 'hget') return step.result !== undefined && cannotBecome(step.field, step.result);
  if (step.f !== 'hgetall' || step.result === undefined) return false;
  const heard = new Map(step.result);
  return (
    step.result.some(([field, value]) => cannotBecome(field, value)) ||
    state.some(([field]) => !heard.has(field) && cannotBecome(field, null))
  );
}

function makes(step: Step, field: string, value: string | null): boolean {
  switch (step.f) {
    case 'hset':
      return step.field === field && step.value === value;
    case 'hincr':
      return step.field === field && value !== null;
    case 'hdel':
      return step.field === field && value === null;
    case 'delete':
      // Also a field that counts from nothing again.
      return true;
    default:
      return false;
  }
}

interface Hands {
  readonly appended: Texts;
  readonly pushed: Texts;
  /** Values that somebody is known to have popped, from either end. */
  readonly popped: Texts;
  /** Pops that may have taken anything. */
  readonly blindPops: number;
}

function isListStranded(state: Texts, step: Step, open: readonly Operation[]): boolean {
  if (some(open, ({ f }) => f === 'delete')) return false;
  const hands = handsOf(open);
  switch (step.f) {
    case 'range':
      return step.result !== undefined && isRangeStranded(state, step.result, hands);
    case 'lpop':
    case 'blpop':
      return isPopStranded(state, step.result, hands, 'left');
    case 'rpop':
    case 'brpop':
      return isPopStranded(state, step.result, hands, 'right');
    case 'append':
    case 'push':
      return step.result !== undefined && isLengthStranded(state, step.result - 1, hands);
    case 'len':
      return step.result !== undefined && isLengthStranded(state, step.result, hands);
    default:
      return false;
  }
}

function handsOf(open: readonly Operation[]): Hands {
  const appended: string[] = [];
  const pushed: string[] = [];
  const popped: string[] = [];
  let blindPops = 0;
  for (const { steps } of open) {
    for (const step of steps) {
      if (step.f === 'append') appended.push(step.value);
      else if (step.f === 'push') pushed.push(step.value);
      else if (step.f === 'lpop' || step.f === 'rpop' || step.f === 'blpop' || step.f === 'brpop') {
        if (step.result === undefined) blindPops += 1;
        else if (step.result !== null) popped.push(step.result);
      }
    }
  }
  return { appended, pushed, popped, blindPops };
}

function canGo(values: Texts, { popped, blindPops }: Hands): boolean {
  return values.filter((value) => !popped.includes(value)).length <= blindPops;
}

function isLengthStranded(state: Texts, length: number, hands: Hands): boolean {
  const { appended, pushed, popped, blindPops } = hands;
  const least = state.length - popped.length - blindPops;
  const most = state.length + appended.length + pushed.length;
  return length < least || length > most;
}

function isPopStranded(
  state: Texts,
  result: string | null | undefined,
  hands: Hands,
  end: 'left' | 'right',
): boolean {
  if (result === undefined) return false;
  if (result === null) return !canGo(state, hands);
  const [near, far] =
    end === 'left' ? [hands.pushed, hands.appended] : [hands.appended, hands.pushed];
  if (near.includes(result)) return false;
  const at = end === 'left' ? state.indexOf(result) : state.lastIndexOf(result);
  if (at < 0) return !far.includes(result) || !canGo(state, hands);
  const inTheWay = end === 'left' ? state.slice(0, at) : state.slice(at + 1);
  return !canGo(inTheWay, hands) && !(far.includes(result) && canGo(state, hands));
}

/** What stays of the list is one piece, and the same piece of what was read. */
function isRangeStranded(state: Texts, read: Texts, hands: Hands): boolean {
  if (new Set(state).size < state.length || new Set(read).size < read.length) return false;
  if ([...hands.appended, ...hands.pushed].some((value) => state.includes(value))) return false;
  const left = state.findIndex((value) => read.includes(value));
  if (left < 0) {
    const hasCome = (value: string) =>
      hands.appended.includes(value) || hands.pushed.includes(value);
    return !canGo(state, hands) || !read.every(hasCome);
  }
  const at = read.indexOf(state[left] as string);
  let size = 1;
  while (left + size < state.length && state[left + size] === read[at + size]) size += 1;
  const gone = [...state.slice(0, left), ...state.slice(left + size)];
  if (!canGo(gone, hands)) return true;
  const before = read.slice(0, at);
  const after = read.slice(at + size);
  return (
    !before.every((value) => hands.pushed.includes(value)) ||
    !after.every((value) => hands.appended.includes(value))
  );
}
