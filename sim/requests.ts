/** Steps of the history as commands, and answers to them as results. */
import { ErrorReply, type Reply } from '../src/core/resp/reply-reader.ts';
import { encodeCommand } from '../src/core/resp/writer.ts';
import type { Step, StepResult } from './check/history.ts';

export type Answer =
  | { readonly kind: 'ok'; readonly results: readonly StepResult[] }
  | { readonly kind: 'fail' }
  | { readonly kind: 'unknown' };

/** One request of one client: its commands go out together and are answered together. */
export interface Call {
  /** None: it leaves no trace in the history. */
  readonly steps: readonly Step[];
  readonly bytes: Buffer;
  readonly replies: number;
  readonly isBlocking: boolean;
  read(replies: readonly Reply[]): Answer;
  /** What to ask for next, on the same connection, once this was answered. */
  follow?(replies: readonly Reply[]): Call | null;
}

const BLOCK_S = '1';

export const FAIL: Answer = { kind: 'fail' };

/** Errors that say that nothing was done. */
const NOT_DONE = new Set([
  'CLUSTERDOWN',
  'EXECABORT',
  'LOADING',
  'MASTERDOWN',
  'NOREPLICAS',
  'READONLY',
]);

export function answerOf(
  reply: Reply | undefined,
  results: (value: Reply) => readonly StepResult[],
): Answer {
  if (reply instanceof ErrorReply) return NOT_DONE.has(reply.code) ? FAIL : { kind: 'unknown' };
  return { kind: 'ok', results: results(reply ?? null) };
}

export function encode(commands: readonly (readonly string[])[]): Buffer {
  return Buffer.concat(commands.map((words) => encodeCommand(words)));
}

export function script(steps: readonly Step[], words: readonly string[]): Omit<Call, 'read'> {
  const bytes = encodeCommand(words);
  return { steps, bytes, replies: 1, isBlocking: false };
}

/** What a connection is told first: its keys are in that database. */
export function select(db: number): Call {
  return {
    ...script([], ['SELECT', String(db)]),
    read: ([reply]) => ({ kind: reply === 'OK' ? 'ok' : 'unknown', results: [] }),
  };
}

/** The same of who is to answer its reads: the node that it is connected to, or the leader. */
export function readFrom(word: 'READONLY' | 'READWRITE'): Call {
  return {
    ...script([], [word]),
    read: ([reply]) => ({ kind: reply === 'OK' ? 'ok' : 'unknown', results: [] }),
  };
}

const READS = new Set<Step['f']>([
  ...(['read', 'range', 'len', 'sismember', 'smembers', 'hget', 'hgetall', 'exists'] as const),
]);

export function writes(step: Step): boolean {
  return !READS.has(step.f);
}

/** The call behind a command of `words`, whose answer goes to `check`. */
export function behind(
  words: readonly string[],
  call: Call,
  check: (reply: Reply | undefined) => void,
): Call {
  return {
    ...call,
    bytes: Buffer.concat([encodeCommand(words), call.bytes]),
    replies: call.replies + 1,
    read: ([first, ...replies]) => {
      check(first);
      return call.read(replies);
    },
  };
}

export function blocking(f: 'blpop' | 'brpop', key: string): Call {
  return {
    ...script([{ f, key }], [f.toUpperCase(), key, BLOCK_S]),
    isBlocking: true,
    read: ([reply]) => answerOf(reply, (value) => [Array.isArray(value) ? textOf(value[1]) : null]),
  };
}

/** One command, or several in a transaction. */
export function together(steps: readonly Step[]): Call {
  const [only] = steps;
  if (only !== undefined && steps.length === 1) {
    return {
      ...script(steps, commandOf(only)),
      read: ([reply]) => answerOf(reply, (value) => [resultOf(only, value)]),
    };
  }
  return {
    ...transaction(steps, steps.map(commandOf)),
    read: (replies) => {
      const last = replies.at(-1);
      // A WATCH from before, whose answer nobody waited for: nothing was done.
      if (last === null) return FAIL;
      return answerOf(last, (values) =>
        steps.map((step, at) => resultOf(step, (values as readonly Reply[])[at] ?? null)),
      );
    },
  };
}

export function transaction(
  steps: readonly Step[],
  commands: readonly (readonly string[])[],
): Omit<Call, 'read'> {
  const bytes = encode([['MULTI'], ...commands, ['EXEC']]);
  return { steps, bytes, replies: commands.length + 2, isBlocking: false };
}

function commandOf(step: Step): readonly string[] {
  const { key } = step;
  switch (step.f) {
    case 'read':
      return ['GET', key];
    case 'write':
      return ['SET', key, step.value];
    case 'getset':
      return ['SET', key, step.value, 'GET'];
    case 'cas':
      return ['SET', key, step.to, 'NX'];
    case 'incr':
      return ['INCRBY', key, String(step.by)];
    case 'append':
      return ['RPUSH', key, step.value];
    case 'push':
      return ['LPUSH', key, step.value];
    case 'range':
      return ['LRANGE', key, '0', '-1'];
    case 'len':
      return ['LLEN', key];
    case 'sadd':
    case 'srem':
    case 'sismember':
      return [step.f.toUpperCase(), key, step.value];
    case 'hset':
      return ['HSET', key, step.field, step.value];
    case 'hget':
    case 'hdel':
      return [step.f.toUpperCase(), key, step.field];
    case 'hincr':
      return ['HINCRBY', key, step.field, String(step.by)];
    case 'delete':
      return ['DEL', key];
    case 'exists':
      return ['EXISTS', key];
    default:
      return [step.f.toUpperCase(), key];
  }
}

function resultOf(step: Step, value: Reply): StepResult {
  switch (step.f) {
    case 'write':
      return undefined;
    case 'cas':
      return value === 'OK';
    case 'incr':
    case 'append':
    case 'push':
    case 'len':
    case 'hincr':
      return value as number;
    case 'range':
    case 'smembers':
      return value as readonly string[];
    case 'hgetall':
      return pairsOf(value as readonly string[]);
    case 'sadd':
    case 'srem':
    case 'sismember':
    case 'hset':
    case 'hdel':
    case 'delete':
    case 'exists':
      return value === 1;
    default:
      return textOf(value);
  }
}

export function textOf(value: Reply | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function pairsOf(flat: readonly string[]): readonly (readonly [string, string])[] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2)
    pairs.push([flat[at] as string, flat[at + 1] as string]);
  return pairs;
}
