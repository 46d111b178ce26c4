/**
 * What a command does to the connection it comes in on. A command without an effect has exactly one
 * reply and leaves nothing behind: any number of clients may send such commands down one
 * connection.
 */

import type { ReadsMode } from '../reads-mode.ts';

/** How a client has said who it is: the words of AUTH after its name. */
export interface Credentials {
  readonly words: readonly Buffer[];
}

export type Effect =
  /** Leaves nothing, but must be asked on a connection of the session's own. */
  | { readonly kind: 'own' }
  /** Its reply may come much later; the server must learn when the client hangs up. */
  | { readonly kind: 'blocks' }
  /** State for the time of a transaction. */
  | { readonly kind: 'multi' }
  | { readonly kind: 'exec' }
  | { readonly kind: 'watch' }
  | { readonly kind: 'unwatch' }
  /** State that another connection can be given by saying the same there. */
  | { readonly kind: 'select'; readonly db: number }
  | { readonly kind: 'auth'; readonly credentials: Credentials }
  | {
      readonly kind: 'hello';
      readonly protocol: 2 | 3;
      readonly credentials: Credentials | null;
      readonly name: Buffer | null;
    }
  | { readonly kind: 'name'; readonly name: Buffer }
  | { readonly kind: 'info'; readonly attribute: string; readonly value: Buffer }
  /** Who answers its reads where another node leads. */
  | { readonly kind: 'reads'; readonly reads: ReadsMode }
  | { readonly kind: 'reset' }
  /** State that nobody can follow, or not one reply for each command. */
  | { readonly kind: 'binds' }
  /** Binds, and its replies show the agent's own fence. */
  | { readonly kind: 'monitors' }
  /** Binds, and changes what others may do who have not said who they are. */
  | { readonly kind: 'governs' };

export type EffectKind = Effect['kind'];

/**
 * Without the state that they end these are plain: EXEC without MULTI is an error like any other.
 */
export function ridesLane(effect: Effect | null): boolean {
  return effect === null || effect.kind === 'exec' || effect.kind === 'unwatch';
}

/** Nothing is known of a connection any more once such a command is on it. */
export function bindsForLife(effect: Effect): boolean {
  return effect.kind === 'binds' || effect.kind === 'monitors' || effect.kind === 'governs';
}

/** Whether the same commands mean something else behind it. */
export function leavesState(effect: Effect): boolean {
  switch (effect.kind) {
    case 'own':
    case 'blocks':
    case 'name':
    case 'info':
      return false;
    default:
      return true;
  }
}

/** Whether another node may have to answer what comes behind it, once the server has said yes. */
export function turnsReads(effect: Effect): boolean {
  return effect.kind === 'reads' || effect.kind === 'reset';
}

/** What clients send when they connect: it does not speak for a connection of their own. */
export function isGreeting(effect: Effect): boolean {
  switch (effect.kind) {
    case 'select':
    case 'auth':
    case 'hello':
    case 'name':
    case 'info':
    case 'reads':
    case 'reset':
      return true;
    default:
      return false;
  }
}
