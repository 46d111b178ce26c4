/**
 * What may be concluded from what a client heard.
 *
 * `fail` is only what the server or the relay promises as not executed; everything else that is
 * not a plain reply is `unknown`. An error that belongs to neither is told to a person.
 */
import type { Outcome } from '../sim/check/history.ts';
import type { Value } from '../test/system/wire.ts';

export type Said =
  | { readonly is: 'value'; readonly value: Value }
  | { readonly is: 'error'; readonly text: string }
  /** Closed, or nothing in time; `sent` is false when not a byte of it had left. */
  | { readonly is: 'silence'; readonly why: string; readonly sent: boolean };

export interface Judgement {
  readonly outcome: Outcome;
  /** Why it is not ok, in one word or two; empty for ok. */
  readonly why: string;
  /** An error that nothing here explains: somebody should look at it. */
  readonly isOdd: boolean;
}

/**
 * Errors given before anything was executed. CLUSTERDOWN: no leader within the relay's patience;
 * what may have been executed gets its connection closed instead. READONLY, LOADING, MASTERDOWN,
 * NOREPLICAS: the server's own, before execution. EXECABORT: a queued command was refused.
 * UNBLOCKED: a blocked pop ended empty-handed.
 */
const NOT_EXECUTED = new Set([
  ...['CLUSTERDOWN', 'READONLY', 'LOADING', 'MASTERDOWN', 'NOREPLICAS', 'EXECABORT', 'UNBLOCKED'],
]);
const TOO_MANY_CLIENTS = /^ERR max number of clients/;

export function judge(said: Said): Judgement {
  if (said.is === 'value') return { outcome: 'ok', why: '', isOdd: false };
  if (said.is === 'silence')
    return { outcome: said.sent ? 'unknown' : 'fail', why: said.why, isOdd: false };
  const [code = ''] = said.text.split(' ', 1);
  if (NOT_EXECUTED.has(code)) return { outcome: 'fail', why: code, isOdd: false };
  if (TOO_MANY_CLIENTS.test(said.text))
    return { outcome: 'fail', why: 'too many clients', isOdd: false };
  return { outcome: 'unknown', why: said.text.slice(0, 80), isOdd: true };
}
