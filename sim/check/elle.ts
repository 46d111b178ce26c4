/**
 * A history in the form that Elle reads (`elle.list-append`, also by elle-cli): one EDN map per
 * line, with :index, :time, :process, :type (:invoke, then :ok, :fail or :info), :f :txn and
 * :value, a vector of [:append key element] and [:r key elements-or-nil].
 *
 * Only steps on append-only lists are written. Elements are written as integers when all of them
 * are, since Elle wants one type throughout.
 */
import { appendKeys } from './append-log.ts';
import type { Operation, Step } from './history.ts';
import { toldEvents } from './told-events.ts';

export function toElle(operations: readonly Operation[]): string {
  const keys = appendKeys(operations);
  const transactions = operations
    .map((operation) => ({
      ...operation,
      steps: operation.steps.filter((step) => fits(step, keys)),
    }))
    .filter(({ steps }) => steps.length > 0);
  const element = transactions.every(({ steps }) => steps.every(isWhole)) ? whole : text;
  const lines = toldEvents(transactions).map(({ type, process, at, place }, index) => {
    const { steps } = transactions[place] as Operation;
    const value = steps.map((step) => toldStep(step, type === 'ok', element)).join(' ');
    const head = `:index ${index}, :time ${at}, :process ${process}, :type :${type}`;
    return `{${head}, :f :txn, :value [${value}]}\n`;
  });
  return lines.join('');
}

function fits(step: Step, keys: ReadonlySet<string>): boolean {
  return (step.f === 'append' || step.f === 'range') && keys.has(step.key);
}

function toldStep(step: Step, isOk: boolean, element: (value: string) => string): string {
  if (step.f === 'append') return `[:append ${text(step.key)} ${element(step.value)}]`;
  const heard = step.f === 'range' && isOk ? step.result : undefined;
  const read = heard === undefined ? 'nil' : `[${heard.map(element).join(' ')}]`;
  return `[:r ${text(step.key)} ${read}]`;
}

function isWhole(step: Step): boolean {
  if (step.f === 'append') return WHOLE.test(step.value);
  return step.f !== 'range' || (step.result ?? []).every((value) => WHOLE.test(value));
}

/** Within the 53 bits that every reader keeps. */
const WHOLE = /^(0|-?[1-9]\d{0,14})$/;

function whole(value: string): string {
  return value;
}

/** JSON's escapes are EDN's. */
function text(value: string): string {
  return JSON.stringify(value);
}
