/** How long a source rests between two looks. Pure. */
import type { DiscoveryLimits } from './limits.ts';

/**
 * Half of each pause is chance, so that nodes that were started together do not ask together.
 * `failures` counts those since the last look that ended well; `chance` is from 0 to 1.
 */
export function pauseMs(
  everyMs: number,
  failures: number,
  chance: number,
  { backoffMsMin, backoffMsMax }: Pick<DiscoveryLimits, 'backoffMsMin' | 'backoffMsMax'>,
): number {
  const full =
    failures === 0 ? everyMs : Math.min(backoffMsMax, backoffMsMin * 2 ** (failures - 1));
  return full * (0.5 + 0.5 * chance);
}
