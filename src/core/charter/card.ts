/** What a node tells its peers about its place in the deployment. */
import { type Charter, type CharterMember, isSameCharter } from './charter.ts';

/** Of a member the charter is its own; who joined came to it later, or again without its disk. */
export type Phase = 'empty' | 'signed' | 'member' | 'joined';

/** What a node says of itself: durable on its side before it is said. */
export interface Card extends CharterMember {
  readonly phase: Phase;
  /** Null exactly when the phase is empty. */
  readonly charter: Charter | null;
  /**
   * The directories with which it would found now, its own included, sorted; absent when it founds
   * none: it only joins, or stands by what it has signed. It and `expect` are not durable.
   */
  readonly sees?: readonly string[];
  /** The fewest with which it founds, 1 to CHARTER_MEMBERS_MAX; there exactly when `sees` is. */
  readonly expect?: number;
}

/**
 * Whether `cards` show that `charter` will never be signed by all: somebody in it has signed
 * another one of its round or later, or is in another deployment. Why: see `founding.ts`.
 */
export function isVoid(charter: Charter, cards: readonly Card[]): boolean {
  const named = new Set(charter.members.map(({ directory }) => directory));
  return cards.some(({ directory, phase, charter: other }) => {
    if (other === null || isSameCharter(other, charter)) return false;
    if (phase === 'signed') return named.has(directory) && other.round >= charter.round;
    return named.has(directory) || other.members.some((member) => named.has(member.directory));
  });
}
