/** The monotonic clock, which is one for all threads: `performance.now` begins with each thread. */

const NS_PER_US = 1000n;
const US_PER_MS = 1000;

export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / NS_PER_US) / US_PER_MS;
}
