/** What a node tells its peers about its place in the deployment. */
import type { Charter, CharterMember } from './charter.ts';

/** Of a member the charter is its own; who joined came to it later, or again without its disk. */
export type Phase = 'empty' | 'signed' | 'member' | 'joined';

/** What a node says of itself: durable on its side before it is said. */
export interface Card extends CharterMember {
  readonly phase: Phase;
  /** Null exactly when the phase is empty. */
  readonly charter: Charter | null;
  /**
   * The directories with which it would found now, its own included, sorted; absent when it founds
   * none. Of an empty phase only, and the one thing here that is not durable.
   */
  readonly sees?: readonly string[];
}
