/** Steps and operations in the words of the server's own commands. */
import type { Operation, Step } from './history.ts';
import { listed, quoted } from './models.ts';

export function toldOperation(operation: Operation): string {
  const { process, call, return: end, outcome, steps } = operation;
  const body = steps.map(toldStep).join(', ');
  const until = end === null ? 'never returned' : `${call}..${end}`;
  const fate = outcome === 'ok' ? '' : ` ${outcome}`;
  return `process ${process} at ${end === null ? `${call}, ${until}` : until}${fate}: ${body}`;
}

export function toldStep(step: Step): string {
  const { f, key } = step;
  switch (f) {
    case 'write':
      return `write ${key} = ${quoted(step.value)}`;
    case 'cas':
      return `cas ${key} ${orNil(step.from)} to ${quoted(step.to)}${answer(step.result)}`;
    case 'incr':
      return `incr ${key} by ${step.by}${answer(step.result)}`;
    case 'hset':
      return `hset ${key} ${step.field} = ${quoted(step.value)}${answer(step.result)}`;
    case 'hincr':
      return `hincr ${key} ${step.field} by ${step.by}${answer(step.result)}`;
    case 'hget':
    case 'hdel':
      return `${f} ${key} ${step.field}${answer(step.result)}`;
    case 'hgetall': {
      const pairs = step.result?.map(([field, value]) => `${field}: ${value}`);
      return `${f} ${key}${answer(pairs)}`;
    }
    case 'getset':
    case 'append':
    case 'push':
    case 'sadd':
    case 'srem':
    case 'sismember':
      return `${f} ${key} ${quoted(step.value)}${answer(step.result)}`;
    default:
      return `${f} ${key}${answer(step.result)}`;
  }
}

function orNil(text: string | null): string {
  return text === null ? 'nil' : quoted(text);
}

function answer(result: string | number | boolean | null | readonly string[] | undefined): string {
  if (result === undefined) return '';
  if (result === null) return ' -> nil';
  if (typeof result === 'string') return ` -> ${quoted(result)}`;
  return ` -> ${typeof result === 'object' ? listed(result) : String(result)}`;
}
