/**
 * The words of `althing cluster` in one spelling: flags as redis-cli has them
 * (`--cluster-replicas`) and as valkey-cli has them (`--cluster-only-primaries`) are the same as
 * ours (`--replicas`, `--only-primaries`).
 */

const SAME: Readonly<Record<string, string>> = {
  '--slave': '--replica',
  '--master-id': '--primary-id',
  '--primaries-id': '--primary-id',
  '--only-masters': '--only-primaries',
  '--only-slaves': '--only-replicas',
  '--use-empty-masters': '--use-empty-primaries',
  '--fix-with-unreachable-masters': '--fix-with-unreachable-primaries',
  '--simulate': '--dry-run',
  '--use-atomic-slot-migration': '--atomic',
  '--pass': '--password',
};

/** `words` of the whole command line; what follows `--` is somebody else's. */
export function clusterSpelling(words: readonly string[]): string[] {
  if (words[0] !== 'cluster') return [...words];
  const end = words.indexOf('--');
  const own = end < 0 ? words : words.slice(0, end);
  return [...own.map(spelled), ...words.slice(own.length)];
}

function spelled(word: string): string {
  if (!word.startsWith('--')) return word;
  const [flag = '', ...value] = word.replace(/^--cluster-/, '--').split('=');
  return [SAME[flag] ?? flag, ...value].join('=');
}
