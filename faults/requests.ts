/** Steps of a history as commands, and replies as the steps' results. */
import type { Step, StepResult } from '../sim/check/history.ts';
import { Failure, type Value } from '../test/system/wire.ts';

/** `one`: a bare command. `transaction`: MULTI and EXEC. `script`: all steps in one EVAL. */
export type Manner = 'one' | 'transaction' | 'script';

export type Words = readonly string[];

const SCRIPT = `
local out = {}
for i, words in ipairs(cjson.decode(ARGV[1])) do
  out[i] = redis.call(unpack(words))
end
return out`;

const CAS_SCRIPT = `
local now = redis.call('GET', KEYS[1])
if now == false then now = '' else now = '=' .. now end
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`;

/** A blocking pop gives up after so long, in seconds: soon enough to notice what else happens. */
export const POP_SECONDS = 1;

export function commandOf(step: Step): Words {
  const { f, key } = step;
  switch (f) {
    case 'read':
      return ['GET', key];
    case 'write':
      return ['SET', key, step.value];
    case 'getset':
      return ['SET', key, step.value, 'GET'];
    case 'cas':
      return ['EVAL', CAS_SCRIPT, '1', key, step.from === null ? '' : `=${step.from}`, step.to];
    case 'incr':
      return ['INCRBY', key, String(step.by)];
    case 'append':
      return ['RPUSH', key, step.value];
    case 'push':
      return ['LPUSH', key, step.value];
    case 'range':
      return ['LRANGE', key, '0', '-1'];
    case 'blpop':
    case 'brpop':
      return [f.toUpperCase(), key, String(POP_SECONDS)];
    case 'sadd':
    case 'srem':
    case 'sismember':
      return [f.toUpperCase(), key, step.value];
    case 'hset':
      return ['HSET', key, step.field, step.value];
    case 'hget':
    case 'hdel':
      return [f.toUpperCase(), key, step.field];
    case 'hincr':
      return ['HINCRBY', key, step.field, String(step.by)];
    case 'len':
      return ['LLEN', key];
    case 'delete':
      return ['DEL', key];
    default:
      return [f.toUpperCase(), key];
  }
}

export function scriptOf(steps: readonly Step[]): Words {
  const keys = [...new Set(steps.map(({ key }) => key))];
  return ['EVAL', SCRIPT, String(keys.length), ...keys, JSON.stringify(steps.map(commandOf))];
}

/** Throws for what is no reply to this step: the session then heard somebody else's. */
export function resultOf(step: Step, value: Value): StepResult {
  switch (step.f) {
    case 'read':
    case 'getset':
    case 'lpop':
    case 'rpop':
    case 'spop':
    case 'hget':
      return textOrNull(value);
    case 'write':
      if (value !== 'OK') throw mismatch(step, value);
      return undefined;
    case 'incr':
    case 'append':
    case 'push':
    case 'len':
    case 'hincr':
      return number(step, value);
    case 'blpop':
    case 'brpop':
      return value === null ? null : String(list(step, value)[1]);
    case 'range':
    case 'smembers':
      return list(step, value).map(String);
    case 'hgetall':
      return pairs(step, value);
    default:
      return number(step, value) > 0;
  }

  function textOrNull(given: Value): string | null {
    if (given !== null && typeof given !== 'string') throw mismatch(step, given);
    return given;
  }
}

function number(step: Step, value: Value): number {
  if (typeof value !== 'number') throw mismatch(step, value);
  return value;
}

function list(step: Step, value: Value): readonly Value[] {
  if (!Array.isArray(value)) throw mismatch(step, value);
  return value as readonly Value[];
}

function pairs(step: Step, value: Value): [string, string][] {
  // One of the clients makes an object of it.
  if (value !== null && typeof value === 'object' && !Array.isArray(value))
    return Object.entries(value as unknown as Record<string, string>);
  const flat = list(step, value);
  return flat.flatMap((each, i): [string, string][] =>
    i % 2 === 0 ? [[String(each), String(flat[i + 1])]] : [],
  );
}

function mismatch(step: Step, value: Value): Error {
  const shown = value instanceof Failure ? `error ${value.text}` : JSON.stringify(value);
  return new Error(`${step.f} ${step.key} was answered ${shown?.slice(0, 200)}`);
}
