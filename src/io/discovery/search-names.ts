/**
 * The names to ask for, in order, when somebody writes a short one: resolv.conf(5)'s `search`,
 * `domain` and `ndots`. The system's own look-up of addresses does this by itself; its question for
 * SRV records, as Node asks it, does not. Pure.
 */

/** resolv.conf(5): more are ignored. */
const DOMAINS_MAX = 32;
const NDOTS_MAX = 15;

export function searchNames(name: string, resolvConf: string): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const { domains, ndots } = parse(resolvConf);
  const searched = domains.map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

function parse(resolvConf: string): { domains: readonly string[]; ndots: number } {
  let domains: readonly string[] = [];
  let ndots = 1;
  for (const line of resolvConf.split('\n')) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    // The last of several counts.
    if (keyword === 'search') domains = words;
    if (keyword === 'domain') domains = words.slice(0, 1);
    if (keyword !== 'options') continue;
    for (const word of words) {
      const given = /^ndots:(\d{1,4})$/.exec(word)?.[1];
      if (given !== undefined) ndots = Math.min(Number(given), NDOTS_MAX);
    }
  }
  // A lone dot is the root: the name as it is, which comes anyway.
  const usable = domains.map((domain) => domain.replace(/\.$/, '')).filter((each) => each !== '');
  return { domains: usable.slice(0, DOMAINS_MAX), ndots };
}
