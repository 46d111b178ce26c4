/** What is wrong with a configuration, as a value: where it stands, what it is, what to do. */

export interface ConfigIssue {
  /** The key as its source spells it: `--port`, `ALTHING_PORT`, `server.maxmemory`. */
  readonly path: string;
  /** `flag`, `environment`, `FILE:LINE`, or `rule` when no single place is to blame. */
  readonly source: string;
  readonly text: string;
  readonly todo: string;
}

export function formatIssue({ path, source, text, todo }: ConfigIssue): string {
  return `${path} (${source}): ${text}; ${todo}`;
}

/** The number of typing errors that still counts as "did you mean". */
const TYPING_ERRORS_MAX = 3;

/** The closest of `names`, or null when none is close: a wrong suggestion is worse than none. */
export function nearestName(given: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.min(TYPING_ERRORS_MAX, Math.ceil(given.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
