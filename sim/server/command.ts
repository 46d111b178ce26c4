/** What the server knows of a command before it runs it. */
import type { Client } from './client.ts';
import type { Engine } from './engine.ts';

/** Gives the reply; '' for none (yet). Throws `Refusal`. */
export type Run = (engine: Engine, client: Client, words: readonly string[]) => string;

export interface Command {
  readonly name: string;
  /** With its name; negative: at least so many. */
  readonly arity: number;
  readonly isWrite: boolean;
  /** Held back by a pause of writes, though not refused as one: it may write. */
  readonly mayReplicate: boolean;
  /** Answered by a replica that has lost its primary. */
  readonly isForStale: boolean;
  readonly inTransaction: 'queued' | 'now' | 'refused';
  readonly needsNoAuth: boolean;
  readonly run: Run;
}

/** `marks`: w writes, m may replicate, s for stale, n now, r refused in MULTI, a without AUTH. */
export function command(name: string, arity: number, marks: string, run: Run): Command {
  const has = (mark: string): boolean => marks.includes(mark);
  return {
    name,
    arity,
    isWrite: has('w'),
    mayReplicate: has('w') || has('m'),
    isForStale: has('s'),
    inTransaction: has('n') ? 'now' : has('r') ? 'refused' : 'queued',
    needsNoAuth: has('a'),
    run,
  };
}
