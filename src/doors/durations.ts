/** Times as people write them: `10s`, `10m`, `2h`, `7d`; a number alone is seconds. */

const UNITS: Readonly<Record<string, number>> = {
  '': 1_000,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** In ms; null for what is no time. */
export function parseDuration(text: string): number | null {
  const [, digits, unit = ''] = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text.trim().toLowerCase()) ?? [];
  const ms = Number(digits) * (UNITS[unit] ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : null;
}

/** In the largest unit that says it exactly. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNITS[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
