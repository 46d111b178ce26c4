/**
 * Histories as text: one operation per line, each line one JSON object with the members of
 * `Operation`. What is read back is checked member by member, because files come from anywhere.
 */
import { type Operation, type Outcome, STEPS_MAX, type Step } from './history.ts';

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const whole: Check = (value) => Number.isSafeInteger(value);
const yesNo: Check = (value) => typeof value === 'boolean';
const textOrNil: Check = (value) => value === null || text(value);
const texts: Check = (value) => Array.isArray(value) && value.every(text);
const pair: Check = (value) => texts(value) && (value as unknown[]).length === 2;
const pairs: Check = (value) => Array.isArray(value) && value.every(pair);

/** Per kind of step the members besides `f` and `key`; `result` may be missing. */
const MEMBERS: Readonly<Record<Step['f'], Readonly<Record<string, Check>>>> = {
  read: { result: textOrNil },
  write: { value: text },
  cas: { from: textOrNil, to: text, result: yesNo },
  getset: { value: text, result: textOrNil },
  incr: { by: whole, result: whole },
  append: { value: text, result: whole },
  push: { value: text, result: whole },
  range: { result: texts },
  lpop: { result: textOrNil },
  rpop: { result: textOrNil },
  blpop: { result: textOrNil },
  brpop: { result: textOrNil },
  len: { result: whole },
  sadd: { value: text, result: yesNo },
  srem: { value: text, result: yesNo },
  sismember: { value: text, result: yesNo },
  smembers: { result: texts },
  spop: { result: textOrNil },
  hset: { field: text, value: text, result: yesNo },
  hget: { field: text, result: textOrNil },
  hgetall: { result: pairs },
  hincr: { field: text, by: whole, result: whole },
  hdel: { field: text, result: yesNo },
  delete: { result: yesNo },
  exists: { result: yesNo },
};
const OUTCOMES: readonly unknown[] = ['ok', 'fail', 'unknown'] satisfies Outcome[];

/** A line that is not an operation. */
export class BadHistory extends Error {
  override readonly name = 'BadHistory';
}

export function writeLines(operations: readonly Operation[]): string {
  return operations.map((operation) => `${JSON.stringify(operation)}\n`).join('');
}

/** Throws BadHistory with the number of the line; empty lines are passed over. */
export function parseLines(lines: string): Operation[] {
  const operations: Operation[] = [];
  for (const [at, line] of lines.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      operations.push(operationOf(JSON.parse(line)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new BadHistory(`line ${at + 1}: ${reason}`);
    }
  }
  return operations;
}

function operationOf(value: unknown): Operation {
  const { process, call, return: end, outcome, steps } = recordOf(value, 'an operation');
  if (!whole(process)) throw new BadHistory('process must be a whole number');
  if (!whole(call)) throw new BadHistory('call must be a whole number');
  if (end !== null && !(whole(end) && (end as number) >= (call as number)))
    throw new BadHistory('return must be null or a whole number from call on');
  if (!OUTCOMES.includes(outcome)) throw new BadHistory('outcome must be ok, fail or unknown');
  if (end === null && outcome !== 'unknown')
    throw new BadHistory('an operation that never returned has the outcome unknown');
  if (!Array.isArray(steps) || steps.length < 1 || steps.length > STEPS_MAX)
    throw new BadHistory(`steps must be a list of 1 to ${STEPS_MAX}`);
  return {
    process: process as number,
    call: call as number,
    return: end as number | null,
    outcome: outcome as Outcome,
    steps: steps.map(stepOf),
  };
}

function stepOf(value: unknown): Step {
  const step = recordOf(value, 'a step');
  const kind = step['f'];
  if (typeof kind !== 'string' || !Object.hasOwn(MEMBERS, kind))
    throw new BadHistory(`f is not a kind of step: ${JSON.stringify(kind)}`);
  if (!text(step['key'])) throw new BadHistory('key must be a text');
  const members = MEMBERS[kind as Step['f']];
  for (const [name, check] of Object.entries(members)) {
    const open = name === 'result' && step[name] === undefined;
    if (!open && !check(step[name])) throw new BadHistory(`${kind}: ${name} does not fit`);
  }
  for (const name of Object.keys(step)) {
    if (name !== 'f' && name !== 'key' && !Object.hasOwn(members, name))
      throw new BadHistory(`${kind} has no ${name}`);
  }
  return step as unknown as Step;
}

function recordOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BadHistory(`${what} must be an object`);
  return value as Record<string, unknown>;
}
