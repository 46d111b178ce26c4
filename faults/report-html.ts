/** The report as one page. */
import type { Second } from './report.ts';
import type { Seen } from './tally.ts';

export function perSecond(seen: readonly Seen[], untilMs: number): Second[] {
  const seconds = Array.from({ length: Math.ceil(untilMs / 1_000) }, () => ({
    ...{ ok: 0, fail: 0, unknown: 0 },
  }));
  for (const { end, outcome } of seen) {
    const second = seconds[Math.floor(end / 1_000)];
    if (second) second[outcome]++;
  }
  return seconds;
}
