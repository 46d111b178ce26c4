/**
 * Where a node stands on its way to a reign and back.
 *
 *   down -> starting -> following -> levelling -> promoting -> attaching -> announcing -> open
 *                           ^------------------ demoting <----------------------------------'
 */
import type { ReplOffset } from '../../core/scalars.ts';
import type { Reign } from './reign.ts';

export type Stage =
  | { readonly kind: 'down' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'following' }
  | { readonly kind: 'levelling'; readonly target: ReplOffset }
  | { readonly kind: 'promoting'; readonly at: ReplOffset }
  | { readonly kind: 'attaching'; readonly at: ReplOffset; readonly replid: string }
  | { readonly kind: 'announcing'; readonly reign: Reign }
  | { readonly kind: 'open'; readonly reign: Reign }
  /** Becoming a replica again, or about to be gone. */
  | { readonly kind: 'demoting' };

/** From here on the server may be a primary: what it executes is of this reign or of none. */
export function hasReign({ kind }: Stage): boolean {
  return kind === 'promoting' || kind === 'attaching' || kind === 'announcing' || kind === 'open';
}

export function attachedReign(stage: Stage): Reign | null {
  return stage.kind === 'open' || stage.kind === 'announcing' ? stage.reign : null;
}

export function openReign(stage: Stage): Reign | null {
  return stage.kind === 'open' ? stage.reign : null;
}
