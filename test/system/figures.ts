/** How large a run is, and what it measured. */

/** The counts instead of the short ones. */
export const IS_FULL = process.env['ALTHING_FULL'] === '1';

/** One line that docs/RELIABILITY.md is filled from. */
export function figures(test: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`FIGURES ${JSON.stringify({ test, full: IS_FULL, ...facts })}\n`);
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
