/** What a node tells its peers about its place in the deployment. */
import type { Charter, CharterMember } from './charter.ts';

export type Phase = 'empty' | 'signed' | 'member' | 'copy';

/** What a node says of itself: durable on its side before it is said. */
export interface Card extends CharterMember {
  readonly phase: Phase;
  /** Null exactly when the phase is empty. */
  readonly charter: Charter | null;
}
