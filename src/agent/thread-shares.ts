/**
 * Bounds divided among threads: each keeps its own share, so that no message is needed to hold all
 * of them together. Sessions are counted together instead (`threads/seats.ts`): which thread gets a
 * client is the kernel's choice, and no client should be refused for it.
 */
import type { RelayBounds } from '../io/relay/options.ts';

/** The shares of `parts` relays, one of them the main thread's. */
export function shareOf(bounds: RelayBounds, parts: number): RelayBounds {
  const share = (whole: number): number => Math.max(1, Math.floor(whole / parts));
  return {
    ...bounds,
    waitingBytesTotalMax: share(bounds.waitingBytesTotalMax),
    replyBytesTotalMax: share(bounds.replyBytesTotalMax),
    unfinishedBytesTotalMax: share(bounds.unfinishedBytesTotalMax),
    ownConnectionsMax: share(bounds.ownConnectionsMax),
  };
}
