import { setTimeout as sleep } from 'node:timers/promises';

/** What `work` yields, or `late` when it has not after `ms`; the work itself goes on unheard. */
export async function within<T>(ms: number, work: Promise<T>, late: T): Promise<T> {
  const over = new AbortController();
  const timeout = sleep(ms, late, { signal: over.signal, ref: false });
  // It rejects when the work is done first and nobody waits for it any more.
  timeout.catch(() => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    over.abort();
  }
}
