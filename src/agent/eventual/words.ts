/** What agents say to one another about the primary's lease; checked like all from the network. */
import { isHistory, pointFrom } from '../../core/control/shapes.ts';
import type { HistoryPoint } from '../../core/control/state.ts';
import type { LeaseQuestion } from '../../core/lease/holder.ts';
import type { Standing } from '../../core/plan/observation.ts';
import { isCount } from '../../core/scalars.ts';

export interface LeaseAsked extends LeaseQuestion {
  /**
   * The history that its server has as a primary. Null: may it promote its server, or follow the
   * one appointed?
   */
  readonly history: string | null;
  /** Where that leaves the one that was agreed on; null: it goes on with it. */
  readonly from: HistoryPoint | null;
  readonly offset: number;
}

const ANSWERS = ['clear', 'granted', 'inForce'] as const;

export interface LeaseAnswered extends LeaseQuestion {
  /**
   * clear: no older lease is alive, and the server may be promoted. granted: and be open. inForce:
   * to another than the primary, that there was no newer decision when it asked.
   */
  readonly answer: (typeof ANSWERS)[number];
}

/** Null for what is none. */
export function leaseAskedFrom(body: unknown): LeaseAsked | null {
  const question = questionFrom(body);
  if (question === null) return null;
  const { history, from, offset } = body as Record<string, unknown>;
  const point = from === null ? null : pointFrom(from);
  if (!isCount(offset) || (history !== null && !isHistory(history))) return null;
  if (point === null && from !== null) return null;
  return { ...question, history, from: point, offset };
}

/** Null for what is none. */
export function leaseAnsweredFrom(body: unknown): LeaseAnswered | null {
  const question = questionFrom(body);
  if (question === null) return null;
  const answer = ANSWERS.find((each) => each === (body as Record<string, unknown>)['answer']);
  return answer === undefined ? null : { ...question, answer };
}

function questionFrom(body: unknown): LeaseQuestion | null {
  if (typeof body !== 'object' || body === null) return null;
  const { decision, run, serial } = body as Record<string, unknown>;
  return isCount(decision) && isCount(run) && isCount(serial) ? { decision, run, serial } : null;
}

/** What others decide by, but for how far it is: that grows all the time. */
export function isNews(told: Standing | null, now: Standing): boolean {
  return (
    told === null ||
    told.history !== now.history ||
    told.isExact !== now.isExact ||
    told.isUp !== now.isUp ||
    told.released !== now.released
  );
}

/** Null for what is none. */
export function standingFrom(body: unknown): Standing | null {
  if (typeof body !== 'object' || body === null) return null;
  const { history, offset, isExact, isUp, priority, released } = body as Record<string, unknown>;
  if (history !== null && !isHistory(history)) return null;
  if (!isCount(offset) || !isCount(priority) || !isCount(released)) return null;
  if (typeof isExact !== 'boolean' || typeof isUp !== 'boolean') return null;
  return { history, offset, isExact, isUp, priority, released };
}
