/** Looks for words of panic in the logs of agents and servers. */

/** Of Node, of our own assertions, and of the servers' crash reports. */
const PANICS = [
  /assert/i,
  /InvariantError/,
  /\bpanic/i,
  /BUG REPORT/i,
  /stack trace/i,
  /unhandled/i,
  /uncaught/i,
  /out of memory|heap limit/i,
  /Sanitizer/,
  /^\s+at .+:\d+:\d+\)?$/,
] as const;
const SHOWN_MAX = 10;
const LINE_MAX = 300;

/** Lines of panic, each once, at most a few. */
export function panicsIn(log: string): string[] {
  const found = new Set<string>();
  for (const line of log.split('\n')) {
    if (found.size >= SHOWN_MAX) break;
    if (PANICS.some((panic) => panic.test(line))) found.add(line.trim().slice(0, LINE_MAX));
  }
  return [...found];
}
