/**
 * The checkers' own check: every order is tried, with no cleverness at all. Only for histories of
 * a few operations.
 */
import type { Operation } from './history.ts';
import { type Model, run } from './models.ts';

/** Whether some order of all known and some unknown operations gives these answers. */
export function isLinearizable<S>(
  model: Model<S>,
  operations: readonly Operation[],
  state: S = model.init,
): boolean {
  const known = operations.filter(({ outcome }) => outcome === 'ok');
  if (known.length === 0) return true;
  const ended = Math.min(...known.map((each) => each.return ?? Number.POSITIVE_INFINITY));
  return operations.some((next) => {
    if (next.outcome === 'fail' || next.call > ended) return false;
    const rest = operations.filter((each) => each !== next);
    return run(model, state, next).some((after) => isLinearizable(model, rest, after));
  });
}
