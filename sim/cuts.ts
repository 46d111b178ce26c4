/** Partitions that are more than a host or a link. */
import type { Network } from './network.ts';

/** The first `border` of them, and the others. */
export function cutHalves(
  network: Network<unknown>,
  mixed: readonly string[],
  border: number,
): void {
  for (const a of mixed.slice(0, border)) {
    for (const b of mixed.slice(border)) network.cutBoth(a, b);
  }
}

/** Everybody reaches only the neighbours on either side, so that majorities overlap in a ring. */
export function cutToRing(network: Network<unknown>, mixed: readonly string[]): void {
  const reach = Math.max(1, Math.floor(mixed.length / 4));
  for (const [i, a] of mixed.entries()) {
    for (const [j, b] of mixed.entries()) {
      const apart = Math.min(Math.abs(i - j), mixed.length - Math.abs(i - j));
      if (apart > reach) network.cut(a, b);
    }
  }
}
