/** Times without an acknowledgement. */

/**
 * The longest time without one of `times` between `fromMs` and `toMs`, both ends included: silence
 * up to the end counts as much as silence that ended.
 */
export function longestGap(times: readonly number[], fromMs: number, toMs: number): number {
  const inside = times.filter((time) => time > fromMs && time < toMs).toSorted((a, b) => a - b);
  let longest = 0;
  let last = fromMs;
  for (const time of [...inside, toMs]) {
    longest = Math.max(longest, time - last);
    last = time;
  }
  return longest;
}
