/** Whole numbers in proportion: which share of a sum each of several gets. */

/**
 * `sum` cut in proportion to `weights`: each gets its exact share, rounded down, and what is left
 * goes one by one to those who `prefer` says, first to the first. Weights sum to more than 0.
 */
export function sharesOf(
  sum: number,
  weights: readonly number[],
  prefer: (at: number, exact: number) => number,
): number[] {
  const all = weights.reduce((total, weight) => total + weight, 0);
  const exact = weights.map((weight) => (sum * weight) / all);
  const shares = exact.map(Math.floor);
  const left = sum - shares.reduce((total, share) => total + share, 0);
  const order = weights
    .map((_, at) => at)
    .filter((at) => (weights[at] ?? 0) > 0)
    .sort((a, b) => prefer(b, exact[b] ?? 0) - prefer(a, exact[a] ?? 0) || a - b);
  for (const at of order.slice(0, left)) shares[at] = (shares[at] ?? 0) + 1;
  return shares;
}
