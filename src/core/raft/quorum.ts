/**
 * Majorities over a set of voters. Pure: no state, no clock.
 *
 * The caller must still check the entry's term before it commits by counting (Raft §5.4.2,
 * figure 8). That check lives in commit.ts, not here.
 */
import { assert } from '../../assert.ts';

export function majority(voters: number): number {
  return (voters >> 1) + 1;
}

/**
 * The highest value that a majority has reached, one value per voter (0 for one not heard from).
 * Sorts `values` in place.
 */
export function majorityValue(values: number[]): number {
  values.sort((a, b) => b - a);
  // Sorted high to low, position k is reached by at least k + 1 voters.
  const value = values[majority(values.length) - 1];
  assert(value !== undefined, 'a configuration has at least one voter');
  return value;
}
