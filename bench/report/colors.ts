/** One color per target, the same in every plot; and shades for the parts of a bar. */

const KNOWN: Readonly<Record<string, string>> = {
  bare: '#6b7280',
  always: '#0d9488',
  etcd: '#d97706',
  deployment: '#2563eb',
  tls: '#7c3aed',
};
const VARIANTS = ['#9333ea', '#db2777', '#65a30d', '#0891b2'];

/** `targets` in the order of the run: a variant's color is by its place among the variants. */
export function colorOf(target: string, targets: readonly string[]): string {
  const variants = targets.filter((name) => KNOWN[name] === undefined);
  const place = variants.indexOf(target);
  return KNOWN[target] ?? VARIANTS[place % VARIANTS.length] ?? '#000000';
}

const PARTS: Readonly<Record<string, string>> = {
  server: '#6b7280',
  leader: '#d97706',
  'leader agent': '#1d4ed8',
  'leader server': '#93c5fd',
  load: '#d1d5db',
};
/** Followers of all kinds, in the order in which they come. */
const FOLLOWERS = ['#15803d', '#86efac', '#a16207', '#fde047', '#7e22ce', '#d8b4fe'];

export function partColorOf(part: string, parts: readonly string[]): string {
  const others = parts.filter((name) => PARTS[name] === undefined);
  return PARTS[part] ?? FOLLOWERS[others.indexOf(part) % FOLLOWERS.length] ?? '#000000';
}
