import { DiscoveryError } from './errors.ts';
import type { Clock } from './ports.ts';

/** What comes of `work`, or a `DiscoveryError` after `msMax` or when `signal` aborts. */
export async function within<T>(
  work: Promise<T>,
  { clock, msMax, signal }: { clock: Clock; msMax: number; signal: AbortSignal },
): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(msMax, AbortSignal.any([signal, done.signal])).then((): never => {
    throw new DiscoveryError('NO_ANSWER', `no answer within ${msMax / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    // The one that lost may still fail, and nobody asks any more.
    work.catch(() => undefined);
    late.catch(() => undefined);
    done.abort();
  }
}
